"""The one place that every door asks before an operation, a push or a stream: the judge, with what is known now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from pave.engine.operations import Call, Operation
from pave.engine.world import World
from pave.model.diagnostics import Forbidden, Refused, error
from pave.model.names import Ref
from pave.model.people import Standing
from pave.model.snapshot import Snapshot
from pave.request.access import Denied, decide
from pave.request.needs import Need, needs_of
from pave.request.places import ALL, PLATFORM_REPOSITORY, SOMEWHERE, Place, named
from pave.request.roles import Verb


def admit(world: World, call: Call, operation: Operation[Any, Any], given: BaseModel) -> None:
    """Raise `Forbidden` unless whoever asks may do this here. An operation that declares no verb is for nobody."""
    if operation.verb is None:
        raise Forbidden(error(f"{operation.name} declares no verb, so nobody may ask for it"))
    snapshot = world.snapshots.current()
    who = snapshot.people.standing(call.actor, call.behalf)
    for need in _needs(world, snapshot, operation, given):
        require(who, need)


def require(who: Standing, need: Need) -> None:
    """Raise `Forbidden` with the judge's no."""
    decision = decide(who, need.verb, need.place)
    if isinstance(decision, Denied):
        raise Forbidden(decision.diagnostic())


def may(world: World, actor: Ref, verb: Verb, behalf: Ref | None = None) -> bool:
    """Whether somebody may do something to the platform as a whole."""
    who = world.snapshots.current().people.standing(actor, behalf)
    return not isinstance(decide(who, verb, ALL), Denied)


def _needs(world: World, snapshot: Snapshot, operation: Operation[Any, Any], given: BaseModel) -> Iterator[Need]:
    assert operation.verb is not None
    for text in operation.places(given):
        kind, _, name = text.partition(":")
        if kind == "run":
            # To stop a run, or to ask for it again, takes what it took to ask for it.
            run = world.runs.get(name)
            yield from needs_of(run.request.intent, snapshot) if run else (Need(operation.verb, SOMEWHERE),)
        else:
            yield Need(operation.verb, _place(snapshot, text, read_only=operation.read_only))


def _place(snapshot: Snapshot, text: str, *, read_only: bool) -> Place:
    """Where it would be done. What is no place at all the handler refuses, in its own words."""
    if not text:
        return ALL if read_only else SOMEWHERE
    kind, _, name = text.partition(":")
    try:
        if kind == "change":
            repository = name.rpartition("/")[0]
            # What a change to the platform may touch is told by its paths, and not before.
            return SOMEWHERE if repository in ("", PLATFORM_REPOSITORY) else named(snapshot, f"component:{repository}")
        return named(snapshot, text)
    except Refused:
        return SOMEWHERE
