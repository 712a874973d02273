"""What happens to a change request beside its runs: it is opened by a branch, checked, merged when it may be, closed.

Of a service the check is the pipeline, and its result a preview environment of its own; of the platform
repository it is the plan and the verdict. A routine change of the platform merges itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pave.apply.run import TERMINAL, State, StepState
from pave.engine.forge import changes
from pave.engine.forge.changes import preview_name
from pave.engine.judgement.waiving import authors_of
from pave.engine.submit import check as submit_check
from pave.engine.submit import submit
from pave.engine.world import World
from pave.model.diagnostics import Forbidden, Refused, error
from pave.model.names import Ref
from pave.ports import PLATFORM_REPOSITORY, ChangeRequest
from pave.request.access import SYSTEM
from pave.request.intent import CheckChange, DeleteEnvironment, MergeChange, Request

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Said:
    """What was done about a branch that moved, in words, and the run that was asked for."""

    text: str
    run: str = ""


def branch_moved(
    world: World, repository: str, branch: str, head: str, actor: Ref, *, auto: bool = False
) -> Iterator[Said]:
    """Open or refresh the change request of a branch and have it checked; close the one of a branch that is gone."""
    if not head:
        change = world.changes.of_branch(repository, branch)
        if change is not None:
            close(world, change)
            yield Said(f"Change request {change.id} is closed: its branch is gone.")
        return
    target = "main" if repository == PLATFORM_REPOSITORY else world.repositories.default_branch(repository)
    there = world.changes.of_branch(repository, branch)
    twin = there if there is not None and there.forge else None  # what it is called, its forge says
    if _contained(world, repository, head, twin.target if twin else target):
        return
    title = twin.title if twin else _title(world, repository, head)
    wanted = ChangeRequest(
        repository, 0, branch, target, head, title, actor, auto=auto or repository == PLATFORM_REPOSITORY
    )
    change, new = world.changes.open(wanted)
    world.events.emit("change.opened" if new else "change.updated", f"change/{change.id}", actor=str(actor), head=head)
    yield Said(f"Change request {change.id}: {change.title}")
    try:
        run = check(world, change, actor)
    except Refused as refused:
        yield Said(f"It is not checked: {refused}")
        return
    yield Said(f"Checking {head[:7]}, follow: {world.link(run)}", run)


def _contained(world: World, repository: str, head: str, target: str) -> bool:
    if repository == PLATFORM_REPOSITORY:
        return world.platform.branches().get(target) == head
    return world.repositories.contains(repository, head, world.repositories.branches(repository).get(target, ""))


def _title(world: World, repository: str, head: str) -> str:
    platform = repository == PLATFORM_REPOSITORY
    message = (world.platform.find(head) if platform else world.repositories.resolve(repository, head)).message
    return (message.strip().splitlines() or [head[:7]])[0][:200]


def check(world: World, change: ChangeRequest, actor: Ref, again: str = "") -> str:
    """Have the head of a change request checked; the run. What is still under way for an older head is stopped."""
    if change.run and (before := world.runs.get(change.run)) is not None and before.state not in TERMINAL:
        intent = before.request.intent
        if isinstance(intent, CheckChange) and intent.commit != change.head:
            world.runs.ask_cancel(before.id)
    intent = CheckChange(change.repository, change.number, change.head)
    key = f"check/{change.id}/{change.head}{again}"
    run = submit(world, Request(actor, "git", intent, world.clock.now(), key))
    world.changes.update(change.repository, change.number, run=run.id)
    return run.id


def checked(world: World, intent: CheckChange, run: str) -> list[str]:
    """A check has passed: merge what merges itself; the runs that were asked for."""
    change = changes.of(world, intent.repository, intent.number)
    world.events.emit("change.checked", f"change/{change.id}", run=run, head=intent.commit)
    if change.state != "open":
        close_preview(world, change, run)
        return []
    return merge(world, change, change.author) if change.auto and change.head == intent.commit else []


def merge(world: World, change: ChangeRequest, actor: Ref) -> list[str]:
    """Ask for the merge of a change that may merge itself; where it may not, that is said on it.

    It merges itself only where everybody who pushed to its branch might have merged it: a commit that was laid on
    somebody's branch is not carried in by their rights.
    """
    wanted = MergeChange(change.repository, change.number, change.head)
    request = Request(actor, "engine", wanted, world.clock.now(), f"merge/{change.id}/{change.head}")
    try:
        for author in authors_of(world, change):
            _known(change, author)
            submit_check(world, replace(request, actor=author))
        run = submit(world, request)
    except Refused as refused:
        world.changes.comment(change.repository, change.number, SYSTEM, f"It waits: {refused}")
        return []
    return [run.id]


def _known(change: ChangeRequest, author: Ref) -> None:
    """Raise `Forbidden` for a change of the platform that was found after a crash, when who pushed was forgotten."""
    if author == SYSTEM and change.repository == PLATFORM_REPOSITORY:
        raise Forbidden(
            error(
                "it is not known who pushed to its branch, so nobody's rights can carry it in",
                remedy=f"Look at it, and merge it: pave change merge {change.id}",
            )
        )


def ours_to_merge(change: ChangeRequest) -> None:
    """Raise `Refused` for the twin of a pull request: its forge merges it, and Pave would be overwritten by it."""
    if change.forge and change.state == "open":
        raise Refused(
            error(
                f"{change.id} is merged where it was opened, and not by Pave",
                detail=f"{change.repository} is a mirror.",
                remedy=f"Merge it there: {change.forge}",
                address=f"change/{change.id}",
            )
        )


def ready(world: World, change: ChangeRequest) -> None:
    """Raise `Refused` where Pave may not merge a change, or its newest commit has not passed its checks."""
    ours_to_merge(change)
    run = world.runs.get(change.run) if change.run else None
    if change.state != "open":
        raise Refused(error(f"{change.id} is {change.state}", remedy="Push its branch again to open another."))
    good = (
        run is not None
        and isinstance(run.request.intent, CheckChange)
        and run.request.intent.commit == change.head
        and (run.state is State.SUCCEEDED or _only_following(world, run.id))
    )
    if not good:
        how = "have not ended" if run is not None and run.state not in TERMINAL else "have not passed"
        raise Refused(
            error(
                f"The checks of {change.id} {how}",
                remedy=f"`pave change show {change.id}` says why; with --when-ready the merge waits for them.",
                address=f"change/{change.id}",
            )
        )


def _only_following(world: World, run: str) -> bool:
    """Whether a run is at its very last step: it merges what it has just checked."""
    steps = {one.name: one.state for one in world.runs.steps(run) if not one.subject}
    return steps.get("follow") is StepState.RUNNING


def merged(world: World, change: ChangeRequest, commit: str, by: Ref, run: str = "") -> None:
    """A change has become `commit`: it is merged, and its preview goes."""
    if change.state != "merged":
        facts = {"state": "merged", "auto": False, "merged": commit, "merged_by": str(by)}
        world.changes.update(change.repository, change.number, closed_at=world.clock.now(), **facts)
        world.events.emit("change.merged", f"change/{change.id}", run=run, actor=str(by), commit=commit)
    close_preview(world, change, commit)


def close(world: World, change: ChangeRequest) -> ChangeRequest:
    """Close a change request without a merge, and take its preview away."""
    if change.state == "open":
        if change.run and (run := world.runs.get(change.run)) is not None and run.state not in TERMINAL:
            world.runs.ask_cancel(run.id)
        change = world.changes.update(
            change.repository, change.number, state="closed", auto=False, closed_at=world.clock.now()
        )
        world.events.emit("change.closed", f"change/{change.id}")
    close_preview(world, change, change.head)
    return change


def close_preview(world: World, change: ChangeRequest, cause: str) -> None:
    """Have the preview of a change request removed, whether it was finished or not; `cause` makes twice once."""
    name = preview_name(change.repository, change.number)
    if name in world.snapshots.current().environments:
        remove(world, name, f"close/{change.id}/{cause}")


def remove(world: World, environment: str, key: str, ended: str = "") -> None:
    """Ask for an environment to be removed, in the platform's own name; one that `ended` only if it still does."""
    request = Request(SYSTEM, "engine", DeleteEnvironment(environment, ended), world.clock.now(), key)
    try:
        submit(world, request)
    except Refused as refused:
        _log.warning("The environment %s is not removed: %s", environment, refused)


def failed(world: World, intent: CheckChange, run: str, state: State) -> None:
    """A check did not pass: the change request stays open, and whoever looks at it sees why."""
    subject = f"change/{intent.repository}/{intent.number}"
    world.events.emit("change.failed", subject, run=run, state=state.value)
    change = world.changes.get(intent.repository, intent.number)
    if change is not None and change.state != "open":
        close_preview(world, change, run)
