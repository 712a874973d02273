"""The platform itself: the overview, who is asking, what could not be read."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from pave.engine.context import Context
from pave.engine.operations import Nothing, Operation
from pave.engine.registry import stacks
from pave.engine.signals.watching import alerts_of
from pave.engine.views import EnvironmentView, Overview
from pave.model.diagnostics import Source, error
from pave.request.roles import Verb


class Who(BaseModel):
    """Who is asking."""

    actor: str
    teams: list[str]
    scopes: list[str]


class FindingList(BaseModel):
    """What Git says and cannot be understood, here and in services' catalog files; everything else goes on."""

    commit: str
    findings: list[dict[str, Any]]


def overview(context: Context, _: Nothing | None = None) -> Overview:
    """Everything on one page."""
    world = context.world
    last_event = world.events.last()
    return Overview(
        environments=[
            EnvironmentView(name=name, title=one.title, kind=one.kind, owner=str(one.owner), until=one.until)
            for name, one in world.snapshots.current().environments.items()
            if not one.is_pattern
        ],
        stacks=[stacks.view(context, one) for one in world.stacks.all()],
        runs=[context.show(one) for one in world.runs.find(limit=20)],
        last_event=last_event,
    )


def _who(context: Context, _: Nothing) -> Who:
    teams = context.world.snapshots.current().people.standing(context.call.actor).teams
    return Who(actor=str(context.call.actor), teams=sorted(map(str, teams)), scopes=sorted(context.call.scopes))


def _findings(context: Context, _: Nothing) -> FindingList:
    snapshot = context.world.snapshots.current()
    broken = [
        error(f"the alert {one.alert.name} is broken: {one.problem}", remedy="Mend it.", source=Source(one.alert.file))
        for one in alerts_of(snapshot)
        if one.problem
    ]
    found = (*snapshot.findings, *broken, *context.world.projection.findings)
    return FindingList(commit=snapshot.commit, findings=[one.as_data() for one in found])


_READ: dict[str, Any] = {"read_only": True, "input": Nothing, "verb": Verb.READ}

OVERVIEW: Operation[Nothing, Overview] = Operation(
    name="platform.overview",
    summary="Environments, stacks and the newest runs",
    rest="GET /overview",
    cli="overview",
    output=Overview,
    handler=overview,
    scopes=("stack:read",),
    **_READ,
)

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    OVERVIEW,
    Operation(
        name="platform.whoami",
        summary="Who you are to Pave, and what you may do",
        rest="GET /whoami",
        cli="whoami",
        output=Who,
        handler=_who,
        scopes=(),
        read_only=True,
        input=Nothing,
        verb=Verb.ASK,
    ),
    Operation(
        name="platform.findings",
        summary="What in Git could not be read, and why",
        rest="GET /findings",
        cli="findings",
        output=FindingList,
        handler=_findings,
        scopes=("catalog:read",),
        **_READ,
    ),
)
