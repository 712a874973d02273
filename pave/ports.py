"""The ports: how the engine sees the world. Each has a conformance suite that every adapter passes.

Conventions: times are aware UTC datetimes, sizes are bytes, durations are seconds. Adapters raise the
errors of `pave.apply.retry` (they decide what happens next) or `Refused` (someone must change the input).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pave.apply.run import Run, State, Step, StepState
from pave.model.catalog import Dependent, Entry, Found, Page, Projected, Query
from pave.model.names import Address, Ref
from pave.model.template import Template
from pave.model.tree import Tree
from pave.model.workload import Workload
from pave.observe.health import Health
from pave.plan.change import Plan
from pave.plan.terraform import RootModule
from pave.request.intent import Request

Report = Callable[[str], None]
"""Takes one line of progress or log, already free of secrets."""


class Cancel(Protocol):
    """Asked between effects; once true it stays true."""

    def __call__(self) -> bool:
        """Whether to stop now."""


class Clock(Protocol):
    """The time, so that tests can own it."""

    def now(self) -> datetime:
        """Aware UTC time."""


@dataclass(frozen=True)
class Commit:
    """One commit. `trailers` are the `Key: value` lines that end the message."""

    id: str
    message: str
    author: str
    at: datetime
    trailers: Mapping[str, str] = field(default_factory=dict)


class PlatformRepository(Protocol):
    """The bare repository that is the truth. Only Pave writes its `main`, one change at a time."""

    def head(self) -> str:
        """The commit id of `main`."""

    def tree(self, commit: str = "") -> Tree:
        """The files at `commit`, or at the head."""

    def commit(self, base: str, edits: Mapping[str, bytes | None], message: str, author: str) -> str:
        """Write `edits` (None deletes) on top of `base`; return the new commit id.

        If `main` moved since `base` and the same paths were not touched, the edits are laid on the new
        head; if one was, `apply.retry.Moved` is raised. The message carries its trailers.
        """

    def log(self, path: str = "", limit: int = 50) -> Sequence[Commit]:
        """Newest first; with `path`, only commits that changed it."""

    def last_changes(self, paths: Collection[str], commit: str = "") -> Mapping[str, str]:
        """For each path the newest commit, up to `commit` or the head, that changed it."""


class Repositories(Protocol):
    """The repositories of services, bare, hardened against what a stranger may put into one."""

    def names(self) -> Sequence[str]:
        """All of them, sorted."""

    def create(self, name: str, files: Mapping[str, bytes], message: str, author: str) -> str:
        """Ensure a repository whose `main` holds `files`; return the commit id. The same call again is harmless."""

    def mirror(self, name: str, url: str, cancel: Cancel) -> str:
        """Ensure a mirror of a path or Git URL and bring it up to date; return the default branch's commit."""

    def resolve(self, name: str, revision: str = "") -> Commit:
        """The commit a branch, tag or id names (empty: the default branch). Raises `Refused`."""

    def tree(self, name: str, commit: str) -> Tree:
        """The files at a commit."""

    def export(self, name: str, commit: str, directory: Path) -> None:
        """Write the regular files of a commit to `directory`, which is new or empty; it is filled wholly or not at all.

        A link that stays inside the repository becomes a copy of its target; others, and submodules, are refused.
        """

    def remove(self, name: str) -> None:
        """Ensure that there is no such repository."""


