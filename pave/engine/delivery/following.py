"""What follows from a run by itself: the next step of a rollout, a promotion, a way back; and the record of it all.

Everything here asks through `submit`, as everybody does, and asking twice is harmless.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from pave.apply.run import State
from pave.engine.delivery.delivering import broke, cancelled, lived
from pave.engine.delivery.promoting import outcome, source_of
from pave.engine.delivery.rollouts import bake_time
from pave.engine.forge import changes, pushes, reviews
from pave.engine.submit import submit
from pave.engine.work import Work
from pave.engine.world import World
from pave.model.deployment_file import path_of
from pave.model.diagnostics import Diagnostic, Refused
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.plan.promotion import NotYet
from pave.ports import PLATFORM_REPOSITORY
from pave.request.access import SYSTEM
from pave.request.intent import (
    Advance,
    CheckChange,
    Deploy,
    Intent,
    MergeChange,
    Promote,
    Request,
    Rollback,
    RollbackAll,
)

_log = logging.getLogger(__name__)


def follow(work: Work) -> dict[str, Any]:
    """Ask for what comes next, and say which run that is."""
    intent = work.run.request.intent
    if isinstance(intent, CheckChange):
        for stack in map(Address.parse, work.run.stacks):
            lived(work, stack)
        return _next(reviews.checked(work.world, intent, work.run.id))
    if isinstance(intent, MergeChange):
        return _next(_merged(work, intent))
    snapshot = work.world.snapshots.current()
    asked: list[str] = []
    for stack in map(Address.parse, work.output("plan").get("stacks", ())):
        deployment = snapshot.deployments.get(stack)
        if deployment is None:
            continue
        if deployment.rollout is not None:
            weight = deployment.rollout.weight
            key = f"advance/{work.run.id}/{stack}"
            wait = bake_time(snapshot.environments[stack.environment], weight)
            first = min(wait, timedelta(seconds=1))
            asked += ask(work.world, Advance(stack, deployment.commit, weight), key, first)
        else:
            lived(work, stack)
            asked += _follow_up(work.world, stack)
    return _next(asked)


def ended(work: Work, state: State, why: Diagnostic | None) -> str:
    """Settle the record of a run that did not succeed; the id of the run that makes it good, if there is one."""
    intent = work.run.request.intent
    if isinstance(intent, CheckChange):
        reviews.failed(work.world, intent, work.run.id, state)
    reason = why.summary if why else state.value
    stacks = [Address.parse(one) for one in work.run.stacks]
    recorded = bool(work.output("record").get("commit"))
    for stack in stacks:
        if state is State.CANCELLED and not recorded:
            cancelled(work, stack)
        else:
            broke(work, stack, reason)
    back = _way_back(work, stacks) if recorded and state is State.FAILED else None
    return next(iter(ask(work.world, back, f"back/{work.run.id}", reason=reason)), "") if back else ""


def _way_back(work: Work, stacks: list[Address]) -> Intent | None:
    """What undoes a version that did not come to live: Git never keeps saying what does not run."""
    intent = work.run.request.intent
    snapshot = work.world.snapshots.current()
    there = [one for one in stacks if (found := snapshot.deployments.get(one)) is not None and found.commit]
    if isinstance(intent, Deploy | Promote | Advance) and there:
        return Rollback(there[0], automatic=True)
    if isinstance(intent, Rollback | RollbackAll) and there:
        return _restored(work, (intent,) if isinstance(intent, Rollback) else intent.stacks)
    return None


def _restored(work: Work, wanted: Sequence[Rollback]) -> Intent | None:
    """Each stack as it was before a rollback that did not come to live for all of them: all go back, or none.

    Where that was itself a way back, nothing is known to run and somebody has to look; where somebody changed a stack
    meanwhile, their word counts.
    """
    before = {one.stack: _before(work, one.stack) for one in wanted}
    if any(one.automatic for one in wanted) or not all(before.values()):
        return None
    again = tuple(Rollback(stack, commit, automatic=True) for stack, commit in before.items())
    return again[0] if len(again) == 1 else RollbackAll(again)


def _before(work: Work, stack: Address) -> str:
    """The commit that a stack ran until this run's own change to it; empty if that is not the newest one."""
    world = work.world
    newest = [one.id for one in world.platform.log(path_of(stack), limit=2)]
    if len(newest) < 2 or newest[0] != work.output("record").get("commit"):
        return ""
    found = world.snapshots.deployment_at(newest[1], stack)
    return found.commit if found else ""


