"""Folding measured values into coarser steps: what a minute or an hour keeps of what was read every ten seconds.

Values come as rows: one per time, a place for each series of one source, None where nothing was measured. A gauge
keeps its newest, lowest, mean and highest value; a counter keeps by how much it counted up. A counter that is smaller
than before began anew at 0, so all that it shows was counted since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

Row = Sequence[float | None]
"""One time: a value for each place."""


@dataclass(frozen=True)
class Folded:
    """One coarser step. `last` is the newest value of a gauge, and the increase of a counter; the rest is of gauges."""

    last: list[float | None]
    low: list[float | None]
    mean: list[float | None]
    high: list[float | None]


def increases(values: Iterable[float | None], *, before: float | None = None) -> list[float | None]:
    """By how much a counter went up to each value. The first one, with nothing before it, only begins the count."""
    found: list[float | None] = []
    for value in values:
        if value is None:
            found.append(None)
            continue
        found.append(0.0 if before is None else value - before if value >= before else value)
        before = value
    return found


def newest(values: Iterable[float | None]) -> float | None:
    """The last value that there is."""
    found = None
    for value in values:
        if value is not None:
            found = value
    return found


def fold(before: Sequence[Row], rows: Sequence[Row], counters: Collection[int], born: Collection[int]) -> Folded:
    """Rows as they were read, into one step. `before` are those right before it, for the counters among the places.

    `born` are the counters that were first seen in this step, while others of their source were there before: they
    began at 0.
    """
    folded = _blank(max(map(len, rows), default=0))
    starts = list(zip_longest(*before)) if before else []
    for place, column in enumerate(zip_longest(*rows)):
        there = [value for value in column if value is not None]
        if not there:
            continue
        if place in counters:
            start = 0.0 if place in born else newest(starts[place]) if place < len(starts) else None
            folded.last[place] = sum(one for one in increases(there, before=start) if one is not None)
        else:
            folded.last[place] = there[-1]
            folded.low[place], folded.high[place] = min(there), max(there)
            folded.mean[place] = sum(there) / len(there)
    return folded


def fold_again(parts: Sequence[Folded], counters: Collection[int]) -> Folded:
    """Steps that were folded, into one: increases are added, means are of the steps that had a value."""
    folded = _blank(max((len(one.last) for one in parts), default=0))
    for place, column in enumerate(zip_longest(*(one.last for one in parts))):
        there = [value for value in column if value is not None]
        if not there:
            continue
        if place in counters:
            folded.last[place] = sum(there)
            continue
        folded.last[place] = there[-1]
        folded.low[place] = min(_at(parts, "low", place), default=None)
        folded.high[place] = max(_at(parts, "high", place), default=None)
        means = _at(parts, "mean", place)
        folded.mean[place] = sum(means) / len(means) if means else None
    return folded


def _blank(size: int) -> Folded:
    return Folded([None] * size, [None] * size, [None] * size, [None] * size)


def _at(parts: Sequence[Folded], column: str, place: int) -> list[float]:
    found = (getattr(one, column) for one in parts)
    return [one[place] for one in found if place < len(one) and one[place] is not None]
