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
    """A commit (a branch, tag or id; empty: the head of the default branch) of a component to a stack.

    One that is `automatic` follows from a push: it respects a pin, and gives way to a newer one.
    """

    stack: Address
    revision: str = ""
    automatic: bool = False


@dataclass(frozen=True)
class Promote:
    """What runs in the environment that `stack`'s is fed from: the same artifact, never built again."""

    stack: Address
    automatic: bool = False


@dataclass(frozen=True)
class AddResource:
    """A resource for a stack beyond what its workload names, or with other inputs.

    With a `lifetime` (`3d`) it ends that long after it was asked for.
    """

    address: Address
    type: str
    klass: str = "default"
    inputs: Mapping[str, Any] = field(default_factory=dict)
    lifetime: str = ""


@dataclass(frozen=True)
class AddResources:
    """Several resources of one stack in one change."""

    resources: tuple[AddResource, ...]


@dataclass(frozen=True)
class RemoveResource:
    """A resource that was added to a stack; what holds data can be restored for 7 days.

    One that is removed because it `ended` (ISO time) stays where it has another end by then.
    """

    address: Address
    ended: str = ""


@dataclass(frozen=True)
class ExtendResource:
    """Let a resource that ends live longer: until `until`, an ISO time."""

    address: Address
    until: str


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
    """An environment that inherits from another; `components` are brought along at what runs there now.

    It ends a `lifetime` (`3d`) after it was asked for; empty: that of the other one, if it has one.
    """

    name: str
    inherits: str
    components: tuple[str, ...] = ()
    owner: str = ""
    lifetime: str = ""


@dataclass(frozen=True)
class DeleteEnvironment:
    """An environment with all its stacks; one that `ended` (ISO time) stays where it has another end by then."""

    name: str
    ended: str = ""


@dataclass(frozen=True)
class ExtendEnvironment:
    """Let an environment live longer: until `until`, an ISO time."""

    name: str
    until: str


@dataclass(frozen=True)
class SleepEnvironment:
    """Run nothing of all stacks of an environment until somebody asks one of them for something."""

    name: str


@dataclass(frozen=True)
class WakeEnvironment:
    """Run all sleeping stacks of an environment again."""

    name: str


@dataclass(frozen=True)
class Rollback:
    """The previous (or the named) commit of a stack again, pinned with the reason.

    One that is `automatic` answers a failure: it is not pinned, so that the next version may come.
    """

    stack: Address
    to: str = ""
    reason: str = ""
    automatic: bool = False


@dataclass(frozen=True)
class RollbackAll:
    """Several stacks in one change: all of them go back, or none."""

    stacks: tuple[Rollback, ...]


@dataclass(frozen=True)
class Advance:
    """The next step of a version on its way: more of the traffic, all of it, or back; what was seen decides.

    It is about the version of `commit` at `weight` percent; where that is not so any more there is nothing to do.
    """

    stack: Address
    commit: str
    weight: int


@dataclass(frozen=True)
class Sleep:
    """Run nothing of a stack until somebody asks it for something."""

    stack: Address


@dataclass(frozen=True)
class Wake:
    """Run a sleeping stack again."""

    stack: Address


@dataclass(frozen=True)
class CheckChange:
    """Check the commit of a change request: pipeline and preview for a service, plan and verdict for the platform."""

    repository: str
    number: int
    commit: str


@dataclass(frozen=True)
class MergeChange:
    """Merge a change request as it was checked, at `commit`."""

    repository: str
    number: int
    commit: str


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
    | Promote
    | AddResource
    | AddResources
    | RemoveResource
    | ExtendResource
    | RestoreResource
    | RemoveStack
    | CreateEnvironment
    | DeleteEnvironment
    | ExtendEnvironment
    | SleepEnvironment
    | WakeEnvironment
    | Rollback
    | RollbackAll
    | ReleasePin
    | Advance
    | Sleep
    | Wake
    | CheckChange
    | MergeChange
    | Converge
)


@dataclass(frozen=True)
class Request:
    """Who wants what, through which door. `key` makes asking twice the same as asking once.

    `behalf` is the person that an agent asks for; it counts when rights are looked at, and is not kept with the run.
    """

    actor: Ref
    door: str
    intent: Intent
    at: datetime
    key: str = ""
    behalf: Ref | None = None


KINDS: Mapping[str, type[Any]] = {
    "component.create": CreateComponent,
    "component.import": ImportComponent,
    "stack.deploy": Deploy,
    "stack.promote": Promote,
    "resource.add": AddResource,
    "resources.add": AddResources,
    "resource.remove": RemoveResource,
    "resource.extend": ExtendResource,
    "resource.restore": RestoreResource,
    "stack.remove": RemoveStack,
    "environment.create": CreateEnvironment,
    "environment.delete": DeleteEnvironment,
    "environment.extend": ExtendEnvironment,
    "environment.sleep": SleepEnvironment,
    "environment.wake": WakeEnvironment,
    "stack.rollback": Rollback,
    "stacks.rollback": RollbackAll,
    "stack.release": ReleasePin,
    "stack.advance": Advance,
    "stack.sleep": Sleep,
    "stack.wake": Wake,
    "change.check": CheckChange,
    "change.merge": MergeChange,
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
        case AddResource() | RemoveResource() | RestoreResource() | ExtendResource():
            return str(intent.address.stack)
        case CreateEnvironment() | DeleteEnvironment() | ExtendEnvironment() | SleepEnvironment() | WakeEnvironment():
            return intent.name
        case RollbackAll():
            return " ".join(sorted(str(one.stack) for one in intent.stacks))
        case CheckChange() | MergeChange():
            return f"change/{intent.repository}/{intent.number}"
        case _:
            return str(intent.stack)