@dataclass(frozen=True)
class Artifact:
    """An immutable build result, mounted at `/app`. `digest` is `sha256:…` over its files, processes and environment.

    `processes` maps a process to its command; `environment` is what every process gets; `mounts` are folders
    of this machine that they need read-only at the same place (an interpreter that is not below `/usr`).
    """

    digest: str
    size: int
    language: str
    processes: Mapping[str, Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    built_with: str = ""
    mounts: Sequence[str] = ()


class Builder(Protocol):
    """Turns a commit's files into an artifact, in the sandbox."""

    def build(self, source: Path, workload: Workload, report: Report, cancel: Cancel) -> Artifact:
        """Build `source` (a private checkout, may be changed) and store the result. Raises `Refused`."""

    def find(self, digest: str) -> Artifact | None:
        """A stored artifact."""

    def path(self, digest: str) -> Path:
        """Where its files lie, read-only. Raises `Refused` where it is not stored."""

    def remove(self, digest: str) -> None:
        """Ensure that it is not stored."""


@dataclass(frozen=True)
class Rendered:
    """What a template made: the files of the new repository, entities to register, links to show."""

    files: Mapping[str, bytes]
    repository: str = ""
    entities: Sequence[Mapping[str, Any]] = ()
    links: Sequence[Mapping[str, str]] = ()
    log: Sequence[str] = ()


class Scaffolder(Protocol):
    """Renders templates in the sandbox."""

    def render(self, template: Template, files: Tree, values: Mapping[str, Any], user: Mapping[str, Any]) -> Rendered:
        """Run the template's steps; publishing is left to the engine. Raises `Refused`."""


@dataclass(frozen=True)
class EngineChange:
    """What the engine would do to one of its own resources. `call` is the module call it belongs to."""

    call: str
    address: str
    actions: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    drifted: bool = False


@dataclass(frozen=True)
class EnginePlan:
    """An engine's saved plan. `file` may hold secrets: it is stored encrypted and never shown."""

    file: bytes
    digest: str
    serial: int
    changes: tuple[EngineChange, ...]


@dataclass(frozen=True)
class Applied:
    """What an apply left behind: `outputs` per module call (may hold secrets) and the new state serial."""

    outputs: Mapping[str, Mapping[str, Any]]
    serial: int


class Engine(Protocol):
    """Infrastructure as code: plans and applies root modules. State is kept by the engine's own backend."""

    def plan(self, stack: Address, root: RootModule, cancel: Cancel) -> EnginePlan:
        """Refresh, compare, save. Changes nothing."""

    def apply(self, stack: Address, root: RootModule, plan: EnginePlan, report: Report, cancel: Cancel) -> Applied:
        """Carry out exactly `plan`. Raises `apply.retry.Stale` where the state moved since."""

    def serial(self, stack: Address) -> int:
        """The state's serial; 0 where there is none."""

    def outputs(self, stack: Address) -> Mapping[str, Mapping[str, Any]]:
        """The outputs per module call as last applied; they may hold secrets."""

    def forget(self, stack: Address) -> None:
        """Remove the working copy and the empty state of a stack that is gone."""


class Cloud(Protocol):
    """What runs on this machine, as its provider sees it; read only."""

    @property
    def kinds(self) -> frozenset[str]:
        """The resource types that `health` tells of: one of these that it does not name is gone."""

    def health(self, stack: Address) -> Mapping[Address, Health]:
        """Health of each live resource of a stack."""

    def survey(self) -> Mapping[Address, Mapping[Address, Health]]:
        """The health of everything that is live, by stack, in one look."""

    def urls(self, stack: Address) -> Mapping[str, str]:
        """Where a stack answers, by route name."""

    def logs(self, address: Address, lines: int = 100) -> Sequence[str]:
        """The last lines that a workload wrote, secrets masked."""

    def trash(self) -> Sequence[Mapping[str, Any]]:
        """Removed resources that can still be restored: address, type, removed_at, until."""

    def restore(self, address: Address, backup: datetime | None = None) -> None:
        """Bring the newest removed copy of `address` back, or what is there to a backup of it. Raises `Refused`."""

    def backups(self, address: Address) -> Sequence[datetime]:
        """The times of the backups that are kept of `address`, oldest first."""

    def tidy(self, now: datetime) -> Sequence[Address]:
        """Take the backups that are due, delete what was kept long enough; the addresses backed up."""


class Cipher(Protocol):
    """Envelope encryption for what the database must not show."""

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt; `context` (such as `state/dev/orders`) must be given again to open."""

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt; raises `ValueError` where the bytes or the context are not the same."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: a run, and its fencing epoch. The same name with a higher epoch takes over at once."""

    name: str
    epoch: int = 0


@dataclass(frozen=True)
class StateLock:
    """A lock on a stack's engine state. `info` is the engine's own JSON about it, with its `ID`."""

    stack: Address
    id: str
    holder: Holder
    until: datetime
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StateVersion:
    """One kept version of a stack's engine state."""

    serial: int
    at: datetime
    size: int


class States(Protocol):
    """Engine state: versioned, sealed, locked with a lease. A lock whose holder died frees itself."""

    def read(self, stack: Address, serial: int | None = None) -> bytes | None:
        """The newest state, or the one with `serial`; None where there is none."""

    def write(self, stack: Address, body: bytes, lock: str, holder: Holder) -> None:
        """Keep a new version. Raises `Stale` unless `holder` has the lock with that id and the serial does not fall."""

    def serial(self, stack: Address) -> int:
        """The newest state's serial; 0 where there is none."""

    def versions(self, stack: Address, limit: int = 50) -> Sequence[StateVersion]:
        """The kept versions, newest first."""

    def delete(self, stack: Address) -> None:
        """Ensure that there is no state. Raises `Refused` where the newest one still has resources."""

    def lock(self, stack: Address, info: Mapping[str, Any], holder: Holder, seconds: float) -> StateLock | None:
        """Take the lock for `seconds`. None once it is ours, else the lock that stands in the way."""

    def renew(self, stack: Address, holder: Holder, seconds: float) -> bool:
        """Hold it longer; False where somebody else has it now. Not being locked at all is fine."""

    def unlock(self, stack: Address, lock: str = "", holder: Holder | None = None) -> None:
        """Ensure that no lock is left with that id, of that holder, or (neither given) at all."""

    def locks(self) -> Sequence[StateLock]:
        """Every lock whose lease runs, sorted by stack."""

    def free(self, holder_prefix: str) -> int:
        """Drop the locks of holders that are known to be dead; how many."""


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

    def last(self) -> int:
        """The newest id, or 0."""

    def wait(self, after: int, seconds: float) -> bool:
        """Block until there is an event above `after`, at most `seconds`; whether there is one."""


class Runs(Protocol):
    """Runs and their journal: the authority on work. Every write of a worker is fenced by the run's epoch."""

    def add(self, request: Request, kind: str, subject: str) -> tuple[Run, bool]:
        """Record a request as a pending run; the same actor and key give the run there is, and False."""

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

    def push(self, run: str, subject: str, delay: float = 0.0) -> None:
        """Have `run` carried out, one at a time per subject, `delay` seconds from now; twice is once."""


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
    """Who is asking, and what their credential allows."""

    actor: Ref
    scopes: frozenset[str] = frozenset()


class Credentials(Protocol):
    """Tokens, one-time login links and sessions; only digests are kept."""

    def issue(self, kind: str, actor: Ref, scopes: Sequence[str], seconds: float) -> str:
        """A new secret of `kind` (token, link, session), shown once."""

    def check(self, kind: str, secret: str) -> Principal | None:
        """Whose it is, if it is valid now. A link is used up by this."""

    def revoke(self, secret: str) -> None:
        """Make it worthless at once."""
