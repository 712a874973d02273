"""Health: what a stack is right now, and the one sentence that says why."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class Status(str, Enum):
    """From best to worst."""

    HEALTHY = "healthy"
    PROGRESSING = "progressing"
    UNKNOWN = "unknown"
    DEGRADED = "degraded"
    MISSING = "missing"


_ORDER = list(Status)


@dataclass(frozen=True)
class Health:
    """One part's health. `since` is an ISO time in UTC or empty."""

    status: Status
    reason: str = ""
    since: str = ""


def worst(parts: Iterable[Health]) -> Health:
    """The health of a whole: its worst part speaks; a whole without parts is healthy."""
    return max(parts, key=lambda one: _ORDER.index(one.status), default=Health(Status.HEALTHY))
