"""Composes the provider over a data folder, as `pave up` does, and serves it as a plain Terraform plugin."""

import os
from pathlib import Path

from pave.adapters.sandbox import probe
from pave.adapters.supervisor import SupervisorMachine
from pave.provider.inventory import Inventory
from pave.provider.serve import serve_as_plugin
from pave.provider.servers.server import Ground
from pave.provider.services import Programs, Services


def compose(data: Path, run: Path) -> tuple[SupervisorMachine, Services]:
    machine = SupervisorMachine(data / "cloud" / "supervisor", run, data / "logs")
    sandbox = probe("", "nobody", data / "etc")
    inventory = Inventory(data / "cloud" / "inventory")
    ground = Ground(data / "cloud", run, data / "logs", machine, inventory, sandbox.server, sandbox.user)
    return machine, Services(ground, Programs())


if __name__ == "__main__":
    serve_as_plugin(compose(Path(os.environ["PAVE_TEST_DATA"]), Path(os.environ["PAVE_TEST_RUN"]))[1].provider())
