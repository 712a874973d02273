"""Resources: databases, queues, buckets and the like, added to a stack, removed, and brought back."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Operation
from pave.engine.views import RunView
from pave.model.names import Address
from pave.request.intent import AddResource, AddResources, RemoveResource, RestoreResource


class NewResource(BaseModel):
    """A resource for a component in an environment."""

    model_config = ConfigDict(extra="forbid")

    component: str = Field(description="The component it is for.")
    name: str = Field(description="What it is called within the stack.")
    type: str = Field(description="What it is: postgres, queue, s3, redis …")
    env: str = Field("dev", description="The environment.")
    klass: str = Field("default", alias="class", description="The class, where the environment offers several.")
    inputs: dict[str, Any] = Field(default_factory=dict, description="Inputs of the module, such as size=medium.")


class ResourceSpec(BaseModel):
    """One of several resources."""

    model_config = ConfigDict(extra="forbid")

    name: str
    type: str
    klass: str = Field("default", alias="class")
    inputs: dict[str, Any] = Field(default_factory=dict)


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


class Nothing(BaseModel):
    """No input."""

    model_config = ConfigDict(extra="forbid")


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
    return context.ask(AddResource(address, given.type, given.klass, given.inputs))


def _add_several(context: Context, given: NewResources) -> RunView:
    stack = Address(given.env, given.component)
    return context.ask(
        AddResources(tuple(AddResource(stack.at(one.name), one.type, one.klass, one.inputs) for one in given.resources))
    )


def _remove(context: Context, given: OneResource) -> RunView:
    return context.ask(RemoveResource(Address.parse(given.address)))


def _restore(context: Context, given: OneResource) -> RunView:
    return context.ask(RestoreResource(Address.parse(given.address)))


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
        ),
        **_WRITE,
    ),
    Operation(
        name="resource.add-several",
        summary="Add several resources of one stack in one change",
        rest="POST /resources/batch",
        cli="add-several {component}",
        input=NewResources,
        handler=_add_several,
        **_WRITE,
    ),
    Operation(
        name="resource.restore",
        summary="Bring a removed database or bucket back with its data",
        rest="POST /resources/{address:path}/restore",
        cli="restore {address}",
        input=OneResource,
        handler=_restore,
        **_WRITE,
    ),
    Operation(
        name="resource.remove",
        summary="Remove a resource; what holds data is kept for 7 days",
        rest="DELETE /resources/{address:path}",
        cli="drop {address}",
        input=OneResource,
        handler=_remove,
        destructive=True,
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
    ),
)
