"""Environments: places to run, made from another one and taken away again."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Nothing, Operation
from pave.engine.views import EnvironmentView, RunView
from pave.model.diagnostics import Refused, error
from pave.model.duration import in_words, instant, later
from pave.request.intent import (
    CreateEnvironment,
    DeleteEnvironment,
    ExtendEnvironment,
    SleepEnvironment,
    WakeEnvironment,
)
from pave.request.roles import Verb


class NewEnvironment(BaseModel):
    """An environment of one's own, with components at the version they have in the one it inherits from."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="What it is called.")
    inherits: str = Field("dev", alias="from", description="The environment it is like.")
    components: list[str] = Field(default_factory=list, description="Components to bring along.")
    owner: str = Field("", description="The team that owns it; your own by default.")
    lifetime: str = Field("", alias="for", description="How long it is wanted, such as 3d; for good by default.")


class OneEnvironment(BaseModel):
    """Names an environment."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="The environment.")


class MoreTime(OneEnvironment):
    """An environment with an end gets a later one."""

    by: str = Field("1d", description="How much longer, such as 12h or 3d.")


class EnvironmentList(BaseModel):
    """All environments."""

    environments: list[EnvironmentView]


def _create(context: Context, given: NewEnvironment) -> RunView:
    return context.ask(
        CreateEnvironment(given.name, given.inherits, tuple(given.components), given.owner, given.lifetime)
    )


def _extend(context: Context, given: MoreTime) -> RunView:
    there = context.world.snapshots.current().environments.get(given.name)
    if there is not None and not there.until:
        raise Refused(error(f"{given.name} has no end", remedy="There is nothing to extend.", address=given.name))
    until = instant(there.until) if there else context.world.clock.now()
    return context.ask(ExtendEnvironment(given.name, in_words(later(until, given.by))))


def _delete(context: Context, given: OneEnvironment) -> RunView:
    return context.ask(DeleteEnvironment(given.name))


def _sleep(context: Context, given: OneEnvironment) -> RunView:
    return context.ask(SleepEnvironment(given.name))


def _wake(context: Context, given: OneEnvironment) -> RunView:
    return context.ask(WakeEnvironment(given.name))


def _list(context: Context, _: Nothing) -> EnvironmentList:
    found = context.world.snapshots.current().environments
    return EnvironmentList(
        environments=[
            EnvironmentView(name=name, title=one.title, kind=one.kind, owner=str(one.owner), until=one.until)
            for name, one in found.items()
        ]
    )


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="environment.create",
        summary="Make an environment like another one, with components in it",
        rest="POST /environments",
        cli="env create {name}",
        input=NewEnvironment,
        output=RunView,
        handler=_create,
        scopes=("environment:write",),
        starts_run=True,
        dry_run=True,
        examples=(
            "pave env create dana-try --from dev --components orders",
            "pave env create dana-try --from dev --components orders --for 2d",
        ),
        verb=Verb.CREATE,
    ),
    Operation(
        name="environment.list",
        summary="All environments",
        rest="GET /environments",
        cli="env list",
        input=Nothing,
        output=EnvironmentList,
        handler=_list,
        scopes=("stack:read",),
        read_only=True,
        verb=Verb.READ,
    ),
    Operation(
        name="environment.extend",
        summary="Let an environment live longer",
        rest="POST /environments/{name}/extend",
        cli="env extend {name}",
        input=MoreTime,
        output=RunView,
        handler=_extend,
        scopes=("environment:write",),
        starts_run=True,
        dry_run=True,
        examples=("pave env extend preview-orders-3 --by 2d",),
        verb=Verb.CHANGE,
        about="environment:{name}",
    ),
    Operation(
        name="environment.sleep",
        summary="Run nothing in an environment until somebody asks for it",
        rest="POST /environments/{name}/sleep",
        cli="env sleep {name}",
        verb=Verb.DEPLOY,
        about="environment:{name}",
        input=OneEnvironment,
        output=RunView,
        handler=_sleep,
        scopes=("environment:write",),
        starts_run=True,
        dry_run=True,
        examples=("pave env sleep dana-try",),
    ),
    Operation(
        name="environment.wake",
        summary="Run all of a sleeping environment again",
        rest="POST /environments/{name}/wake",
        cli="env wake {name}",
        verb=Verb.DEPLOY,
        about="environment:{name}",
        input=OneEnvironment,
        output=RunView,
        handler=_wake,
        scopes=("environment:write",),
        starts_run=True,
        dry_run=True,
    ),
    Operation(
        name="environment.delete",
        summary="Take an environment away with everything in it",
        rest="DELETE /environments/{name}",
        cli="env delete {name}",
        input=OneEnvironment,
        output=RunView,
        handler=_delete,
        scopes=("environment:write",),
        starts_run=True,
        destructive=True,
        dry_run=True,
        verb=Verb.DELETE,
        about="environment:{name}",
    ),
)
