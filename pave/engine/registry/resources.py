"""Resources: databases, queues, buckets and the like, added to a stack, removed, and brought back."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Nothing, Operation
from pave.engine.views import RunView
from pave.model.conventions import variables_for
from pave.model.diagnostics import Unknown, error
from pave.model.duration import in_words, instant, later
from pave.model.names import Address
from pave.model.placeholder import parse
from pave.request.intent import AddResource, AddResources, ExtendResource, RemoveResource, RestoreResource
from pave.request.roles import Verb


class NewResource(BaseModel):
    """A resource for a component in an environment."""

    model_config = ConfigDict(extra="forbid")

    component: str = Field(description="The component it is for.")
    name: str = Field(description="What it is called within the stack.")
    type: str = Field(description="What it is: postgres, queue, s3, redis …")
    env: str = Field("dev", description="The environment.")
    klass: str = Field("default", alias="class", description="The class, where the environment offers several.")
    inputs: dict[str, Any] = Field(default_factory=dict, description="Inputs of the module, such as size=medium.")
    lifetime: str = Field("", alias="for", description="How long it is wanted, such as 3d; for good by default.")


class ResourceSpec(BaseModel):
    """One of several resources."""

    model_config = ConfigDict(extra="forbid")

    name: str
    type: str
    klass: str = Field("default", alias="class")
    inputs: dict[str, Any] = Field(default_factory=dict)
    lifetime: str = Field("", alias="for", description="How long it is wanted, such as 3d; for good by default.")


class NewResources(BaseModel):
    """Several resources of one stack in one change."""

    model_config = ConfigDict(extra="forbid")

    component: str = Field(description="The component they are for.")
    env: str = Field("dev", description="The environment.")
    resources: list[ResourceSpec] = Field(min_length=1, max_length=50)


class OneResource(BaseModel):
    """Names a resource."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(description="environment/component/resource, such as dev/orders/db.")


class LongerResource(OneResource):
    """A resource with an end gets a later one."""

    by: str = Field("1d", description="How much longer, such as 12h or 3d.")


class RestoredResource(OneResource):
    """What is to come back: the newest removed copy, or the state of a backup."""

    backup: str = Field("", description="A backup's time, as `pave backups` lists it; the trash by default.")


class Backups(BaseModel):
    """The backups of a database, oldest first."""

    backups: list[str]


class Credentials(BaseModel):
    """How to reach a resource. It holds secrets: asking for it is recorded."""

    address: str
    type: str
    outputs: dict[str, Any] = Field(description="All outputs of the resource, the sensitive ones too.")
    variables: dict[str, str] = Field(description="The same as the variables that programs read.")


class Kept(BaseModel):
    """A removed resource that can still be brought back."""

    address: str
    type: str
    removed_at: str
    until: str


class Trash(BaseModel):
    """What was removed and is kept."""

    kept: list[Kept]


def _add(context: Context, given: NewResource) -> RunView:
    address = Address(given.env, given.component, given.name)
    return context.ask(AddResource(address, given.type, given.klass, given.inputs, given.lifetime))


def _add_several(context: Context, given: NewResources) -> RunView:
    stack = Address(given.env, given.component)
    return context.ask(
        AddResources(
            tuple(
                AddResource(stack.at(one.name), one.type, one.klass, one.inputs, one.lifetime)
                for one in given.resources
            )
        )
    )


def _remove(context: Context, given: OneResource) -> RunView:
    return context.ask(RemoveResource(Address.parse(given.address)))


def _extend(context: Context, given: LongerResource) -> RunView:
    address = Address.parse(given.address)
    there = context.world.snapshots.current().deployments.get(address.stack)
    end = there.ends.get(address.resource) if there else None
    # Without an end it is refused where everybody's wishes are.
    until = instant(end) if end else context.world.clock.now()
    return context.ask(ExtendResource(address, in_words(later(until, given.by))))


def _restore(context: Context, given: RestoredResource) -> RunView:
    return context.ask(RestoreResource(Address.parse(given.address), given.backup))


def _backups(context: Context, given: OneResource) -> Backups:
    kept = context.world.cloud.backups(Address.parse(given.address))
    return Backups(backups=[one.isoformat() for one in kept])


