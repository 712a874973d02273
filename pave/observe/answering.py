"""Answering a question from what was measured: steps, series that fall together, rates and quantiles.

The last step ends at the question's `until`, the others right before it; a value belongs to the step that its time is
in, the end included. A step in which nothing was measured is None, never zero.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pave.model.diagnostics import Refused, error
from pave.observe.series import Aggregation, Kind, Line, Question

QUANTILES = {Aggregation.P50: 0.5, Aggregation.P95: 0.95, Aggregation.P99: 0.99}
COUNTED = frozenset({Aggregation.RATE, Aggregation.INCREASE, *QUANTILES})
"""What is asked of counters, and of nothing else."""
MOST_STEPS = 11_000
"""As many as Prometheus answers with."""
_BUCKET = "_bucket"


@dataclass(frozen=True)
class Readings:
    """What was measured of one series: of a gauge its values, of a counter its increases, each at its time (epoch)."""

    labels: Mapping[str, str]
    times: Sequence[float]
    values: Sequence[float | None]


def check(question: Question, kind: Kind | None) -> Question:
    """The question as it is answered. Raises `Refused` for one that has no answer."""
    step = question.step.total_seconds()
    if step <= 0 or question.until <= question.since:
        raise Refused(error("A question needs a time and steps within it", remedy="Ask for the last 1h, say."))
    if (question.until - question.since).total_seconds() / step > MOST_STEPS:
        raise Refused(
            error(f"That is more than {MOST_STEPS} steps", remedy="Ask for less time, or for longer steps: --step 5m.")
        )
    counted = question.aggregation in COUNTED
    if question.aggregation in QUANTILES and not question.metric.endswith(_BUCKET):
        raise Refused(
            error(
                f"{question.metric} has no buckets that a quantile could be told from",
                remedy=f"Ask for a histogram: a metric whose name ends in {_BUCKET}.",
            )
        )
    if kind is Kind.COUNTER and not counted:
        raise Refused(
            error(
                f"{question.metric} only counts up, so its {question.aggregation.value} says nothing",
                remedy="Ask for its rate or its increase.",
            )
        )
    if kind is Kind.GAUGE and counted:
        raise Refused(
            error(
                f"{question.metric} is no counter, so it has no {question.aggregation.value}",
                remedy="Ask for its avg, min, max, sum or last.",
            )
        )
    return question


def aligned(now: datetime, span: timedelta, step: timedelta) -> tuple[datetime, datetime]:
    """A time of `span` up to now whose steps end at whole multiples of `step`: the same for whoever looks."""
    seconds = step.total_seconds()
    until = datetime.fromtimestamp(math.floor(now.timestamp() / seconds) * seconds, UTC)
    return until - span, until


def ends(question: Question) -> list[float]:
    """The ends of a question's steps, as epoch seconds, oldest first."""
    step, until = question.step.total_seconds(), question.until.timestamp()
    count = math.ceil((until - question.since.timestamp()) / step - 1e-9)
    return [until - step * number for number in reversed(range(count))]


def matches(labels: Mapping[str, str], where: Mapping[str, str | tuple[str, ...]]) -> bool:
    """Whether labels are among those that are wanted. A label that is not there is an empty text."""
    return all(labels.get(name, "") in ((one,) if isinstance(one, str) else one) for name, one in where.items())


def answer(question: Question, readings: Iterable[Readings]) -> tuple[Line, ...]:
    """The lines, sorted by their labels."""
    steps = ends(question)
    quantile = QUANTILES.get(question.aggregation)
    by = (*question.by, "le") if quantile is not None else question.by
    indexes: dict[int, list[int]] = {}  # series of one source share their times
    groups: defaultdict[tuple[str, ...], list[list[float | None]]] = defaultdict(list)
    for one in readings:
        index = indexes.get(id(one.times))
        if index is None:
            index = indexes[id(one.times)] = _indexes(question, len(steps), one.times)
        key = tuple(one.labels.get(name, "") for name in by)
        groups[key].append(_stepped(question.aggregation, index, one.values, len(steps)))
    lines = {key: _together(question.aggregation, many) for key, many in groups.items()}
    if quantile is not None:
        lines = _quantiles(quantile, lines)
    if question.aggregation is Aggregation.RATE:
        seconds = question.step.total_seconds()
        lines = {key: [None if one is None else one / seconds for one in line] for key, line in lines.items()}
    times = [datetime.fromtimestamp(end, UTC) for end in steps]
    return tuple(
        Line(dict(zip(question.by, key, strict=True)), tuple(zip(times, line, strict=True)))
        for key, line in sorted(lines.items())
        if any(one is not None for one in line)
    )


