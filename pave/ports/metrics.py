"""Where measured numbers are kept and asked for: PostgreSQL by default, or a Prometheus that the organisation has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pave.model.names import Address
from pave.observe.series import Line, Question, Sample


class Metrics(Protocol):
    """Series of numbers. What is kept how long is the adapter's: 10 s for 2 h, 1 min for 2 days, 1 h for 13 months."""

    def write(self, at: datetime, source: str, samples: Iterable[Sample]) -> int:
        """Keep what one source measured at one time; how many samples were kept.

        A source has a bounded number of series: what is beyond is left out, and counted under the source's name.
        """

    def ask(self, question: Question) -> Sequence[Line]:
        """The lines that answer, sorted by their labels; none where nothing was measured. Raises `Refused`."""

    def names(self, where: Mapping[str, str | tuple[str, ...]], since: datetime) -> Sequence[str]:
        """The metrics that have series with these labels, sorted."""

    def tidy(self, now: datetime) -> None:
        """Fold what is old enough into coarser steps, and forget what was kept long enough."""


class Meter(Protocol):
    """Something that measures, asked every ten seconds. It may be slow or raise anything: then its round is missing."""

    @property
    def name(self) -> str:
        """What it looks at, as people are told of its failures: router, workloads, databases."""

    def measure(self, now: datetime) -> Iterable[tuple[str, Sample]]:
        """What there is now, each with its source. What is part of a stack has the stack's address as its source."""


@dataclass(frozen=True)
class Trace:
    """One trace of a stack that was slow or failed. `seconds` is that of its first span, `problem` empty where well.

    A span is a mapping with `name`, `kind`, `seconds`, `offset` (seconds since the trace began), `id`, `parent` and
    `problem`.
    """

    id: str
    stack: Address
    at: datetime
    name: str
    seconds: float
    problem: str = ""
    spans: tuple[Mapping[str, Any], ...] = field(default=())


class Traces(Protocol):
    """The traces that are worth a look: a bounded number of each stack, failed and slow ones before others."""

    def put(self, traces: Sequence[Trace]) -> None:
        """Keep them; spans of a trace that is there already join it."""

    def find(self, stack: Address, *, failed: bool = False, limit: int = 20) -> Sequence[Trace]:
        """Of one stack, newest first; with `failed` only those."""

    def tidy(self) -> None:
        """Forget those that are more than a stack may have."""
