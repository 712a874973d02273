"""A run: carrying out one request, step by step. All state transitions stand in one table."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from pave.request.intent import Request


class State(str, Enum):
    """Where a run is."""

    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DENIED = "denied"
    CANCELLED = "cancelled"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.PENDING: frozenset({State.RUNNING, State.CANCELLED}),
    # RUNNING → RUNNING is another worker taking over after the first one died.
    State.RUNNING: frozenset(
        {State.RUNNING, State.WAITING, State.SUCCEEDED, State.FAILED, State.DENIED, State.CANCELLED}
    ),
    State.WAITING: frozenset({State.RUNNING, State.FAILED, State.CANCELLED}),
    State.SUCCEEDED: frozenset(),
    State.FAILED: frozenset(),
    State.DENIED: frozenset(),
    State.CANCELLED: frozenset(),
}

ORDER = (
    "source",
    "verify",
    "check",
    "build",
    "sbom",
    "provenance",
    "bake",
    "plan",
    "judge",
    "record",
    "apply",
    "observe",
    "seed",
    "smoke",
    "follow",
)
"""The steps of a run, in order; which of them a run has depends on what it is about."""

TERMINAL = frozenset(state for state, following in TRANSITIONS.items() if not following)


def sources(target: State) -> tuple[State, ...]:
    """The states from which `target` may be reached."""
    return tuple(state for state, following in TRANSITIONS.items() if target in following)


@dataclass(frozen=True)
class Run:
    """One run as recorded. `epoch` fences: a worker that lost its lease can write nothing more."""

    id: str
    kind: str
    subject: str
    state: State
    request: Request
    stacks: tuple[str, ...] = ()
    attempt: int = 0
    epoch: int = 0
    cancel_asked: bool = False
    verdict: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    result: dict[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


class StepState(str, Enum):
    """Where a step is; a skip is typed and carries its reason in `detail`."""

    RUNNING = "running"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True)
class Step:
    """One journaled step. `output` is what later steps, or a later attempt, need of it; never a secret."""

    name: str
    subject: str
    state: StepState
    detail: str = ""
    output: dict[str, Any] = field(default_factory=dict)
    started_at: datetime | None = None
    finished_at: datetime | None = None
