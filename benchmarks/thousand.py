"""A thousand stacks that were applied and have not changed since: real records, a real repository, real volumes."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

from benchmarks.running import folder
from pave.engine.reconciler import Reconciler
from pave.model.deployment import Deployment
from pave.model.deployment_file import path_of, write_deployment
from pave.model.names import Address, Ref
from pave.model.workload import Need
from pave.ports import ResourceRecord
from pave.settings import Settings
from pave.wiring import Base, Platform

STACKS = 1000


@contextlib.contextmanager
def thousand_stacks() -> Iterator[Reconciler]:
    """A reconciler over a world with 1,000 live stacks, a volume and a host name in each."""
    with folder() as data:
        base = Base(Settings.load({"data": data, "port": 0, "router_port": 0}))
        base.machine.attach()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            platform = Platform(base, listener)
            try:
                platform.open()
                _fill(platform, data)
                platform.reconciler.look()
                yield platform.reconciler
            finally:
                platform.close()


def _fill(platform: Platform, data: Path) -> None:
    world = platform.world
    stacks = [Address("dev", f"service-{number}") for number in range(STACKS)]
    needs = {"files": Need("files", "volume"), "name": Need("name", "dns")}
    edits: dict[str, bytes | None] = {
        path_of(stack): write_deployment(
            Deployment(stack, Ref("component", "default", stack.component), resources=needs)
        )
        for stack in stacks
    }
    world.platform.commit(world.platform.head(), edits, "A thousand stacks\n", "benchmark")
    snapshot = world.snapshots.current()
    for stack in stacks:
        (data / "cloud" / "volumes").mkdir(parents=True, exist_ok=True)
        platform.local.volumes.ensure(stack.at("files"))
        records = [
            ResourceRecord(stack.at(name), need.type, f"local/{need.type}", "1.0.0", stateful=False)
            for name, need in needs.items()
        ]
        world.stacks.put(stack, phase="live", inputs=snapshot.inputs[stack], health="healthy")
        world.stacks.put_resources(stack, records)
