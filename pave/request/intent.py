"""What can be asked of Pave: one frozen type per wish. A door makes one of these and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pave.model.names import Address, Ref


@dataclass(frozen=True)
class CreateComponent:
    """A new component from a template, deployed to `environment` (empty: not deployed)."""

    name: str
    template: str
    owner: str = ""
    environment: str = "dev"
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportComponent:
    """An existing repository (a path on the server or a Git URL), deployed to `environment`."""

    url: str
    name: str = ""
    owner: str = ""
    environment: str = "dev"


@dataclass(frozen=True)
class Deploy:
    """A commit (a branch, tag or id; empty: the head of the default branch) of a component to a stack."""

    stack: Address
    revision: str = ""


@dataclass(frozen=True)
class AddResource:
    """A resource for a stack beyond what its workload names, or with other inputs."""

    address: Address
    type: str
    klass: str = "default"
    inputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AddResources:
    """Several resources of one stack in one change."""

    resources: tuple[AddResource, ...]


@dataclass(frozen=True)
class RemoveResource:
    """A resource that was added to a stack; what holds data can be restored for 7 days."""

    address: Address


@dataclass(frozen=True)
class RestoreResource:
    """Bring a removed database or bucket back with its data; with `backup` (ISO time), a database to that state."""

    address: Address
    backup: str = ""


@dataclass(frozen=True)
class RemoveStack:
    """Everything of one component in one environment."""

    stack: Address


@dataclass(frozen=True)
class CreateEnvironment:
    """An environment that inherits from another; `components` are brought along at what runs there now."""

    name: str
    inherits: str
    components: tuple[str, ...] = ()
    owner: str = ""


@dataclass(frozen=True)
class DeleteEnvironment:
    """An environment with all its stacks."""

    name: str


@dataclass(frozen=True)
class Rollback:
    """The previous (or the named) commit of a stack again, pinned with the reason."""

    stack: Address
    to: str = ""
    reason: str = ""


@dataclass(frozen=True)
class ReleasePin:
    """Let automatic deployment go on after a rollback."""

    stack: Address


@dataclass(frozen=True)
class Converge:
    """Make a stack what Git already says: after a push, on drift, after a crash, or because someone asks."""

    stack: Address
    cause: str = "requested"


Intent = (
    CreateComponent
    | ImportComponent
    | Deploy
    | AddResource
    | AddResources
    | RemoveResource
    | RestoreResource
    | RemoveStack
    | CreateEnvironment
    | DeleteEnvironment
    | Rollback
    | ReleasePin
    | Converge
)


@dataclass(frozen=True)
class Request:
    """Who wants what, through which door. `key` makes asking twice the same as asking once."""

    actor: Ref
    door: str
    intent: Intent
    at: datetime
    key: str = ""


KINDS: Mapping[str, type[Any]] = {
    "component.create": CreateComponent,
    "component.import": ImportComponent,
    "stack.deploy": Deploy,
    "resource.add": AddResource,
    "resources.add": AddResources,
    "resource.remove": RemoveResource,
    "resource.restore": RestoreResource,
    "stack.remove": RemoveStack,
    "environment.create": CreateEnvironment,
    "environment.delete": DeleteEnvironment,
    "stack.rollback": Rollback,
    "stack.release": ReleasePin,
    "stack.converge": Converge,
}
"""The name of each kind of intent, as runs, events and doors call it."""


def kind_of(intent: Intent) -> str:
    """The name of an intent's kind."""
    return next(name for name, type_ in KINDS.items() if type_ is type(intent))


def subject_of(intent: Intent) -> str:
    """What an intent is about, in one address: the key by which work on it is put in order."""
    match intent:
        case CreateComponent() | ImportComponent():
            return f"{intent.environment}/{intent.name}"
        case AddResources():
            return str(intent.resources[0].address.stack)
        case AddResource() | RemoveResource() | RestoreResource():
            return str(intent.address.stack)
        case CreateEnvironment() | DeleteEnvironment():
            return intent.name
        case _:
            return str(intent.stack)
