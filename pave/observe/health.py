"""Health: what a stack is right now, and the one sentence that says why."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pave.model.names import Address


class Status(str, Enum):
    """From best to worst."""

    HEALTHY = "healthy"
    PROGRESSING = "progressing"
    UNKNOWN = "unknown"
    DEGRADED = "degraded"
    MISSING = "missing"


_ORDER = list(Status)


class Expected(Protocol):
    """A resource that was applied."""

    @property
    def address(self) -> Address:
        """Where it is."""

    @property
    def type(self) -> str:
        """What it is."""


@dataclass(frozen=True)
class Health:
    """One part's health. `since` is an ISO time in UTC or empty."""

    status: Status
    reason: str = ""
    since: str = ""


def with_missing(
    live: Mapping[Address, Health], expected: Iterable[Expected], told: Container[str]
) -> dict[Address, Health]:
    """The health of what is live, and MISSING for what is expected, is of a type in `told`, and is not live."""
    gone = {
        one.address: Health(Status.MISSING, f"{one.address} is gone")
        for one in expected
        if one.type in told and one.address not in live
    }
    return {**live, **gone}


def worst(parts: Iterable[Health]) -> Health:
    """The health of a whole: its worst part speaks; a whole without parts is healthy."""
    return max(parts, key=lambda one: _ORDER.index(one.status), default=Health(Status.HEALTHY))
