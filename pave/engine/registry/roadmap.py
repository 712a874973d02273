"""The roadmap and the changelog of the platform, both from its Git repository."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Nothing, Operation
from pave.model.roadmap import STATES
from pave.ports import Commit
from pave.request.roles import Verb

_OF_THE_PLATFORM = ("modules", "templates", "guardrails", "environments", "scorecards", "roadmap")
"""Folders whose changes concern everybody; deployments and components are their owners' own affair."""

_MOST_LOOKED_AT = 2_000


class ItemView(BaseModel):
    """One thing that the platform's owners mean to do."""

    name: str
    title: str
    state: str = Field(description="considered, planned, doing, done or declined.")
    says: str = ""
    when: str = ""
    owner: str
    answers: list[str] = Field(default_factory=list, description="Feedback that it answers.")


class Roadmap(BaseModel):
    """What is meant to be done, what is being done first."""

    items: list[ItemView]


class EntryView(BaseModel):
    """One change of the platform."""

    at: datetime
    title: str
    concerns: list[str] = Field(description="modules, templates, guardrails, environments, scorecards, roadmap.")
    by: str
    commit: str


class Changelog(BaseModel):
    """What changed, newest first."""

    changes: list[EntryView]


class Newest(BaseModel):
    """How many."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(30, ge=1, le=500, description="How many, newest first.")


_ORDER = {state: number for number, state in enumerate(("doing", "planned", "considered", "done", "declined"))}
assert set(_ORDER) == set(STATES)


def _roadmap(context: Context, _: Nothing) -> Roadmap:
    items = context.world.snapshots.current().roadmap.values()
    return Roadmap(
        items=[
            ItemView(
                name=one.name,
                title=one.title,
                state=one.state,
                says=one.says,
                when=one.when,
                owner=str(one.owner),
                answers=list(one.answers),
            )
            for one in sorted(items, key=lambda one: (_ORDER[one.state], one.when, one.name))
        ]
    )


def _changelog(context: Context, given: Newest) -> Changelog:
    commits: dict[str, Commit] = {}
    concerns: dict[str, list[str]] = {}
    for folder in _OF_THE_PLATFORM:
        for one in context.world.platform.log(folder, given.limit):
            commits[one.id] = one
            concerns.setdefault(one.id, []).append(folder)
    # Commits of one second are in the order of the history, which their times do not tell.
    order = {one.id: number for number, one in enumerate(context.world.platform.log(limit=_MOST_LOOKED_AT))}
    newest = sorted(commits.values(), key=lambda one: (order.get(one.id, _MOST_LOOKED_AT), -one.at.timestamp()))
    return Changelog(
        changes=[
            EntryView(
                at=one.at,
                title=one.message.strip().split("\n", 1)[0],
                concerns=concerns[one.id],
                by=one.trailers.get("Pave-Actor", one.author),
                commit=one.id,
            )
            for one in newest[: given.limit]
        ]
    )


_READ: dict[str, Any] = {"scopes": ("catalog:read",), "read_only": True, "verb": Verb.READ}

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="roadmap.show",
        summary="What the platform's owners mean to do",
        rest="GET /roadmap",
        cli="roadmap",
        input=Nothing,
        output=Roadmap,
        handler=_roadmap,
        **_READ,
    ),
    Operation(
        name="changelog.show",
        summary="What changed about the platform",
        rest="GET /changelog",
        cli="changelog",
        input=Newest,
        output=Changelog,
        handler=_changelog,
        **_READ,
    ),
)
