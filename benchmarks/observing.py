"""What measuring costs: the processor time of ten thousand series, the room of thirteen months, a page of charts."""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from sqlalchemy import Engine, text

from pave.adapters.postgres import database
from pave.adapters.postgres.metrics import PostgresMetrics
from pave.observe.answering import aligned
from pave.observe.series import Aggregation, Kind, Question, Sample
from pave.provider.meters.scraping import Page, samples_of
from pave.settings import Settings
from pave.wiring.machine import Base

_STACKS, _SERIES = 250, 40
_GAUGES = 12
_HOURS_A_YEAR = 396 * 24

Pairs = Iterator[tuple[float, float | None]]


@contextmanager
def _control() -> Iterator[tuple[Engine, psycopg.Connection]]:
    """The control plane's own PostgreSQL with its tables, as `pave up` starts it."""
    with TemporaryDirectory(prefix="pave-bench-") as folder:
        Path(folder).chmod(0o755)
        base = Base(Settings(data=Path(folder, "data")))
        base.machine.attach()
        engine = database.connect(base.database_url(), size=4)
        try:
            database.migrate(engine)
            with psycopg.connect(database.libpq_url(engine), autocommit=True) as connection:
                yield engine, connection
        finally:
            engine.dispose()
            base.machine.shutdown()


def _samples(stack: int, at: float, seed: random.Random) -> list[Sample]:
    """What is measured of a stack: gauges that wander, counters of requests and of a histogram's buckets."""
    labels = {"environment": "dev", "component": f"service-{stack}"}
    found = [
        Sample(f"gauge_{number}", labels, 1e6 * (2 + math.sin(at / 3600 + number)) + seed.random())
        for number in range(_GAUGES)
    ]
    bounds = [*map(str, range(1, _SERIES - _GAUGES)), "+Inf"]
    for number, bound in enumerate(bounds):
        named = {**labels, "route": "/", "le": bound}
        found.append(Sample("took_seconds_bucket", named, float(int(at * (number + 1) / 7)), Kind.COUNTER))
    return found


def _page(samples: list[Sample]) -> Page:
    """The same as an application's page."""
    lines = ["# TYPE took_seconds histogram"]
    for one in samples:
        labels = ",".join(f'{name}="{value}"' for name, value in one.labels.items() if name in ("route", "le"))
        lines.append(f"{one.name}{{{labels}}} {one.value}")
    return Page("\n".join(lines) + "\n")


def _server_seconds(connection: psycopg.Connection) -> float:
    """Processor time of every process of the PostgreSQL server, ended ones too."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    assert row is not None
    stat = Path(f"/proc/{row[0]}/stat").read_text().rpartition(")")[2].split()
    parent = int(stat[1])
    total = 0.0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent or int(path.parent.name) == parent:
            total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def metrics_cpu(runs: int) -> Pairs:
    """Ten minutes of ten thousand series: pages read, written and folded as fast as it goes; percent of one core."""
    with _control() as (engine, connection):
        metrics, seed = PostgresMetrics(engine), random.Random(1)
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        for _ in range(runs):
            spent, rounds = 0.0, 60
            before = _server_seconds(connection)
            for number in range(rounds):
                at += timedelta(seconds=10)
                pages = [_page(_samples(one, at.timestamp(), seed)) for one in range(_STACKS)]
                began = time.process_time()
                for stack, page in enumerate(pages):
                    own = {"environment": "dev", "component": f"service-{stack}", "instance": "0"}
                    read = samples_of(page, own) or ()
                    assert metrics.write(at, f"dev/service-{stack}:app", read) == _SERIES
                if number % 6 == 5:
                    metrics.tidy(at)
                spent += time.process_time() - began
            spent += _server_seconds(connection) - before
            yield 100 * spent / (rounds * 10), None


def metrics_disk(_runs: int) -> Pairs:
    """Megabytes of thirteen months per thousand series: what two days of minutes and a month of hours take."""
    with _control() as (engine, connection):
        metrics, seed = PostgresMetrics(engine), random.Random(2)
        at = datetime(2026, 1, 5, tzinfo=UTC)
        for number in range(2 * 720):
            at += timedelta(seconds=10)
            for stack in range(25):
                metrics.write(at, f"dev/service-{stack}", _samples(stack, at.timestamp(), seed))
            if number % 60 == 59:
                metrics.tidy(at)
        fine = _bytes(connection, "metric_values")
        minutes = _bytes(connection, "metric_minutes") / 4 * 48  # four hours of them
        hours = 30 * 24
        connection.execute("TRUNCATE metric_hours")
        connection.execute(
            "INSERT INTO metric_hours SELECT source, at - make_interval(hours => step::int), last, low, mean, high"
            f" FROM generate_series(1, {hours}) AS step JOIN LATERAL (SELECT * FROM metric_minutes WHERE at ="
            " (SELECT min(at) + make_interval(mins => (step % 200)::int) FROM metric_minutes)) AS one ON true"
        )
        yield (fine + minutes + _bytes(connection, "metric_hours") / hours * _HOURS_A_YEAR) / 2**20, None


def _bytes(connection: psycopg.Connection, table: str) -> float:
    row = connection.execute("SELECT pg_total_relation_size(%s)", (table,)).fetchone()
    assert row is not None
    return float(row[0])


def dashboard_server(runs: int) -> Pairs:
    """Milliseconds for the data of twelve charts over 24 hours, among 250 stacks."""
    with _control() as (engine, _):
        metrics, seed = PostgresMetrics(engine), random.Random(3)
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        with engine.begin() as connection:
            for stack in range(_STACKS):
                metrics.write(now - timedelta(hours=25), f"dev/service-{stack}", _samples(stack, 0.0, seed))
            for table, step in (("metric_minutes", "1 minute"), ("metric_hours", "1 hour")):
                connection.execute(
                    text(
                        f"INSERT INTO {table} SELECT source, at, array_agg(random() * 50 ORDER BY n),"
                        " array_agg((random() * 10)::real ORDER BY n), array_agg((random() * 20)::real ORDER BY n),"
                        " array_agg((random() * 30)::real ORDER BY n) FROM (SELECT DISTINCT source FROM metric_series)"
                        f" AS s, generate_series(CAST(:since AS timestamptz), :until, interval '{step}') AS at,"
                        f" generate_series(1, {_SERIES}) AS n WHERE source IN ('dev/service-7', 'dev/service-8')"
                        " GROUP BY source, at"
                    ),
                    {"since": now - timedelta(hours=25), "until": now},
                )
                connection.execute(
                    text("INSERT INTO metric_extents VALUES (:name, :since, :until)"),
                    {"name": table, "since": now - timedelta(hours=25), "until": now},
                )
        since, until = aligned(now, timedelta(hours=24), timedelta(minutes=5))
        where, step = {"environment": "dev", "component": "service-7"}, timedelta(minutes=5)
        asked = [Question(f"gauge_{one}", Aggregation.AVERAGE, since, until, step, where) for one in range(7)]
        asked += [
            Question("took_seconds_bucket", one, since, until, step, where, ("route",))
            for one in (Aggregation.P50, Aggregation.P95, Aggregation.P99, Aggregation.RATE, Aggregation.INCREASE)
        ]
        for _ in range(runs):
            began = time.perf_counter()
            answers = [metrics.ask(one) for one in asked]
            taken = time.perf_counter() - began
            assert all(len(line.points) == 288 for lines in answers for line in lines), "a chart has every step"
            assert all(answers), "every chart has a line"
            yield taken * 1000, None
