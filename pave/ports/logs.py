"""Where log lines are kept and asked for: files on this machine by default, or a Loki that the organisation has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pave.observe.logs import LogLine, LogQuestion, Origin


@dataclass(frozen=True)
class LogFile:
    """A file that lines are taken from. `secrets` must not be kept; `access` says that it is the router's log.

    `key` names it for good: a file that is written anew under the same name goes on where the one before ended.
    """

    key: str
    path: Path
    origin: Origin
    secrets: tuple[str, ...] = ()
    access: bool = False


@dataclass(frozen=True)
class Found:
    """Lines, oldest first. `position` is where to go on: before them for a search, after them for a reader.

    It is empty where a search has come to the end. `positions` has one for each line: where a reader goes on behind it;
    these compare as texts do.
    """

    lines: Sequence[LogLine]
    position: str
    positions: Sequence[str] = ()


class Logs(Protocol):
    """All log lines. What is kept how long is the adapter's."""

    def write(self, lines: Sequence[LogLine], marks: Mapping[str, str]) -> None:
        """Keep lines, in the order in which they came, and how far their sources were read.

        Raises `apply.retry.Transient` where that cannot be done now; then nothing is kept, or all will be kept again.
        """

    def marks(self) -> Mapping[str, str]:
        """How far each source was read, by key."""

    def search(self, question: LogQuestion, limit: int, before: str = "") -> Found:
        """The newest lines that answer, or those before an earlier answer's `position`. Raises `Refused`."""

    def read(self, after: str, question: LogQuestion, limit: int) -> Found:
        """Lines that came after a position, in the order in which they came. Raises `Refused`."""

    def last(self) -> str:
        """The position after everything that has come."""

    def wait(self, after: str, seconds: float) -> bool:
        """Block until something came after a position, at most `seconds`; whether there is something."""

    def tidy(self, now: datetime) -> None:
        """Forget what was kept long enough, or is too much."""

    def close(self) -> None:
        """Finish what was begun; to be called last."""
