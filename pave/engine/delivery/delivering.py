"""The one record of delivery: from the commit over its run to what it did when it was live.

A delivery begins when a run commits another version of a component to an environment, and ends live, failed,
rolled back or superseded. Delivery metrics are computed from these records and from nothing else.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pave.apply.run import Step, StepState
from pave.engine.work import Work
from pave.model.deployment import Deployment
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.ports import Delivery
from pave.request.intent import (
    Advance,
    CheckChange,
    CreateComponent,
    CreateEnvironment,
    Deploy,
    ImportComponent,
    MergeChange,
    Promote,
    Rollback,
    RollbackAll,
)

_LOOKED_THROUGH = 200
OPEN, LIVE, FAILED, BACK, SUPERSEDED, CANCELLED = "open", "live", "failed", "rolled-back", "superseded", "cancelled"

_CAUSES: dict[type[Any], str] = {
    CreateComponent: "create",
    ImportComponent: "import",
    Deploy: "deploy",
    Promote: "promotion",
    Rollback: "rollback",
    RollbackAll: "rollback",
    CheckChange: "preview",
    CreateEnvironment: "create",
    MergeChange: "merge",
    Advance: "rollback",
}


def recorded(work: Work, before: Snapshot, after: Snapshot) -> None:
    """Begin a delivery for each stack whose version this run has just committed."""
    if isinstance(work.run.request.intent, Advance) and work.output("bake").get("decision") != "back":
        return  # another share of the traffic for what is on its way already
    for stack, deployment in after.deployments.items():
        old = before.deployments.get(stack)
        if deployment.commit and (
            old is None or old.artifact != deployment.artifact or old.commit != deployment.commit
        ):
            _begin(work, stack, deployment, old)


def _begin(work: Work, stack: Address, deployment: Deployment, old: Deployment | None) -> None:
    world, run, now = work.world, work.run, work.world.clock.now()
    intent = run.request.intent
    earlier = world.deliveries.find(stack=stack, limit=1)
    cause = _CAUSES.get(type(intent), "deploy")
    if isinstance(intent, Deploy) and intent.automatic:
        cause = "push"
    for one in earlier:
        if one.outcome == OPEN and one.run != run.id:
            world.deliveries.put(one.run, stack, outcome=SUPERSEDED, reason=f"{deployment.commit[:7]} came instead")
    broken = _broken(work, stack)
    world.deliveries.put(
        run.id,
        stack,
        cause=cause,
        repository=deployment.repository,
        commit=deployment.commit,
        artifact=deployment.artifact,
        change=f"{intent.repository}/{intent.number}" if isinstance(intent, CheckChange | MergeChange) else "",
        actor=str(run.request.actor),
        source=world.snapshots.current().environments[stack.environment].deploy.source if cause == "promotion" else "",
        recovers=broken.id if broken else "",
        committed_at=_committed(work, deployment, old),
        asked_at=run.created_at,
        checked_at=_finished(work.steps.get(("check", ""))),
        built_at=_finished(work.steps.get(("build", ""))),
        recorded_at=now,
    )
    if broken is not None and cause == "rollback":
        world.deliveries.put(broken.run, stack, outcome=BACK, failed_at=broken.failed_at or now)


def _broken(work: Work, stack: Address) -> Delivery | None:
    """The delivery that this one makes good: the newest one, if it failed or is being rolled back.

    One that ended before it came to live made nothing good: what it was to make good is this one's to do.
    """
    newest = next(iter(work.world.deliveries.find(stack=stack, limit=1)), None)
    if newest is None or newest.recovered_at is not None or newest.run == work.run.id:
        return None
    if newest.outcome in (FAILED, BACK) or isinstance(work.run.request.intent, Rollback | RollbackAll | Advance):
        return newest
    return _recovered_by(work, newest) if newest.outcome in (SUPERSEDED, CANCELLED) else None


def _recovered_by(work: Work, one: Delivery) -> Delivery | None:
    run = one.recovers.partition(":")[0]
    return work.world.deliveries.get(run, one.stack) if run else None


def _committed(work: Work, deployment: Deployment, old: Deployment | None) -> datetime | None:
    """When the oldest commit that comes to live with this one was made; what only Git wanted was not live."""
    if not deployment.repository:
        return None
    known = work.world.deliveries.find(stack=deployment.address, limit=_LOOKED_THROUGH)
    lived_ = next((one for one in known if one.outcome == LIVE), None)
    before = lived_ if known else old
    since = before.commit if before and before.repository == deployment.repository else ""
    commits = work.world.repositories.log(deployment.repository, deployment.commit, since, limit=500) if since else ()
    if commits:
        return min(one.at for one in commits)
    return work.world.repositories.resolve(deployment.repository, deployment.commit).at


def _finished(step: Step | None) -> datetime | None:
    return step.finished_at if step and step.state is StepState.DONE else None


def _on_record(work: Work, stack: Address) -> Delivery | None:
    """The delivery that this run carries out: its own, or the one whose rollout it moves on."""
    own = work.world.deliveries.get(work.run.id, stack)
    if own is not None or not isinstance(work.run.request.intent, Advance):
        return own
    return next((one for one in work.world.deliveries.find(stack=stack, limit=5) if one.outcome == OPEN), None)


def lived(work: Work, stack: Address) -> None:
    """It is live with all of the traffic; what it makes good has recovered with that."""
    one, now = _on_record(work, stack), work.world.clock.now()
    if one is None or one.outcome != OPEN:
        return
    work.world.deliveries.put(one.run, stack, outcome=LIVE, live_at=now)
    broken = _recovered_by(work, one)
    while broken is not None and broken.recovered_at is None:  # also what a failed attempt was to make good
        work.world.deliveries.put(broken.run, stack, recovered_at=now)
        broken = _recovered_by(work, broken)


def broke(work: Work, stack: Address, reason: str) -> None:
    """It did not come to live."""
    one = _on_record(work, stack)
    if one is not None and one.outcome == OPEN:
        now = work.world.clock.now()
        work.world.deliveries.put(one.run, stack, outcome=FAILED, reason=reason, failed_at=now)


def cancelled(work: Work, stack: Address) -> None:
    """Somebody stopped it before Git said so."""
    one = work.world.deliveries.get(work.run.id, stack)
    if one is not None and one.outcome == OPEN:
        work.world.deliveries.put(one.run, stack, outcome=CANCELLED)
