"""The meter: writes down, hour by hour, what is there and what it costs, and what the month is expected to cost.

It counts what the cloud shows to be there; what is gone, or asleep, costs nothing meanwhile. It may be asked as often
as one likes: an hour counts once. What a cloud's own bill says is imported, and counts instead (`engine/costs.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from pave.engine.judgement.spending import tariffs_of
from pave.engine.world import World
from pave.model.module import Module
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.observe.charges import Charge, Place, Sample, expected, hour_of, month_of, per_hour
from pave.observe.health import Status, with_missing
from pave.plan.wanted import owner_of
from pave.ports import ResourceRecord
from pave.verdict.subject import COST_CENTER

_WORKLOAD = "workload"


def meter(world: World) -> int:
    """One round; how many hours of a resource's SKU were new."""
    snapshot, now = world.snapshots.current(), world.clock.now()
    tariffs, live, month = tariffs_of(world, snapshot), world.cloud.survey(), month_of(now)
    runs = {one.address: one.run for one in world.stacks.all()}
    by_stack: dict[Address, list[ResourceRecord]] = {}
    for one in world.stacks.resources():
        by_stack.setdefault(one.address.stack, []).append(one)
    samples, rows = list[Sample](), list[Charge]()
    for stack, records in by_stack.items():
        there = with_missing(live.get(stack, {}), records, world.cloud.kinds)
        deployment = snapshot.deployments.get(stack)
        asleep, run = deployment is not None and deployment.asleep, runs.get(stack, "")
        for record, module in _known(snapshot, records):
            place = place_of(snapshot, record)
            health = there.get(record.address)
            gone = health is not None and health.status is Status.MISSING
            for line in tariffs.lines(module, record.inputs):
                rows += expected(line, place, month, run)
                if line.price is not None and not gone and not (asleep and record.type == _WORKLOAD):
                    samples.append(Sample(place, line.price, per_hour(line)))
    world.charges.put(rows)
    return world.charges.meter(samples, hour_of(now))


def _known(snapshot: Snapshot, records: list[ResourceRecord]) -> Iterator[tuple[ResourceRecord, Module]]:
    for one in records:
        module = snapshot.modules.get(one.module)
        if module is not None:
            yield one, module


def place_of(snapshot: Snapshot, record: ResourceRecord) -> Place:
    """Whose a resource is, with the tags that its rows get."""
    address = record.address
    owner = owner_of(snapshot, address.component)
    tags = {
        "environment": address.environment,
        "service": address.component,
        "owner": str(owner or ""),
        "cost-center": _cost_center(snapshot, address),
    }
    return Place(address, record.type, str(owner or ""), tags)


def _cost_center(snapshot: Snapshot, address: Address) -> str:
    """What the component says, else its team."""
    owner = owner_of(snapshot, address.component)
    entities = [
        one for ref, one in snapshot.entities.items() if (ref.kind, ref.name) == ("component", address.component)
    ]
    team = snapshot.entities.get(owner) if owner else None
    said = ((one.metadata.get("annotations") or {}).get(COST_CENTER) for one in (*entities, team) if one)
    return next((str(one) for one in said if one), "")
