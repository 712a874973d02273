"""A machine with a real supervisor, sandbox and router."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from small_world import APP, StoredArtifacts, World

from pave.adapters.sandbox import probe
from pave.adapters.subprocesses import find
from pave.adapters.supervisor import SupervisorMachine
from pave.provider.inventory import Inventory
from pave.provider.routes import Routes
from pave.provider.servers.caddy import Router
from pave.provider.servers.server import Ground
from pave.provider.volumes import Volumes
from pave.provider.workload import Site, Workloads


@pytest.fixture
def run_folder():
    """A short path for sockets; pytest's own are too long."""
    folder = Path(tempfile.mkdtemp(prefix="pr-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def sandbox(tmp_path):
    found = probe("", "nobody", tmp_path / "etc")
    assert found.level == "full", found.reason
    return found


@pytest.fixture
def machine(tmp_path, run_folder):
    made = SupervisorMachine(tmp_path / "machine", run_folder, tmp_path / "logs")
    yield made
    left = {name: made.state(name).pid for name in made.programs()}
    made.shutdown()
    for name, pid in left.items():
        assert not pid or not Path(f"/proc/{pid}").exists(), f"{name} is still there"


@pytest.fixture
def world(tmp_path, run_folder, sandbox, machine):
    application = tmp_path / "artifact"
    application.mkdir()
    (application / "app.py").write_text(APP)
    artifacts = StoredArtifacts(application)
    inventory = Inventory(tmp_path / "cloud" / "inventory")
    ground = Ground(tmp_path / "cloud", run_folder, tmp_path / "logs", machine, inventory, sandbox.server, sandbox.user)
    routes = Routes(inventory)
    caddy = find("caddy", {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"})
    router = Router(ground, Path(caddy), 0, routes.all)
    routes.router = router
    volumes = Volumes(tmp_path / "cloud" / "volumes", sandbox.give)
    site = Site(
        inventory, machine, sandbox, artifacts, volumes, tmp_path / "workloads", tmp_path / "logs" / "workloads", 5.0
    )
    return World(Workloads(site, routes), routes, router, machine, inventory, artifacts, volumes)
