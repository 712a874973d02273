"""Promotion: the artifact that runs well in one environment moves on to the next, by digest, never built again.

The rules are data of the environment; `pave.plan.promotion` decides, this gathers what it needs to know.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pave.engine.delivery.delivering import BACK, FAILED
from pave.engine.world import World
from pave.model.deployment import Deployment
from pave.model.diagnostics import Conflict, error
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.plan.promotion import Due, Facts, NotYet, promotion
from pave.request.intent import Promote

_REMEMBERED = 20


def source_of(snapshot: Snapshot, stack: Address) -> Address | None:
    """The stack that `stack` is promoted from; None where its environment is fed from a branch or by nobody."""
    environment = snapshot.environments.get(stack.environment)
    if environment is None or environment.deploy.source not in snapshot.environments:
        return None
    return Address(environment.deploy.source, stack.component)


def outcome(world: World, snapshot: Snapshot, stack: Address) -> Due | NotYet:
    """Whether the version of the environment before may move to `stack` now; if not, why, and when."""
    source = source_of(snapshot, stack)
    environment = snapshot.environments.get(stack.environment)
    if environment is None or source is None:
        fed = environment.deploy.source if environment else ""
        return NotYet(f"{stack.environment} is fed from {fed}" if fed else f"nothing feeds {stack.environment}")
    record = world.stacks.get(source)
    there = snapshot.deployments.get(source)
    delivered = world.deliveries.find(stack=stack, limit=_REMEMBERED)
    facts = Facts(
        source=source,
        version=there if record is not None and there is not None and _applied(there, record.artifact) else None,
        since=_live_since(world, source, there),
        status=record.health if record else "missing",
        reason=record.reason if record else f"{source} is not there",
        failed=frozenset(one.artifact for one in delivered if one.outcome in (FAILED, BACK)),
    )
    return promotion(facts, environment, snapshot.deployments.get(stack), world.clock.now())


def _applied(wanted: Deployment, artifact: str) -> bool:
    """Whether what Git wants there is what runs there, with all of the traffic."""
    return bool(wanted.commit) and wanted.artifact == artifact and wanted.rollout is None


def _live_since(world: World, stack: Address, deployment: Deployment | None) -> datetime | None:
    if deployment is None:
        return None
    for one in world.deliveries.find(stack=stack, limit=_REMEMBERED):
        if one.artifact == deployment.artifact and one.live_at is not None:
            return one.live_at
    record = world.stacks.get(stack)
    return record.applied_at if record else None


def promoted(world: World, snapshot: Snapshot, intent: Promote) -> Deployment:
    """The deployment to write for a promotion. Raises `Conflict` with the reason where it is not due."""
    found = outcome(world, snapshot, intent.stack)
    if isinstance(found, NotYet):
        raise Conflict(
            error(
                f"{intent.stack} does not get another version now: {found.reason}",
                remedy=f"It may from {found.when:%Y-%m-%d %H:%M} UTC on." if found.when else found.remedy,
                address=str(intent.stack),
            )
        )
    source = source_of(snapshot, intent.stack)
    assert source is not None
    return replace(snapshot.deployments[source], address=intent.stack, rollout=None, pin=None, asleep=False)
