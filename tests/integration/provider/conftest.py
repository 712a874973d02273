"""A provider with real servers behind it, and real Terraform in front of it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from direct_machine import DirectMachine
from real_terraform import TERRAFORM, Terraform

from pave.adapters.sandbox import probe
from pave.provider.inventory import Inventory
from pave.provider.serve import ProviderServer
from pave.provider.servers.server import Ground
from pave.provider.services import Programs, Services


@pytest.fixture(scope="session")
def machine():
    return DirectMachine()


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory):
    return probe("", "nobody", tmp_path_factory.mktemp("etc"))


@pytest.fixture(scope="session")
def ground(tmp_path_factory, machine, sandbox):
    data = tmp_path_factory.mktemp("data")
    run = Path(tempfile.mkdtemp(prefix="pave-run-"))
    run.chmod(0o711)
    yield Ground(
        data / "cloud",
        run,
        data / "logs",
        machine,
        Inventory(data / "cloud" / "inventory"),
        sandbox.server,
        sandbox.user,
    )
    for name in machine.programs():
        machine.remove(name)
    shutil.rmtree(run)


@pytest.fixture(scope="session")
def services(ground):
    return Services(ground, Programs())


@pytest.fixture(scope="session")
def server(ground, services):
    served = ProviderServer(services.provider(), ground.run / "provider" / "tf.sock")
    served.start()
    yield served
    served.stop()


@pytest.fixture
def terraform(tmp_path, server):
    if TERRAFORM is None:
        pytest.skip("there is no terraform program here")
    return Terraform(tmp_path, server.environment())
