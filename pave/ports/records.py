"""The records of the control plane: runs and their journal, events, plans, the projection, credentials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pave.apply.run import Run, State, Step, StepState
from pave.model.catalog import Dependent, Entry, Found, Page, Projected, Query
from pave.model.names import Address, Ref
from pave.plan.change import Plan
from pave.ports.engines import EnginePlan
from pave.request.intent import Request


@dataclass(frozen=True)
class Event:
    """Something that happened. `id` grows by one and more; `subject` is an address or an entity reference."""

    id: int
    at: datetime
    type: str
    subject: str
    run: str = ""
    actor: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


class Events(Protocol):
    """The order of everything that happened."""

    def emit(self, type_: str, subject: str, *, run: str = "", actor: str = "", **data: Any) -> None:
        """Append one and wake whoever waits."""

    def read(self, after: int, *, subject: str = "", run: str = "", limit: int = 500) -> Sequence[Event]:
        """Events with an id above `after`, oldest first."""

    def between(
        self, since: datetime, until: datetime, *, subject: str, kind: str = "", limit: int = 500
    ) -> Sequence[Event]:
        """What happened to a subject and below it in this time, newest first; `kind` begins its type: `alert.`."""

    def last(self) -> int:
        """The newest id, or 0."""

    def wait(self, after: int, seconds: float) -> bool:
        """Block until there is an event above `after`, at most `seconds`; whether there is one."""


class Runs(Protocol):
    """Runs and their journal: the authority on work. Every write of a worker is fenced by the run's epoch."""

    def add(
        self, request: Request, kind: str, subject: str, *, owner: str = "", not_before: datetime | None = None
    ) -> tuple[Run, bool]:
        """Record a request as a pending run; the same actor and key give the run there is, and False.

        `owner` is the team that waits for it; with `not_before` it is left alone until then.
        """

    def asked(self, actor: Ref, key: str) -> Run | None:
        """The run that `actor` asked for with the idempotency key `key`, if there is one."""

    def get(self, run: str) -> Run | None:
        """One run."""

    def find(
        self, *, subject: str = "", actor: str = "", states: Sequence[State] = (), limit: int = 50
    ) -> Sequence[Run]:
        """Runs, newest first. `subject` also finds what lies below it (`dev` finds `dev/orders`)."""

    def claim(self, run: str, holder: str, seconds: float) -> Run | None:
        """Take a run that nobody holds: state RUNNING, a new epoch, a lease. None where somebody does or it ended."""

    def renew(self, run: Run, seconds: float) -> bool:
        """Hold it longer; False means that somebody else has it now."""

    def move(self, run: Run, state: State, **changes: Any) -> Run:
        """Change the state by `apply.run.TRANSITIONS`, with verdict, error, result, stacks or not_before.

        Raises `apply.retry.Stale` where the epoch is not the run's any more.
        """

    def note(self, run: Run, **changes: Any) -> Run:
        """Change verdict, result or stacks without changing the state; fenced likewise."""

    def ask_cancel(self, run: str) -> Run | None:
        """Ask the worker to stop; one that has not begun is cancelled at once."""

    def waiting(self, owner: str) -> int:
        """How many runs of an owner (an entity reference) have not begun."""

    def steps(self, run: str) -> Sequence[Step]:
        """The journal in order."""

    def journal(self, run: Run, name: str, subject: str, state: StepState, **parts: Any) -> None:
        """Record a step's beginning (RUNNING) or end, with `detail` and `output`; fenced likewise."""

    def forget_steps(self, run: Run, names: Sequence[str]) -> None:
        """Take steps out of the journal so that they are done again; fenced likewise."""

    def abandoned(self) -> Sequence[Run]:
        """Runs that have not ended, that nobody holds, and whose time to wait is over."""

    def free(self, holder_prefix: str) -> int:
        """Drop the leases of holders that are known to be dead; how many."""


