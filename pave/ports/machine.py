"""What the provider needs of the machine: long-running programs, kept alive by a supervisor.

The supervisor is a process of its own, so programs live on while Pave restarts. Definitions are
files: after a crash the machine looks again and makes what runs equal to what is defined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Program:
    """One supervised program.

    `argv` is complete (already wrapped by the sandbox where it is confined). `environment` is everything
    it gets; it may hold secrets, so it is kept in a file only the owner can read. `log` takes stdout and
    stderr, rotated at `log_bytes`.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    directory: Path = Path("/")
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = "TERM"
    stop_seconds: int = 10
    restart: bool = True
    log_bytes: int = 10_000_000


@dataclass(frozen=True)
class ProgramState:
    """What a program does now. `detail` is the supervisor's own word on it (exit status, spawn error)."""

    running: bool
    pid: int = 0
    since: str = ""
    restarts: int = 0
    detail: str = ""


class Machine(Protocol):
    """Ensures programs; every call may be repeated."""

    def ensure(self, program: Program) -> None:
        """Have `program` running with exactly this definition; one that differs is stopped and started anew."""

    def state(self, name: str) -> ProgramState | None:
        """The state of a defined program, or None."""

    def states(self) -> Mapping[str, ProgramState]:
        """The states of all defined programs that were started, in one look."""

    def programs(self) -> Sequence[str]:
        """The names of all defined programs, sorted."""

    def stop(self, name: str) -> None:
        """Stop a program and wait for it; its definition stays."""

    def remove(self, name: str) -> None:
        """Stop a program and forget it."""


class Confine(Protocol):
    """Turns a command into the complete argv of a confined program that runs as the unprivileged user."""

    def __call__(
        self, argv: Sequence[str], *, write: Sequence[Path] = (), read: Sequence[Path] = ()
    ) -> tuple[str, ...]:
        """`argv` as the unprivileged user, seeing the system and, under the same paths, `read` and `write`.

        The network is the machine's. `argv[0]` is absolute; its own folder need not be listed.
        """


@dataclass(frozen=True)
class Mount:
    """A file or folder of the machine, seen at the absolute path `inside`."""

    host: Path
    inside: str


@dataclass(frozen=True)
class Confinement:
    """One command that gets to see nothing but the system's programs and its mounts.

    `directory` is a path inside. Limits are bytes, processes (threads count) and seconds of wall time; 0 means
    none. What is `patient` gives way to everything else on the processor. `scratch_bytes` is the room in its private
    /tmp and home. `trusted` may also run where the machine offers no confinement; anything else is refused there.
    With a `root`, a folder with a whole root file system, that takes the place of the system's programs, read-only;
    `directory` and the mounts are places in it.
    """

    argv: tuple[str, ...]
    directory: str = "/tmp"  # noqa: S108 — the private one
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    read: tuple[Mount, ...] = ()
    write: tuple[Mount, ...] = ()
    network: bool = False
    memory_bytes: int = 0
    processes: int = 0
    file_bytes: int = 0
    scratch_bytes: int = 512 * 1024 * 1024
    seconds: float = 0.0
    patient: bool = False
    trusted: bool = False
    root: Path | None = None


class Outcome(Protocol):
    """How a confined command ended."""

    @property
    def ok(self) -> bool:
        """Whether it ended by itself and with success."""

    @property
    def text(self) -> str:
        """The end of what it said."""

    @property
    def timed_out(self) -> bool:
        """Whether it was stopped because its time was over."""


class Confiner(Protocol):
    """What makes a command confined."""

    def command(self, confinement: Confinement) -> tuple[str, ...]:
        """The complete argv of a `Program`. Raises `Refused` where it must not or cannot be confined so."""

    def environment(self, confinement: Confinement) -> dict[str, str]:
        """The complete environment of that program."""

    def execute(self, confinement: Confinement) -> Outcome:
        """Run it to its end."""

    def give(self, path: Path) -> None:
        """Hand a file or folder to the user that confined commands run as."""
