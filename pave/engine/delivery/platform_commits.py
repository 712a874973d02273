"""Where a commit of the platform repository is: the stacks that it reaches, and whether it was applied to each.

What it reaches follows from the change detectors: a stack whose inputs differ between the commit and the one before
it. Applied it is where the inputs of `main` are those that were applied last, or where the run that applied them
began from a commit that has it.
"""

from __future__ import annotations

from dataclasses import replace

from pave.apply.run import TERMINAL, Run, State
from pave.engine.delivery.places import Place, in_order
from pave.engine.world import World
from pave.model.deployment_file import path_of
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.observe.drift import REMOVAL
from pave.ports import PLATFORM_REPOSITORY, ChangeRequest, Commit, StackRecord

_LOOKED_THROUGH = 200


def places_of(world: World, commit: Commit) -> tuple[Place, ...]:
    """One place per stack that the commit reaches; an environment where it reaches none has one without a stack."""
    now, after = world.snapshots.current(), world.snapshots.at(commit.id)
    before = world.snapshots.at(commit.parents[0]).inputs if commit.parents else {}
    reached = {one for one in {*before, *after.inputs} if before.get(one) != after.inputs.get(one)}
    merged = world.platform.contains(commit.id, now.commit)
    outside = ("", "") if merged else _outside(world, commit)
    names = in_order(now, {one.environment for one in reached})
    gone = sorted({one.environment for one in reached} - set(names))
    found: list[Place] = []
    for name in (*names, *gone):
        stacks = sorted(one for one in reached if one.environment == name)
        if not stacks:
            found.append(Place(name, "unaffected", reason="it changes no stack there"))
        for stack in stacks:
            if merged:
                found.append(_applied(world, (now, after), stack, commit))
            else:
                found.append(Place(name, "absent", *outside, stack=str(stack)))
    return tuple(found)


def _applied(world: World, snapshots: tuple[Snapshot, Snapshot], stack: Address, commit: Commit) -> Place:
    now, after = snapshots
    record, wanted = world.stacks.get(stack), now.inputs.get(stack, "")
    here = Place(stack.environment, "waiting", stack=str(stack))
    if record is not None:
        url = next(iter(record.urls.values()), "")
        here = replace(here, since=record.applied_at, url=url, run=record.run)
    if stack in now.unreadable:
        return replace(here, state="failed", reason=f"{path_of(stack)} cannot be read", remedy="pave findings")
    run = _under_way(world, stack)
    if run is not None:
        return replace(here, state="arriving", reason=f"run {run.id} is on it", remedy=f"pave run {run.id}", run=run.id)
    if record is None:
        if not wanted:
            return replace(here, state="live", reason="it is removed, as Git says")
    elif wanted and record.inputs == wanted:
        later = "" if after.inputs.get(stack) == wanted else f"{now.commit[:7]}, which is applied there, contains it"
        return replace(here, state="included" if later else "live", reason=later)
    elif record.failed_inputs == (wanted or REMOVAL):
        return _failed(here, record)
    elif (revision := _revision(world, record)) and world.platform.contains(commit.id, revision):
        reason = f"{revision[:7]}, which is applied there, contains it; what came later is not applied yet"
        return replace(here, state="included", reason=reason)
    return replace(here, reason="it is on main, and not applied yet", remedy=f"pave converge {stack}")


def _failed(here: Place, record: StackRecord) -> Place:
    summary = str((record.error or {}).get("summary", ""))
    reason = f"applying it failed: {summary}" if summary else "it was not applied: the verdict did not allow it"
    return replace(here, state="failed", reason=reason, remedy=f"pave run {record.run}")


def _under_way(world: World, stack: Address) -> Run | None:
    going = tuple(state for state in State if state not in TERMINAL)
    return next((run for run in world.runs.find(states=going, limit=_LOOKED_THROUGH) if str(stack) in run.stacks), None)


def _revision(world: World, record: StackRecord) -> str:
    """The commit of `main` that was applied last: what the run committed, or began from; empty where unknown."""
    steps = {step.name: step.output for step in world.runs.steps(record.run) if not step.subject} if record.run else {}
    return str(steps.get("record", {}).get("commit") or steps.get("plan", {}).get("base", ""))


def _outside(world: World, commit: Commit) -> tuple[str, str]:
    """Why a commit is not on main, and what to do about it."""
    branches = world.platform.branches()
    for state in ("open", "closed"):
        changes = world.changes.find(repository=PLATFORM_REPOSITORY, state=state, limit=_LOOKED_THROUGH)
        for change in changes:
            if world.platform.contains(commit.id, change.head):
                return _in_change(world, change)
    branch = next((name for name, head in branches.items() if world.platform.contains(commit.id, head)), "")
    if branch:
        return f"it is on the branch {branch}, which is no change request", f"git push origin {branch}"
    return "it is on no branch any more", "Push a branch that has it."


def _in_change(world: World, change: ChangeRequest) -> tuple[str, str]:
    if change.state == "closed":
        return f"it is only in the change request {change.id}, which was closed", "Push its branch again."
    run = world.runs.get(change.run) if change.run else None
    if run is None or run.state not in TERMINAL:
        how = "is being checked" if run is not None else "was not checked"
    else:
        how = "waits for its merge" if run.state is State.SUCCEEDED else f"was {run.state.value} by its check"
    waits = run is not None and run.state is State.SUCCEEDED
    remedy = f"pave change merge {change.id}" if waits else f"pave change show {change.id}"
    return f"it is only in the change request {change.id}, which {how}", remedy
