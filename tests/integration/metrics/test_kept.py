"""What PostgreSQL keeps of what is measured: how fine for how long, what a wrong clock does, whose place is whose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, func, select

from pave.adapters.postgres.metrics import PostgresMetrics
from pave.adapters.postgres.metrics_schema import metric_hours, metric_minutes, metric_series, metric_values
from pave.observe.series import Aggregation, Kind, Line, Question, Sample

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)


def count(records: Engine, table: object) -> int:
    with records.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


def ask(
    metrics: PostgresMetrics, name: str, aggregation: Aggregation, since: datetime, until: datetime, step: timedelta
) -> Line:
    (line,) = metrics.ask(Question(name, aggregation, since, until, step))
    return line


def live(
    metrics: PostgresMetrics, since: datetime, until: datetime, *, every: timedelta = timedelta(seconds=30)
) -> None:
    """One request a second and a gauge that says the hour, tidied up as the collector does."""
    at = since
    while at < until:
        at += every
        elapsed = (at - BEGIN).total_seconds()
        samples = [Sample("requests_total", {}, elapsed, Kind.COUNTER), Sample("hour", {}, float(at.hour))]
        metrics.write(at, "dev/orders", samples)
        if at.second == 0 and at.minute % 10 == 0:
            metrics.tidy(at)
    metrics.tidy(until + MINUTE)


def test_fine_for_two_hours_then_minutes_then_hours(records: Engine) -> None:
    metrics = PostgresMetrics(records)
    now = BEGIN + 6 * HOUR
    live(metrics, BEGIN, now)
    assert count(records, metric_values) <= 2 * 120 + 5
    assert count(records, metric_minutes) == 360
    assert count(records, metric_hours) == 6
    whole = ask(metrics, "requests_total", Aggregation.INCREASE, BEGIN, now, 6 * HOUR)
    assert whole.last == pytest.approx(6 * 3600, rel=0.003)
    hours = ask(metrics, "requests_total", Aggregation.RATE, BEGIN, now, HOUR)
    assert [value for _, value in hours.points] == pytest.approx([1.0] * 6, rel=0.02)
    minutes = ask(metrics, "requests_total", Aggregation.RATE, BEGIN + MINUTE, now, MINUTE)
    assert [value for _, value in minutes.points] == pytest.approx([1.0] * 359, rel=0.001)
    fine = ask(metrics, "hour", Aggregation.LAST, BEGIN, now, timedelta(seconds=10))
    assert len(fine.points) == 360, "six hours ago there is nothing finer than minutes"
    high = ask(metrics, "hour", Aggregation.MAXIMUM, BEGIN, now, HOUR)
    assert [value for _, value in high.points] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def test_it_is_forgotten_when_its_time_is_over(records: Engine) -> None:
    metrics = PostgresMetrics(records)
    live(metrics, BEGIN, BEGIN + 2 * HOUR)
    metrics.tidy(BEGIN + 3 * DAY)
    assert (count(records, metric_values), count(records, metric_minutes), count(records, metric_hours)) == (0, 0, 2)
    metrics.tidy(BEGIN + 400 * DAY)
    assert (count(records, metric_hours), count(records, metric_series)) == (0, 0)


def test_clock_skew(records: Engine) -> None:
    """The issue's "clock skew": a clock that was a day ahead leaves nothing behind and stops nothing."""
    metrics = PostgresMetrics(records)
    live(metrics, BEGIN + DAY, BEGIN + DAY + 10 * MINUTE)
    live(metrics, BEGIN, BEGIN + 10 * MINUTE)
    found = ask(metrics, "requests_total", Aggregation.RATE, BEGIN + 2 * MINUTE, BEGIN + 10 * MINUTE, MINUTE)
    assert [value for _, value in found.points] == pytest.approx([1.0] * 8)
    with records.connect() as connection:
        newest = connection.execute(select(func.max(metric_values.c.at))).scalar_one()
        assert newest <= BEGIN + 10 * MINUTE
        assert connection.execute(select(func.count()).select_from(metric_minutes)).scalar_one() == 10


