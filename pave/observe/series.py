"""Numbers over time: samples of named series, questions about them, and the lines that answer.

A series is a metric's name with labels. Names and units follow OpenMetrics: seconds and bytes, `_total` for what only
counts up. What is measured of a stack has the labels `environment` and `component`, of a resource `resource` too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum


class Kind(str, Enum):
    """What a metric's numbers mean: a counter only counts up, and begins anew at 0 with its process."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Aggregation(str, Enum):
    """How the samples of a step, and of the series that fall together, become one number.

    RATE (per second) and INCREASE are of counters, resets respected; the quantiles are of histograms: counters with a
    label `le`, as Prometheus has them.
    """

    AVERAGE = "avg"
    MINIMUM = "min"
    MAXIMUM = "max"
    SUM = "sum"
    LAST = "last"
    RATE = "rate"
    INCREASE = "increase"
    P50 = "p50"
    P95 = "p95"
    P99 = "p99"


@dataclass(frozen=True, slots=True)
class Sample:
    """One number of one series, now."""

    name: str
    labels: Mapping[str, str]
    value: float
    kind: Kind = Kind.GAUGE


@dataclass(frozen=True)
class Question:
    """One metric between two times, a number a step. `where` keeps series with these labels; `by` keeps them apart.

    A value in `where` may be a text or several, of which one has to match.
    """

    metric: str
    aggregation: Aggregation
    since: datetime
    until: datetime
    step: timedelta
    where: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """The answer for one combination of the labels in `by`: a number per step, None where nothing was measured.

    The times are the ends of the steps, aware UTC.
    """

    labels: Mapping[str, str]
    points: tuple[tuple[datetime, float | None], ...]

    @property
    def last(self) -> float | None:
        """The newest number that there is."""
        return next((value for _, value in reversed(self.points) if value is not None), None)