class Queue(Protocol):
    """Wakes workers. It may lose a job: the sweep finds every run again."""

    def push(self, run: str, subject: str, delay: float = 0.0, behind: int = 0) -> None:
        """Have `run` carried out, one at a time per subject, `delay` seconds from now; twice is once.

        `behind` is how many others its team has in the queue already: whoever has fewer comes first.
        """

    def tidy(self) -> None:
        """Forget the jobs of workers that died, so that their subjects are not blocked."""


class Plans(Protocol):
    """Stored plans; the engine's part is encrypted."""

    def put(self, run: str, plan: Plan, engine_plan: EnginePlan) -> None:
        """Keep a plan of a run."""

    def get(self, run: str, stack: Address) -> tuple[Plan, EnginePlan] | None:
        """The newest plan of a run for a stack."""

    def drop(self, run: str) -> None:
        """Forget a run's plans once it has ended."""


@dataclass(frozen=True)
class StackRecord:
    """What was last applied to a stack and how it is. `inputs` is the change detector of what was applied."""

    address: Address
    phase: str
    owner: str = ""
    inputs: str = ""
    failed_inputs: str = ""
    repository: str = ""
    commit: str = ""
    artifact: str = ""
    health: str = "unknown"
    reason: str = ""
    error: Mapping[str, Any] | None = None
    urls: Mapping[str, str] = field(default_factory=dict)
    run: str = ""
    applied_at: datetime | None = None
    checked_at: datetime | None = None


@dataclass(frozen=True)
class ResourceRecord:
    """One resource as last applied; `outputs` without the sensitive ones."""

    address: Address
    type: str
    module: str
    module_version: str
    stateful: bool
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)


class Stacks(Protocol):
    """The projection of stacks and their resources."""

    def get(self, stack: Address) -> StackRecord | None:
        """One stack."""

    def all(self, environment: str = "", component: str = "") -> Sequence[StackRecord]:
        """Stacks, sorted by address."""

    def put(self, stack: Address, **changes: Any) -> None:
        """Record what changed about a stack; one that is not there yet is made."""

    def remove(self, stack: Address) -> None:
        """Forget a stack and its resources."""

    def resources(self, stack: Address | None = None) -> Sequence[ResourceRecord]:
        """A stack's resources (None: those of all stacks), sorted by address."""

    def put_resources(self, stack: Address, records: Sequence[ResourceRecord]) -> None:
        """Replace a stack's resources."""


class Builds(Protocol):
    """Which artifact a commit was built into."""

    def get(self, repository: str, commit: str) -> str:
        """The artifact's digest, or an empty text."""

    def put(self, repository: str, commit: str, artifact: str) -> None:
        """Remember it."""


class Catalog(Protocol):
    """The projection of all entities: searched here, changed only in Git."""

    def project(self, entries: Iterable[Entry]) -> Projected:
        """Make the catalog hold exactly these entities; only what differs is written."""

    def get(self, ref: Ref) -> Found | None:
        """One entity with its relations in both directions."""

    def search(self, query: Query) -> Page:
        """Entities by rank where there is a text, else by name. Raises `Refused` for a cursor that is none."""

    def facets(self, query: Query) -> Mapping[str, Mapping[str, int]]:
        """How many entities of the answer have each kind, type, owner, system, lifecycle and tag."""

    def dependents(self, ref: Ref) -> Sequence[Dependent]:
        """Everything that depends on `ref`, directly or not, nearest first: its blast radius."""


@dataclass(frozen=True)
class Principal:
    """Who is asking, and what their credential allows. `behalf` is the person that an agent acts for."""

    actor: Ref
    scopes: frozenset[str] = frozenset()
    behalf: Ref | None = None


class Credentials(Protocol):
    """Tokens, one-time login links and sessions; only digests are kept."""

    def issue(self, kind: str, actor: Ref, scopes: Sequence[str], seconds: float) -> str:
        """A new secret of `kind` (token, link, session), shown once."""

    def check(self, kind: str, secret: str) -> Principal | None:
        """Whose it is, if it is valid now. A link is used up by this."""