def test_a_clock_that_steps_back_replaces_and_does_not_double(records: Engine) -> None:
    metrics = PostgresMetrics(records)
    for value in (5.0, 6.0):
        metrics.write(BEGIN + timedelta(seconds=3), "dev/orders", [Sample("seen", {}, value)])
    assert count(records, metric_values) == 1
    assert ask(metrics, "seen", Aggregation.LAST, BEGIN - MINUTE, BEGIN + MINUTE, 2 * MINUTE).last == 6.0


def test_a_counter_that_appears_later_began_at_zero(records: Engine) -> None:
    metrics = PostgresMetrics(records)
    errors = Sample("errors_total", {}, 3.0, Kind.COUNTER)
    for at in range(30):
        samples = [Sample("up", {}, 1.0), *([errors] if at >= 12 else [])]
        metrics.write(BEGIN + timedelta(seconds=10 * at), "dev/orders", samples)
    until = BEGIN + timedelta(seconds=290)
    assert ask(metrics, "errors_total", Aggregation.INCREASE, BEGIN, until, 5 * MINUTE).last == 3.0
    metrics.tidy(until + MINUTE)
    assert ask(metrics, "errors_total", Aggregation.INCREASE, BEGIN, until, 5 * MINUTE).last == 3.0


def test_one_that_was_there_before_pave_did_not(records: Engine) -> None:
    metrics = PostgresMetrics(records)
    for at in range(3):
        metrics.write(BEGIN + timedelta(seconds=10 * at), "s", [Sample("jobs_total", {}, 9e6 + at, Kind.COUNTER)])
    assert ask(metrics, "jobs_total", Aggregation.INCREASE, BEGIN - MINUTE, BEGIN + MINUTE, 2 * MINUTE).last == 2.0


def test_a_place_that_is_taken_again_shows_nothing_of_whose_it_was(records: Engine) -> None:
    metrics = PostgresMetrics(records, most_series=2)
    metrics.write(BEGIN, "s", [Sample("old", {"a": str(one)}, 1.0) for one in range(2)])
    later = BEGIN + 3 * DAY
    assert metrics.write(later, "s", [Sample("new", {"a": str(one)}, 5.0) for one in range(2)]) == 2
    assert metrics.ask(Question("old", Aggregation.LAST, BEGIN - HOUR, later + HOUR, HOUR)) == ()
    (line,) = metrics.ask(Question("new", Aggregation.SUM, BEGIN - HOUR, later + HOUR, HOUR))
    assert {value for _, value in line.points if value is not None} == {10.0}


def test_another_process_finds_the_same_places(records: Engine) -> None:
    PostgresMetrics(records).write(BEGIN, "s", [Sample("a", {}, 1.0), Sample("b", {}, 2.0)])
    PostgresMetrics(records).write(BEGIN + MINUTE, "s", [Sample("b", {}, 3.0), Sample("a", {}, 4.0)])
    metrics = PostgresMetrics(records)
    assert ask(metrics, "a", Aggregation.LAST, BEGIN, BEGIN + MINUTE, MINUTE).last == 4.0
    assert ask(metrics, "b", Aggregation.LAST, BEGIN, BEGIN + MINUTE, MINUTE).last == 3.0


def test_what_is_no_number_is_left_out(records: Engine) -> None:
    found = PostgresMetrics(records).write(BEGIN, "s", [Sample("a", {}, float("nan")), Sample("b", {}, float("inf"))])
    assert found == 0


def test_more_series_than_a_row_of_an_answer_holds(records: Engine) -> None:
    metrics = PostgresMetrics(records)
    metrics.write(BEGIN, "s", [Sample("a", {"n": str(number)}, 1.0) for number in range(2_000)])
    (line,) = metrics.ask(Question("a", Aggregation.SUM, BEGIN - MINUTE, BEGIN + MINUTE, 2 * MINUTE))
    assert line.last == 2_000.0
