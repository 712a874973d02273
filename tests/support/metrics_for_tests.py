"""Metrics in memory: everything that was written, answered by walking over it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from pave.model.diagnostics import Refused, error
from pave.observe.series import Aggregation, Kind, Line, Question, Sample

QUANTILES = {Aggregation.P50: 0.5, Aggregation.P95: 0.95, Aggregation.P99: 0.99}


@dataclass
class MemoryMetrics:
    """Implements `pave.ports.Metrics`. `asked` are the questions, `fails` is raised instead of answering."""

    series: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[datetime, float]]] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)
    fails: Exception | None = None

    def write(self, at: datetime, source: str, samples: Iterable[Sample]) -> int:
        kept = 0
        for one in samples:
            key = (one.name, tuple(sorted(one.labels.items())))
            self.series.setdefault(key, []).append((at, one.value))
            self.kinds[one.name] = one.kind
            kept += 1
        return kept

    def names(self, where: Mapping[str, str | tuple[str, ...]], since: datetime) -> Sequence[str]:
        return sorted({name for name, labels in self.series if _matches(dict(labels), where)})

    def tidy(self, now: datetime) -> None:
        for points in self.series.values():
            points[:] = [one for one in points if one[0] > now - timedelta(days=400)]

    def ask(self, question: Question) -> Sequence[Line]:
        self.asked.append(question)
        if self.fails is not None:
            raise self.fails
        quantile = QUANTILES.get(question.aggregation)
        counted = quantile is not None or question.aggregation in (Aggregation.RATE, Aggregation.INCREASE)
        kind = self.kinds.get(question.metric)
        if kind is not None and counted != (kind is Kind.COUNTER):
            raise Refused(error(f"{question.metric} has no {question.aggregation.value}"))
        if quantile is not None and not question.metric.endswith("_bucket"):
            raise Refused(error(f"{question.metric} has no buckets"))
        by = (*question.by, "le") if quantile is not None else question.by
        count = max(round((question.until - question.since) / question.step), 1)
        ends = [question.until - question.step * number for number in reversed(range(count))]
        groups: defaultdict[tuple[str, ...], list[list[float | None]]] = defaultdict(list)
        for (name, labels), points in self.series.items():
            if name == question.metric and _matches(dict(labels), question.where):
                key = tuple(dict(labels).get(one, "") for one in by)
                groups[key].append([_step(question, points, end) for end in ends])
        lines = {key: [_together(question.aggregation, column) for column in zip(*many, strict=True)]
                 for key, many in groups.items()}  # fmt: skip
        if quantile is not None:
            lines = _quantiles(quantile, lines)
        return tuple(
            Line(dict(zip(question.by, key, strict=True)), tuple(zip(ends, line, strict=True)))
            for key, line in sorted(lines.items())
            if any(one is not None for one in line)
        )


def _matches(labels: Mapping[str, str], where: Mapping[str, str | tuple[str, ...]]) -> bool:
    return all(labels.get(name, "") in ((one,) if isinstance(one, str) else one) for name, one in where.items())


def _step(question: Question, points: list[tuple[datetime, float]], end: datetime) -> float | None:
    start = end - question.step
    inside = [value for at, value in points if start < at <= end]
    if not inside:
        return None
    match question.aggregation:
        case Aggregation.LAST:
            return inside[-1]
        case Aggregation.MINIMUM:
            return min(inside)
        case Aggregation.MAXIMUM:
            return max(inside)
        case Aggregation.AVERAGE | Aggregation.SUM:
            return sum(inside) / len(inside)
    before = [value for at, value in points if at <= start][-1:]
    path = [*before, *inside]
    grown = sum(b - a if b >= a else b for a, b in pairwise(path))
    return grown / question.step.total_seconds() if question.aggregation is Aggregation.RATE else grown


def _together(aggregation: Aggregation, column: tuple[float | None, ...]) -> float | None:
    there = [one for one in column if one is not None]
    if not there:
        return None
    if aggregation is Aggregation.MINIMUM:
        return min(there)
    if aggregation is Aggregation.MAXIMUM:
        return max(there)
    return sum(there) / (len(there) if aggregation is Aggregation.AVERAGE else 1)


def _quantiles(
    share: float, lines: Mapping[tuple[str, ...], list[float | None]]
) -> dict[tuple[str, ...], list[float | None]]:
    found: dict[tuple[str, ...], list[float | None]] = {}
    keys = {key[:-1] for key in lines}
    for key in keys:
        buckets = sorted(
            (math.inf if one[-1] == "+Inf" else float(one[-1]), line) for one, line in lines.items() if one[:-1] == key
        )
        found[key] = [
            _quantile(share, [(bound, line[at] or 0.0) for bound, line in buckets]) for at in range(len(buckets[0][1]))
        ]
    return found


def _quantile(share: float, buckets: list[tuple[float, float]]) -> float | None:
    total, lower, below = buckets[-1][1], 0.0, 0.0
    if total <= 0:
        return None
    for bound, count in buckets:
        if count >= share * total:
            return lower if math.isinf(bound) else lower + (bound - lower) * (share * total - below) / (count - below)
        lower, below = bound, count
    return lower
