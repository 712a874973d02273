"""Log lines: where one comes from, what it says, and the question that finds it.

`pave.observe.log_reading` makes lines of what programs write; adapters keep them. A question is the same whoever keeps
them, and can be written as the command that asks it: so a delivery, a run and an alert can point at their lines.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum

from pave.model.diagnostics import Refused, error
from pave.model.names import Address


class Level(str, Enum):
    """How grave a line is, where that can be recognised. The order is that of the members."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"
    FATAL = "fatal"

    @property
    def and_graver(self) -> tuple[Level, ...]:
        """This level and those above it."""
        levels = tuple(Level)
        return levels[levels.index(self) :]


WORKLOAD, ROUTER, RUN = "workload", "router", "run"
SOURCES = (WORKLOAD, ROUTER, RUN)
"""What a process wrote, what the router answered, what a run said."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where lines come from: one process of one version of a workload, the router in front of a stack, or its runs.

    `process` tells the processes of a workload apart (`main.0`, `main.1` …), `version` is the beginning of its
    artifact's digest, `revision` that of all that the process was given. Both are empty where they mean nothing.
    """

    source: str
    environment: str
    component: str
    process: str = ""
    version: str = ""
    revision: str = ""

    @property
    def stack(self) -> str:
        """environment/component."""
        return f"{self.environment}/{self.component}"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line, without secrets. `at` is aware UTC; `fields` are flat (`request.method`), their values texts.

    `coloured` is the text as a terminal may show it, where it has colours; else empty.
    """

    at: datetime
    origin: Origin
    text: str
    level: Level | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    coloured: str = ""


@dataclass(frozen=True)
class LogQuestion:
    """Which lines. What is empty chooses nothing; `text` is found in any case of its letters.

    `version` is the beginning of one. `level` also finds what is graver. `since` is included, `until` is not.
    """

    environment: str = ""
    component: str = ""
    sources: tuple[str, ...] = ()
    process: str = ""
    version: str = ""
    text: str = ""
    fields: tuple[tuple[str, str], ...] = ()
    level: Level | None = None
    since: datetime | None = None
    until: datetime | None = None

    def wants_origin(self, origin: Origin) -> bool:
        """Whether lines from there can be an answer."""
        return (
            self.environment in ("", origin.environment)
            and self.component in ("", origin.component)
            and (not self.sources or origin.source in self.sources)
            and (not self.process or origin.process == self.process or origin.process.startswith(f"{self.process}."))
            and origin.version.startswith(self.version)
        )

    def wants(self, line: LogLine) -> bool:
        """Whether a line is an answer."""
        return (
            (self.since is None or line.at >= self.since)
            and (self.until is None or line.at < self.until)
            and self.wants_origin(line.origin)
            and (self.level is None or line.level in self.level.and_graver)
            and all(line.fields.get(name) == value for name, value in self.fields)
            and (not self.text or self.text.lower() in line.text.lower())
        )

    @property
    def command(self) -> str:
        """The line that asks for it, as one would type it."""
        words = ["pave", "logs", "/".join(part for part in (self.environment, self.component) if part)]
        words += [part for source in self.sources for part in ("--source", source)]
        told = {"--process": self.process, "--version": self.version, "--grep": self.text}
        words += [part for flag, value in told.items() if value for part in (flag, value)]
        words += [part for name, value in self.fields for part in ("--field", f"{name}={value}")]
        words += ["--level", self.level.value] if self.level else []
        times = {"--since": self.since, "--until": self.until}
        words += [part for flag, at in times.items() if at for part in (flag, _stamp(at))]
        return shlex.join(word for word in words if word)


BEFORE, AFTER = timedelta(minutes=10), timedelta(minutes=5)


def around(stack: Address, at: datetime, level: Level | None = None) -> LogQuestion:
    """What a stack's workload and router said around a time, such as an alert's: ten minutes before, five after."""
    return LogQuestion(stack.environment, stack.component, level=level, since=at - BEFORE, until=at + AFTER)


def of_delivery(stack: Address, artifact: str, since: datetime | None, failed: datetime | None = None) -> LogQuestion:
    """What a version said since it began to arrive, until five minutes after it failed; `artifact` is a digest."""
    until = failed + AFTER if failed else None
    return LogQuestion(stack.environment, stack.component, version=short(artifact), since=since, until=until)


def of_run(run: str) -> LogQuestion:
    """What a run said."""
    return LogQuestion(sources=(RUN,), fields=(("run", run),))


def short(artifact: str) -> str:
    """The beginning of a digest (`sha256:…`), as lines are marked with it."""
    return artifact.rpartition(":")[2][:12]


_AGO = re.compile(r"^(\d{1,6})\s*(s|m|min|h|d|w)$")
_UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def moment(text: str, now: datetime) -> datetime:
    """A time as people give it: `15m`, `2h`, `3d` ago, or ISO 8601, UTC where no zone is said. Raises `Refused`."""
    if match := _AGO.match(text.strip()):
        return now - timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    try:
        at = datetime.fromisoformat(text.strip())
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        remedy = "Write it like 15m, 2h or 3d, or like 2026-11-24T18:30:00Z."
        raise Refused(error(f"{text[:80]!r} is no time", remedy=remedy)) from None


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
