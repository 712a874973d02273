"""The only way in: every door hands its request to `submit`, and nothing else makes a run.

What can be refused without asking an engine is refused here, at once: rights, names, unknown types,
bad inputs, missing outputs, cycles. `preview` goes on to the plan and the verdict, and changes nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from pave.apply.run import Run, State
from pave.engine.delivery.making import made_of
from pave.engine.forge import changes
from pave.engine.judgement.facts import Asking
from pave.engine.judgement.waiving import authors_of, waived_by
from pave.engine.judging import at_the_door, verdict_on
from pave.engine.planning import Candidate, candidate, plan_stack, resolve, summary
from pave.engine.work import Work
from pave.engine.world import World
from pave.model.diagnostics import Conflict, Diagnostic, Forbidden, Refused, error
from pave.model.names import Address, check_name
from pave.model.people import Standing
from pave.model.snapshot import Snapshot
from pave.plan.wanted import owner_of
from pave.request.access import refusal_of_entities, refusal_of_paths, refusal_to_waive
from pave.request.intent import (
    AddResource,
    AddResources,
    Advance,
    CheckChange,
    CreateComponent,
    CreateEnvironment,
    DeleteEnvironment,
    Deploy,
    ExtendEnvironment,
    ExtendResource,
    ImportComponent,
    Intent,
    MergeChange,
    RemoveResource,
    Request,
    RestoreResource,
    RollbackAll,
    SleepEnvironment,
    WakeEnvironment,
    kind_of,
    subject_of,
)
from pave.request.needs import refusal
from pave.request.places import PLATFORM_REPOSITORY
from pave.verdict.finding import Outcome


class OtherRequest(Refused):
    """The idempotency key was used for another request before."""


@dataclass(frozen=True)
class Preview:
    """What would happen: edits as unified diffs, plans by stack, and the verdict on them."""

    title: str
    diffs: Mapping[str, str]
    plan: Mapping[str, Any]
    verdict: Mapping[str, Any]


def submit(world: World, request: Request, wait: timedelta = timedelta(0)) -> Run:
    """Record a request as a run and wake a worker, after `wait`. Raises `Refused`, `Forbidden` or `OtherRequest`."""
    run, new = world.runs.asked(request.actor, request.key) if request.key else None, False
    if run is None:  # what was asked before is not judged by what it has changed since
        check(world, request)
        owner = _waits_for(world, request)
        behind = world.runs.waiting(owner)
        at = world.clock.now() + wait if wait else None
        kind, subject = kind_of(request.intent), subject_of(request.intent)
        run, new = world.runs.add(request, kind, subject, owner=owner, not_before=at)
    if not new and run.request.intent != request.intent:
        raise OtherRequest(
            error(
                f"The key {request.key!r} was used for something else before",
                detail=f"It belongs to run {run.id} ({run.kind} of {run.subject}).",
                remedy="Choose a new key for a new request.",
            )
        )
    if new:
        actor = str(request.actor)
        world.events.emit("run.created", run.subject, run=run.id, actor=actor, kind=run.kind, door=request.door)
    if run.state is State.PENDING:
        world.queue.push(run.id, run.subject, wait.total_seconds(), behind if new else 0)
    return run


def _waits_for(world: World, request: Request) -> str:
    """Who waits for a run: the team that owns what it is about, else who asked. Teams take turns in the queue."""
    component = _component_of(request.intent)
    owner = owner_of(world.snapshots.current(), component) if component else None
    return str(owner or request.actor)


def preview(world: World, request: Request) -> Preview:
    """The plan and the verdict of a request that is not to be carried out. Raises as `submit` does."""
    found = check(world, request)
    if found is None:
        return Preview(f"{kind_of(request.intent)} {subject_of(request.intent)}", {}, {"changes": []}, {})
    plans = [plan_stack(world, found.snapshot, stack, lambda: False)[1] for stack in found.stacks]
    changes = [change for one in plans for change in summary(one)["changes"]]
    judged = verdict_on(world, found, plans, Asking.of(request))
    return Preview(
        found.desired.title,
        _diffs(world, found),
        {
            "stacks": [str(one) for one in found.stacks],
            "changes": changes,
            "cost": judged.bill.as_data(),
        },
        judged.verdict.as_data(),
    )


def check(world: World, request: Request) -> Candidate | None:
    """Everything that needs no engine; returns the candidate where the intent needs no commit to be made first."""
    intent = request.intent
    snapshot = world.snapshots.current()
    _check_names(intent)
    who = snapshot.people.standing(request.actor, request.behalf)
    refused = refusal(who, intent, snapshot) or _refused_by_paths(world, snapshot, who, intent)
    if refused is not None:
        raise Forbidden(refused)
    _judge_the_wish(world, request, snapshot)
    if isinstance(intent, CreateComponent | ImportComponent | Deploy):
        _check_source(world, intent)
        return None
    if isinstance(intent, CheckChange | MergeChange | Advance):
        return None  # what it comes to is known only once it was checked, merged or watched
    work = Work(world, Run("", kind_of(intent), subject_of(intent), State.PENDING, request))
    found = candidate(world, intent, made_of(work))
    for stack in found.stacks:
        resolve(world, found.snapshot, stack)
    return found


def _refused_by_paths(world: World, snapshot: Snapshot, who: Standing, intent: Intent) -> Diagnostic | None:
    """Why `who` may not have a change of the platform repository merged, or planned, for what it touches."""
    owner = partial(owner_of, snapshot)
    if isinstance(intent, MergeChange) and intent.repository == PLATFORM_REPOSITORY:
        edits = world.platform.merge_edits(intent.commit)
        written = world.snapshots.with_edits(snapshot, edits).entities.items()
        waived = waived_by(world, snapshot, edits)
        change = changes.of(world, intent.repository, intent.number) if waived.granted else None
        authors = {**waived.signers, **authors_of(world, change)} if change else {}
        return (
            refusal_of_paths(who, tuple(edits), owner, snapshot.environments, waived.owners)
            or refusal_of_entities(who, [ref for ref, one in written if one.source.file in edits], owner)
            or refusal_to_waive(who, waived.granted, authors)
        )
    if isinstance(intent, CheckChange) and intent.repository == PLATFORM_REPOSITORY:
        # To plan with a module is to run what it brings: that is not for whoever may push a branch.
        programs = [path for path in _paths(world, intent.commit) if path.startswith(("modules/", "templates/"))]
        return refusal_of_paths(who, programs, owner, snapshot.environments) if programs else None
    return None


def _judge_the_wish(world: World, request: Request, snapshot: Snapshot) -> None:
    """Raise `Forbidden` where a guardrail denies the wish itself, whatever its plan would be."""
    intent = request.intent
    component = _component_of(intent) or getattr(intent, "name", "")
    stack = getattr(intent, "stack", None) or getattr(intent, "address", None)
    environment = stack.environment if stack else str(getattr(intent, "environment", ""))
    if not environment or not component:
        return
    verdict = at_the_door(world, request, Address(environment, component), snapshot)
    if verdict.outcome is Outcome.DENIED:
        first = verdict.findings[0]
        raise Forbidden(error(first.message, detail=f"{first.title} ({first.guardrail}).", remedy=first.remedy))


def _paths(world: World, commit: str) -> tuple[str, ...]:
    """What a branch of the platform repository would change; a conflict is said by the run."""
    try:
        return tuple(world.platform.merge_edits(commit))
    except Conflict:
        return ()


def _check_names(intent: Intent) -> None:
    match intent:
        case CreateComponent() | ImportComponent():
            check_name(intent.name, "a component")
            if intent.name == PLATFORM_REPOSITORY:
                raise Refused(error(f"{intent.name} is the platform repository's own name", remedy="Choose another."))
        case CreateEnvironment() | DeleteEnvironment():
            check_name(intent.name, "an environment")
        case AddResource() | RemoveResource() | RestoreResource():
            check_name(intent.address.resource, "a resource")
        case AddResources() if not intent.resources:
            raise Refused(error("No resource was named", remedy="Name at least one."))
        case RollbackAll() if not intent.stacks:
            raise Refused(error("No stack was named", remedy="Name at least one."))
        case _:
            pass


def _check_source(world: World, intent: CreateComponent | ImportComponent | Deploy) -> None:
    snapshot = world.snapshots.current()
    environment = intent.stack.environment if isinstance(intent, Deploy) else intent.environment
    problems: list[Diagnostic] = []
    if environment in snapshot.environments and snapshot.environments[environment].is_pattern:
        problems.append(
            error(
                f"{environment} is the pattern that previews are made from",
                remedy="Push a branch: its change request gets a preview of its own.",
            )
        )
    if environment and environment not in snapshot.environments:
        problems.append(
            error(
                f"There is no environment {environment!r}",
                remedy=f"There are: {', '.join(sorted(snapshot.environments))}.",
            )
        )
    if isinstance(intent, CreateComponent) and intent.template not in snapshot.templates:
        problems.append(
            error(
                f"There is no template {intent.template!r}",
                remedy=f"There are: {', '.join(sorted(snapshot.templates)) or 'none'}.",
            )
        )
    if isinstance(intent, CreateComponent) and intent.name in world.repositories.names():
        raise Conflict(error(f"There is a component {intent.name} already", remedy="Choose another name."))
    if problems:
        raise Refused(*problems)


def _component_of(intent: Intent) -> str:
    match intent:
        case CreateComponent() | ImportComponent() | CreateEnvironment() | DeleteEnvironment():
            return ""
        case ExtendEnvironment() | SleepEnvironment() | WakeEnvironment():
            return ""
        case AddResources():
            return intent.resources[0].address.component if intent.resources else ""
        case AddResource() | RemoveResource() | RestoreResource() | ExtendResource():
            return intent.address.component
        case CheckChange() | MergeChange():
            return intent.repository
        case RollbackAll():
            return intent.stacks[0].stack.component
        case _:
            return intent.stack.component


def _diffs(world: World, found: Candidate) -> dict[str, str]:
    tree = world.platform.tree(found.base.commit)
    diffs = {}
    for path, data in sorted(found.edits.items()):
        before, after = ((one or b"").decode().splitlines(keepends=True) for one in (tree.read(path), data))
        diffs[path] = "".join(difflib.unified_diff(before, after, f"a/{path}", f"b/{path}"))
    return diffs