def _merged(work: Work, intent: MergeChange) -> list[str]:
    """A change is merged: close it, take its preview and its branch away, and go on with what is now on main."""
    world, actor = work.world, work.run.request.actor
    change = changes.of(world, intent.repository, intent.number)
    commit = str(work.output("record").get("commit") or work.output("source").get("merged", ""))
    if change.state == "open":
        reviews.merged(world, change, commit, actor, work.run.id)
    else:
        reviews.close_preview(world, change, commit)
    if change.repository == PLATFORM_REPOSITORY:
        world.platform.delete_branch(change.branch, change.head)
    else:
        world.repositories.delete_branch(change.repository, change.branch, change.head)
    world.changes.see(change.repository, change.branch, "")
    return [one.run for one in pushes.process(world, change.repository, actor) if one.run]


def _follow_up(world: World, stack: Address) -> list[str]:
    """Promote what has just come to live in `stack` to wherever it is due at once; the runs that were asked for."""
    snapshot = world.snapshots.current()
    following = [
        Address(name, stack.component)
        for name, one in snapshot.environments.items()
        if one.deploy.source == stack.environment and Address(name, stack.component) in snapshot.deployments
    ]
    return [run for one in following if (run := _promote(world, snapshot, one)[0])]


def promote_what_is_due(world: World, snapshot: Snapshot) -> datetime | None:
    """Ask for every promotion that is due; when the first one that only waits for its time will be."""
    behind = [stack for stack in sorted(snapshot.deployments) if _differs(snapshot, stack)]
    return min((when for one in behind if (when := _promote(world, snapshot, one)[1])), default=None)


def _differs(snapshot: Snapshot, stack: Address) -> bool:
    """Whether another version is wanted where a stack is fed from: only then is there anything to look up."""
    source = source_of(snapshot, stack)
    before = snapshot.deployments.get(source) if source else None
    return before is not None and before.artifact != snapshot.deployments[stack].artifact


def _promote(world: World, snapshot: Snapshot, stack: Address) -> tuple[str, datetime | None]:
    """The run that promotes to `stack`, or when that will be due."""
    found = outcome(world, snapshot, stack)
    if isinstance(found, NotYet):
        return "", found.when
    # The commit counts too: another one of the same content may be signed where the one before was not.
    source = source_of(snapshot, stack)
    commit = snapshot.deployments[source].commit if source else ""
    key = f"promote/{stack}/{found.artifact}/{commit}/{snapshot.deployments[stack].artifact}"
    return next(iter(ask(world, Promote(stack, automatic=True), key)), ""), None


def ask(world: World, intent: Intent, key: str, wait: timedelta = timedelta(0), reason: str = "") -> list[str]:
    """Ask in the platform's own name; what cannot be asked for is told in the log."""
    if reason and isinstance(intent, Rollback):
        intent = replace(intent, reason=reason)
    elif reason and isinstance(intent, RollbackAll):
        intent = RollbackAll(tuple(replace(one, reason=reason) for one in intent.stacks))
    try:
        run = submit(world, Request(SYSTEM, "engine", intent, world.clock.now(), key), wait)
    except Refused as refused:
        _log.info("Nothing follows (%s): %s", key, refused)
        return []
    return [run.id]


def _next(runs: list[str]) -> dict[str, Any]:
    return {"next": runs[0]} if runs else {}
