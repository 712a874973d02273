"""The stages that watch a version arrive: `smoke` asks it for something, `bake` decides about its next step.

A version on its way stands in Git with its share of the traffic. Each step is a run of its own and a commit of
its own, so that Git says at any moment what runs, and whoever restarts finds where it was.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from typing import Any

from pave.apply.retry import Later, Terminal
from pave.engine.applying import health_of
from pave.engine.work import Skipped, Work
from pave.engine.world import World
from pave.model.deployment import Deployment
from pave.model.diagnostics import error
from pave.model.duration import duration
from pave.model.environment import Environment
from pave.model.names import Address
from pave.observe.analysis import Back, Forward, decide
from pave.observe.health import Status, worst
from pave.observe.traffic import Traffic
from pave.plan.versions import shares_of
from pave.ports import Probe
from pave.request.intent import Advance

_LOOK_SECONDS = 1.0
_SMOKE_SECONDS = 3.0
_SMOKE_PAUSE = 0.1


def smoke(work: Work) -> dict[str, Any]:
    """Ask what was deployed for something, through the router. Raises `Terminal` where it only knows errors."""
    snapshot = work.world.snapshots.current()
    asked = []
    for stack in map(Address.parse, work.output("plan").get("stacks", ())):
        deployment = snapshot.deployments.get(stack)
        if deployment is None or not deployment.commit or deployment.asleep:
            continue
        asked += _smoke(work, stack, deployment)
    if not asked:
        raise Skipped("Nothing that answers was deployed")
    return {"asked": asked}


def _smoke(work: Work, stack: Address, deployment: Deployment) -> list[str]:
    candidate = deployment.rollout is not None and deployment.rollout.weight < 100
    until = time.monotonic() + _SMOKE_SECONDS
    while True:
        probes = work.world.cloud.probe(stack, candidate=candidate)
        bad = next((one for one in probes if not one.ok), None)
        if bad is None:
            return [f"{one.url} {one.status}" for one in probes]
        if time.monotonic() > until:
            raise Terminal(
                error(
                    f"{stack} does not answer as it should: {told(bad)}",
                    detail=f"Asked at {bad.url}, for {_SMOKE_SECONDS:.0f} s.",
                    remedy=f"`pave logs {stack}` says what it said.",
                    address=str(stack),
                )
            )
        work.check()
        time.sleep(_SMOKE_PAUSE)


def told(probe: Probe) -> str:
    """What came of a probe, in words."""
    return probe.problem or f"it answered {probe.status}"


def bake(work: Work) -> dict[str, Any]:
    """Watch a version on its way until its time is over or enough was seen, and decide about its next step."""
    intent = work.run.request.intent
    assert isinstance(intent, Advance)
    world, stack = work.world, intent.stack
    snapshot = world.snapshots.current()
    deployment, environment = snapshot.deployments.get(stack), snapshot.environments.get(stack.environment)
    rollout = deployment.rollout if deployment else None
    if deployment is None or environment is None or rollout is None:
        return {"decision": "superseded", "reason": "it is not on its way any more"}
    if (deployment.commit, rollout.weight) != (intent.commit, intent.weight):
        return {"decision": "superseded", "reason": "another step or version came meanwhile"}
    since = began(world, stack) or world.clock.now()
    seen = _watched(work, stack, environment, rollout.weight, since)
    left = (since + bake_time(environment, rollout.weight) - world.clock.now()).total_seconds()
    if not isinstance(seen, Back) and left > 0:
        raise Later(min(left, _LOOK_SECONDS))
    work.report(f"{stack} at {rollout.weight} %: {seen.reason or 'nothing against it was seen'}")
    if isinstance(seen, Back):
        return {"decision": "back", "reason": seen.reason}
    if isinstance(seen, Forward):
        return {"decision": "forward", "weight": seen.weight, "reason": seen.reason}
    return {"decision": "finished", "reason": seen.reason}


def _watched(work: Work, stack: Address, environment: Environment, weight: int, since: datetime) -> Any:
    cloud = work.world.cloud
    traffic = cloud.traffic(stack, since)
    health = worst(health_of(work.world, stack).values())
    probes = cloud.probe(stack, candidate=weight < 100)
    return decide(
        weight,
        shares_of(environment.deploy),
        traffic.get("stable", Traffic()),
        traffic.get("candidate", Traffic()) if weight < 100 else traffic.get("stable", Traffic()),
        healthy=health.status in (Status.HEALTHY, Status.PROGRESSING, Status.UNKNOWN),
        probes_ok=all(one.ok for one in probes),
    )


def began(world: World, stack: Address) -> datetime | None:
    """Since when a stack is what it is."""
    record = world.stacks.get(stack)
    return record.applied_at if record else None


def bake_time(environment: Environment, weight: int) -> timedelta:
    """How long a version is watched at a share of the traffic; one that gets none is only probed."""
    text = environment.deploy.bake
    return duration(text) if text and weight else timedelta(0)