def coarser(question: Question, step: timedelta) -> Question:
    """The same question with steps no finer than what there is."""
    return question if question.step >= step else replace(question, step=step)


def quantile_of(share: float, buckets: Sequence[tuple[float, float | None]]) -> float | None:
    """A quantile from cumulative buckets (upper bound, count), the last one +Inf; None where nothing was counted.

    Within a bucket values are taken as evenly spread, as Prometheus' `histogram_quantile` does; what lies beyond the
    last bound is told as that bound.
    """
    ordered = sorted((bound, count) for bound, count in buckets if count is not None)
    if len(ordered) < 2 or not math.isinf(ordered[-1][0]) or ordered[-1][1] <= 0:
        return None
    rank = share * ordered[-1][1]
    lower, below = 0.0, 0.0
    for bound, count in ordered:
        if count >= rank:
            if math.isinf(bound):
                return lower
            if bound <= 0 or count == below:
                return bound
            return lower + (bound - lower) * (rank - below) / (count - below)
        lower, below = bound, max(count, below)
    return lower


def _indexes(question: Question, count: int, times: Sequence[float]) -> list[int]:
    """The step that each time is in; -1 for none."""
    step, until = question.step.total_seconds(), question.until.timestamp()
    since = until - count * step
    found = [math.ceil((at - since) / step - 1e-9) - 1 for at in times]
    return [one if 0 <= one < count else -1 for one in found]


def _stepped(
    aggregation: Aggregation, index: Sequence[int], values: Sequence[float | None], count: int
) -> list[float | None]:
    """The values of one series, one a step."""
    steps: list[float | None] = [None] * count
    if aggregation in (Aggregation.AVERAGE, Aggregation.SUM):
        sums, numbers = [0.0] * count, [0] * count
        for at, value in zip(index, values, strict=True):
            if value is not None and at >= 0:
                sums[at] += value
                numbers[at] += 1
        return [total / number if number else None for total, number in zip(sums, numbers, strict=True)]
    for at, value in zip(index, values, strict=True):
        if value is None or at < 0:
            continue
        held = steps[at]
        if held is None or aggregation is Aggregation.LAST:
            steps[at] = value
        elif aggregation is Aggregation.MINIMUM:
            steps[at] = min(held, value)
        elif aggregation is Aggregation.MAXIMUM:
            steps[at] = max(held, value)
        else:
            steps[at] = held + value
    return steps


def _together(aggregation: Aggregation, many: Sequence[list[float | None]]) -> list[float | None]:
    """The steps of series that fall together: of averages the average, of extremes the extreme, else their sum."""
    if len(many) == 1:
        return many[0]
    found: list[float | None] = []
    for column in zip(*many, strict=True):
        there = [one for one in column if one is not None]
        if not there:
            found.append(None)
        elif aggregation is Aggregation.MINIMUM:
            found.append(min(there))
        elif aggregation is Aggregation.MAXIMUM:
            found.append(max(there))
        else:
            found.append(sum(there) / (len(there) if aggregation is Aggregation.AVERAGE else 1))
    return found


def _quantiles(
    share: float, lines: Mapping[tuple[str, ...], Sequence[float | None]]
) -> dict[tuple[str, ...], list[float | None]]:
    by_key: defaultdict[tuple[str, ...], dict[float, Sequence[float | None]]] = defaultdict(dict)
    for (*key, bound), line in lines.items():
        by_key[tuple(key)][_bound(bound)] = line
    return {
        key: [
            quantile_of(
                share, [(bound, value) for bound, value in zip(buckets, column, strict=True) if value is not None]
            )
            for column in zip(*buckets.values(), strict=True)
        ]
        for key, buckets in by_key.items()
    }


def _bound(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf
