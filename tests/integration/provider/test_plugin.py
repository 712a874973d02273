"""The same provider started by Terraform itself, and by the platform, over the same data and a real supervisor."""

import platform
import shutil
import sys
import tempfile
from pathlib import Path

import psycopg
import pytest
from plugin import compose
from real_terraform import TERRAFORM, Terraform, call

from pave.provider.serve import ProviderServer

HERE = Path(__file__).parent
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}


@pytest.fixture
def place(tmp_path):
    run = Path(tempfile.mkdtemp(prefix="pave-run-"))
    run.chmod(0o711)
    machine, services = compose(tmp_path / "data", run)
    yield tmp_path, run, services
    machine.shutdown()
    shutil.rmtree(run)


def plugin(folder, run):
    """Terraform that finds the provider in a mirror on the disk and starts it for each call."""
    target = folder / f"mirror/pave.dev/pave/pave/1.0.0/linux_{ARCHITECTURE.get(platform.machine(), 'amd64')}"
    target.mkdir(parents=True)
    program = target / "terraform-provider-pave_v1.0.0"
    program.write_text(f"#!/bin/sh\nPYTHONPATH={HERE.parents[2]} exec {sys.executable} {HERE / 'plugin.py'}\n")
    program.chmod(0o755)
    (folder / "terraformrc").write_text(
        f'provider_installation {{\n  filesystem_mirror {{\n    path = "{folder / "mirror"}"\n  }}\n}}\n'
    )
    environment = {
        "TF_CLI_CONFIG_FILE": str(folder / "terraformrc"),
        "PAVE_TEST_DATA": str(folder / "data"),
        "PAVE_TEST_RUN": str(run),
        "CHECKPOINT_DISABLE": "1",
    }
    (folder / "work").mkdir()
    return Terraform(folder / "work", environment)


@pytest.mark.skipif(TERRAFORM is None, reason="there is no terraform program here")
def test_a_plugin_and_the_platform_are_the_same_provider(place):
    folder, run, services = place
    terraform = plugin(folder, run)
    terraform.write(call("local-postgres", "dev/plugin/db"))
    terraform.apply()
    made = terraform.outputs()["it"]
    with psycopg.connect(made["url"]):
        pass
    server = ProviderServer(services.provider(), run / "provider" / "tf.sock")
    server.start()
    try:
        terraform.environment.update(server.environment())
        assert terraform.plan() == {}
        terraform.destroy()
    finally:
        server.stop()
    assert not (run / "provider" / "tf.sock").exists()
    assert [one["address"] for one in services.trash.all()] == ["dev/plugin/db"]
