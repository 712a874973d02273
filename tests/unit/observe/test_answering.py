"""Questions about what was measured: steps, gaps, series together, resets, quantiles."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pave.model.diagnostics import Refused
from pave.observe.answering import Readings, aligned, answer, check, quantile_of
from pave.observe.folding import Folded, fold, fold_again, increases
from pave.observe.series import Aggregation, Kind, Question

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def question(aggregation: Aggregation, *, minutes: int = 3, by: tuple[str, ...] = (), metric: str = "m") -> Question:
    return Question(metric, aggregation, NOON - timedelta(minutes=minutes), NOON, timedelta(minutes=1), by=by)


def reading(values: list[float | None], seconds: int = 60, **labels: str) -> Readings:
    """Values whose last one is at noon."""
    return Readings(labels, [NOON.timestamp() - seconds * (len(values) - 1 - at) for at in range(len(values))], values)


def told(question: Question, *readings: Readings) -> list[list[float | None]]:
    return [[value for _, value in line.points] for line in answer(question, readings)]


def test_the_last_step_ends_at_until_and_a_step_without_a_value_is_none() -> None:
    (line,) = answer(question(Aggregation.AVERAGE), [reading([1.0, None, 3.0])])
    assert line.points == (
        (NOON - timedelta(minutes=2), 1.0),
        (NOON - timedelta(minutes=1), None),
        (NOON, 3.0),
    )
    assert line.last == 3.0


def test_what_lies_outside_is_left_out() -> None:
    assert told(question(Aggregation.SUM, minutes=1), reading([7.0, 8.0])) == [[8.0]]


def test_nothing_measured_is_no_line() -> None:
    assert told(question(Aggregation.AVERAGE), reading([None, None, None])) == []


@pytest.mark.parametrize(
    ("aggregation", "wanted"),
    [
        (Aggregation.AVERAGE, [2.0, 2.0, 4.5]),
        (Aggregation.SUM, [4.0, 2.0, 9.0]),
        (Aggregation.MINIMUM, [1.0, 2.0, 4.0]),
        (Aggregation.MAXIMUM, [3.0, 2.0, 5.0]),
        (Aggregation.LAST, [4.0, 2.0, 9.0]),
    ],
)
def test_series_that_fall_together(aggregation: Aggregation, wanted: list[float]) -> None:
    assert told(question(aggregation), reading([1.0, 2.0, 4.0], a="1"), reading([3.0, None, 5.0], a="2")) == [wanted]


def test_by_keeps_series_apart_and_sorts_them() -> None:
    lines = answer(question(Aggregation.LAST, by=("a",)), [reading([1.0], a="2"), reading([5.0], a="1")])
    assert [(line.labels, line.last) for line in lines] == [({"a": "1"}, 5.0), ({"a": "2"}, 1.0)]


def test_a_rate_is_per_second() -> None:
    assert told(question(Aggregation.RATE, minutes=1), reading([30.0, 30.0], seconds=10)) == [[1.0]]


def test_counters_that_reset_lose_nothing_and_invent_nothing() -> None:
    assert increases([5.0, 8.0, 2.0, None, 3.0]) == [0.0, 3.0, 2.0, None, 1.0]
    assert increases([5.0], before=0.0) == [5.0]


@given(st.lists(st.integers(0, 100), min_size=1, max_size=60), st.sets(st.integers(1, 59)))
def test_a_counter_goes_up_by_what_was_counted_however_often_it_resets(counted: list[int], resets: set[int]) -> None:
    shown, value = [], 0
    for at, one in enumerate(counted):
        value = one if at in resets else value + one
        shown.append(float(value))
    # A process that comes back beyond what was shown before cannot be told from one that went on.
    hidden = any(at in resets and shown[at] >= shown[at - 1] for at in range(1, len(shown)))
    total = sum(one for one in increases(shown, before=0.0) if one is not None)
    assert total <= sum(counted)
    assert hidden or total == sum(counted)


def test_a_fold_keeps_the_increase_over_its_edge() -> None:
    folded = fold([[10.0]], [[12.0], [15.0]], {0}, ())
    assert folded.last == [5.0]
    assert fold([], [[12.0], [15.0]], {0}, ()).last == [3.0]
    assert fold([], [[12.0], [15.0]], {0}, {0}).last == [15.0]


def test_a_fold_keeps_extremes_of_a_gauge() -> None:
    folded = fold([], [[4.0, None], [1.0], [2.5, 7.0]], (), ())
    assert (folded.last, folded.low, folded.mean, folded.high) == ([2.5, 7.0], [1.0, 7.0], [2.5, 7.0], [4.0, 7.0])
    again = fold_again([folded, Folded([9.0], [0.5], [3.5], [9.0])], ())
    assert (again.last, again.low, again.mean, again.high) == ([9.0, 7.0], [0.5, 7.0], [3.0, 7.0], [9.0, 7.0])


@given(st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6), min_size=1, max_size=10))
def test_folding_in_parts_counts_what_folding_at_once_counts(parts: list[list[int]]) -> None:
    total = 0
    rows = [[[float(total := total + one)] for one in part] for part in parts]
    whole = fold([[0.0]], [row for part in rows for row in part], {0}, ())
    pieces, before = [], [[0.0]]
    for part in rows:
        pieces.append(fold(before, part, {0}, ()))
        before = part
    assert fold_again(pieces, {0}).last == whole.last == [float(total)]


def test_a_quantile_from_buckets() -> None:
    buckets = [(0.1, 50.0), (0.5, 90.0), (1.0, 100.0), (inf, 100.0)]
    assert quantile_of(0.5, buckets) == pytest.approx(0.1)
    assert quantile_of(0.95, buckets) == pytest.approx(0.75)
    assert quantile_of(0.5, [(0.1, 0.0), (inf, 4.0)]) == 0.1
    assert quantile_of(0.5, [(0.1, 0.0), (inf, 0.0)]) is None
    assert quantile_of(0.5, [(0.1, 3.0)]) is None


def test_quantiles_of_series_together() -> None:
    asked = question(Aggregation.P50, minutes=1, metric="took_bucket", by=("route",))
    readings = [
        reading([4.0], route="/", le="0.1"),
        reading([8.0], route="/", le="1.0"),
        reading([8.0], route="/", le="+Inf"),
        reading([0.0], route="/slow", le="+Inf"),
    ]
    assert [(line.labels["route"], line.last) for line in answer(asked, readings)] == [("/", pytest.approx(0.1))]


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        (question(Aggregation.AVERAGE), Kind.COUNTER, "only counts up"),
        (question(Aggregation.RATE), Kind.GAUGE, "no counter"),
        (question(Aggregation.P95), Kind.COUNTER, "no buckets"),
        (question(Aggregation.RATE, minutes=-3), None, "needs a time"),
        (question(Aggregation.RATE, minutes=20_000), None, "more than 11000 steps"),
    ],
)
def test_a_question_without_an_answer_is_refused(asked: Question, kind: Kind | None, said: str) -> None:
    with pytest.raises(Refused, match=said):
        check(asked, kind)


def test_a_chart_begins_at_whole_steps_whoever_looks() -> None:
    step, span = timedelta(minutes=5), timedelta(hours=1)
    one = aligned(NOON + timedelta(seconds=17), span, step)
    assert one == aligned(NOON + timedelta(seconds=250), span, step) == (NOON - span, NOON)
