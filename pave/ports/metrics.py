"""Where measured numbers are kept and asked for: PostgreSQL by default, or a Prometheus that the organisation has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

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