def _connect(context: Context, given: OneResource) -> Credentials:
    address = Address.parse(given.address)
    world, actor = context.world, context.call.actor
    record = next((one for one in world.stacks.resources(address.stack) if one.address == address), None)
    if record is None:
        there = ", ".join(str(one.address) for one in world.stacks.resources(address.stack)) or "none"
        raise Unknown(error(f"There is no resource {address}", remedy=f"In this stack there are: {there}."))
    outputs = dict(world.engine.outputs(address.stack).get(address.resource, {}))
    world.events.emit("credentials.read", str(address), actor=str(actor), door=context.call.door)
    return Credentials(address=str(address), type=record.type, outputs=outputs, variables=_filled(record.type, outputs))


def _filled(type_: str, outputs: dict[str, Any]) -> dict[str, str]:
    """The conventional variables with the outputs in their places, safe within a URL."""
    filled = {}
    for variable, text in variables_for(type_, "it").items():
        parts = [
            one if isinstance(one, str) else quote(str(outputs.get(one.path[-1], "")), safe="/:") for one in parse(text)
        ]
        filled[variable] = "".join(parts)
    return filled


def _trash(context: Context, _: Nothing) -> Trash:
    keys = ("address", "type", "removed_at", "until")
    return Trash(kept=[Kept(**{key: str(one[key]) for key in keys}) for one in context.world.cloud.trash()])


_WRITE: dict[str, Any] = {
    "scopes": ("stack:write",),
    "output": RunView,
    "starts_run": True,
    "dry_run": True,
}

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="resource.add",
        summary="Add a database, a queue, a bucket … to a component",
        rest="POST /resources",
        cli="add {component} {name}",
        input=NewResource,
        handler=_add,
        examples=(
            "pave add orders db --type postgres --env dev",
            "pave add orders reports --type s3 --env prod --dry-run",
            "pave add orders trial --type redis --for 3d",
        ),
        verb=Verb.CHANGE,
        about="{env}/{component}",
        **_WRITE,
    ),
    Operation(
        name="resource.add-several",
        summary="Add several resources of one stack in one change",
        rest="POST /resources/batch",
        cli="add-several {component}",
        input=NewResources,
        handler=_add_several,
        verb=Verb.CHANGE,
        about="{env}/{component}",
        **_WRITE,
    ),
    Operation(
        name="resource.connect",
        summary="How to reach a resource: address and credentials",
        rest="POST /resources/{address:path}/credentials",
        cli="connect {address}",
        input=OneResource,
        output=Credentials,
        handler=_connect,
        scopes=("secret:read",),
        examples=("pave connect dev/orders/db",),
        verb=Verb.CONNECT,
        about="{address}",
    ),
    Operation(
        name="resource.extend",
        summary="Let a resource live longer that was asked for a time",
        rest="POST /resources/{address:path}/extend",
        cli="extend {address}",
        verb=Verb.CHANGE,
        about="{address}",
        input=LongerResource,
        handler=_extend,
        examples=("pave extend dev/orders/trial --by 2d",),
        **_WRITE,
    ),
    Operation(
        name="resource.restore",
        summary="Bring a removed database or bucket back with its data",
        rest="POST /resources/{address:path}/restore",
        cli="restore {address}",
        input=RestoredResource,
        handler=_restore,
        verb=Verb.CHANGE,
        about="{address}",
        **_WRITE,
    ),
    Operation(
        name="resource.backups",
        summary="The backups that are kept of a database",
        rest="GET /resources/{address:path}/backups",
        cli="backups {address}",
        input=OneResource,
        output=Backups,
        handler=_backups,
        scopes=("stack:read",),
        read_only=True,
        verb=Verb.READ,
        about="{address}",
    ),
    Operation(
        name="resource.remove",
        summary="Remove a resource; what holds data is kept for 7 days",
        rest="DELETE /resources/{address:path}",
        cli="drop {address}",
        input=OneResource,
        handler=_remove,
        destructive=True,
        verb=Verb.DELETE,
        about="{address}",
        **_WRITE,
    ),
    Operation(
        name="resource.trash",
        summary="What was removed and can still be brought back",
        rest="GET /trash",
        cli="trash",
        input=Nothing,
        output=Trash,
        handler=_trash,
        scopes=("stack:read",),
        read_only=True,
        verb=Verb.READ,
    ),
)
