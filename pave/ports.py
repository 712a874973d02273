"""The ports: how the engine sees the world. Each has a conformance suite that every adapter passes.

Conventions: times are aware UTC datetimes, sizes are bytes, durations are seconds. Adapters raise the
errors of `pave.apply.retry` (they decide what happens next) or `Refused` (someone must change the input).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pave.model.names import Address
from pave.model.template import Template
from pave.model.tree import Tree
from pave.model.workload import Workload
from pave.observe.health import Health
from pave.plan.terraform import RootModule

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
        """Write the regular files of a commit below `directory`; links and submodules are refused."""

    def remove(self, name: str) -> None:
        """Ensure that there is no such repository."""


@dataclass(frozen=True)
class Artifact:
    """An immutable build result. `digest` is `sha256:…` over its files; `processes` maps a process to its command."""

    digest: str
    size: int
    language: str
    processes: Mapping[str, Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    built_with: str = ""


class Builder(Protocol):
    """Turns a commit's files into an artifact, in the sandbox."""

    def build(self, source: Path, workload: Workload, report: Report, cancel: Cancel) -> Artifact:
        """Build `source` (a private checkout, may be changed) and store the result. Raises `Refused` with the reason."""

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

    def forget(self, stack: Address) -> None:
        """Remove the working copy and the empty state of a stack that is gone."""


class Cloud(Protocol):
    """What runs on this machine, as its provider sees it; read only."""

    def health(self, stack: Address) -> Mapping[Address, Health]:
        """Health of each live resource of a stack."""

    def urls(self, stack: Address) -> Mapping[str, str]:
        """Where a stack answers, by route name."""

    def logs(self, address: Address, lines: int = 100) -> Sequence[str]:
        """The last lines that a workload wrote, secrets masked."""

    def trash(self) -> Sequence[Mapping[str, Any]]:
        """Removed resources that can still be restored: address, type, removed_at, until."""

    def restore(self, address: Address) -> None:
        """Bring the newest removed copy of `address` back under its own name. Raises `Refused`."""


class Cipher(Protocol):
    """Envelope encryption for what the database must not show."""

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt; `context` (such as `state/dev/orders`) must be given again to open."""

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt; raises `ValueError` where the bytes or the context are not the same."""
