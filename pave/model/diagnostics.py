"""Diagnostics: what is wrong, where, and what to do about it.

Every error that a person or an agent can meet is one of these. They are collected, not raised one by
one, so that a file with five mistakes says five things. Detail and remedy never repeat a secret value.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any


class Severity(str, Enum):
    """How bad it is: an error refuses, a warning is shown and goes on."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True)
class Source:
    """Where something stands in a file. Line and column count from 1; 0 means the whole file."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@dataclass(frozen=True)
class Diagnostic:
    """One finding about an input. `path` is the place inside a document (`spec.resources[0].type`).

    `wanted` is what was asked for and nothing offers, such as `kafka`: what people miss is counted by it.
    """

    severity: Severity
    summary: str
    detail: str = ""
    remedy: str = ""
    source: Source = field(default_factory=Source)
    path: str = ""
    address: str = ""
    wanted: str = ""

    def at(self, source: Source, path: str = "") -> Diagnostic:
        """The same finding, placed."""
        return replace(self, source=source, path=path or self.path)

    def __str__(self) -> str:
        where = str(self.source) or self.address
        place = f" ({self.path})" if self.path else ""
        text = f"{where}{place}: {self.summary}" if where or place else self.summary
        ended = text + ("." if self.detail or self.remedy else "")
        return " ".join(part for part in (ended, self.detail, self.remedy) if part)

    def as_data(self) -> dict[str, Any]:
        """JSON form, as every door shows it; empty parts are left away."""
        data = {
            "severity": self.severity.value,
            "summary": self.summary,
            "detail": self.detail,
            "remedy": self.remedy,
            "file": self.source.file,
            "line": self.source.line,
            "path": self.path,
            "address": self.address,
        }
        return {key: value for key, value in data.items() if value}


def error(summary: str, **parts: Any) -> Diagnostic:
    """An error diagnostic; `parts` are the other fields."""
    return Diagnostic(Severity.ERROR, summary, **parts)


def warning(summary: str, **parts: Any) -> Diagnostic:
    """A warning diagnostic; `parts` are the other fields."""
    return Diagnostic(Severity.WARNING, summary, **parts)


class Refused(Exception):
    """An input that cannot be accepted, with every reason found."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        self.diagnostics: tuple[Diagnostic, ...] = diagnostics
        super().__init__("\n".join(str(one) for one in diagnostics))


class Unknown(Refused):
    """What was named is not there."""


class Forbidden(Refused):
    """Who asks may not do this."""


class Conflict(Refused):
    """It cannot be done the way things are now, though the input itself is right."""


@dataclass
class Findings:
    """Collects diagnostics while a document is read; `refuse_if_any` ends the reading."""

    items: list[Diagnostic] = field(default_factory=list)

    def add(self, diagnostic: Diagnostic) -> None:
        """Keep one more."""
        self.items.append(diagnostic)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Keep several more."""
        self.items.extend(diagnostics)

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        """Those that refuse."""
        return tuple(one for one in self.items if one.severity is Severity.ERROR)

    def refuse_if_any(self) -> None:
        """Raise `Refused` with everything if there is an error among it."""
        if self.errors:
            raise Refused(*self.items)

    def __iter__(self) -> Iterator[Diagnostic]:
        return iter(self.items)
