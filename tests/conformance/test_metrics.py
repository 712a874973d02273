"""What every adapter of the port Metrics does: PostgreSQL, and a real Prometheus where Debian's is there."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import Engine

from pave.adapters.postgres.metrics import PostgresMetrics
from pave.adapters.prometheus.metrics import PrometheusMetrics
from pave.model.diagnostics import Refused
from pave.observe.series import Aggregation, Kind, Line, Question, Sample
from pave.ports import Metrics

STEP, MINUTE = timedelta(seconds=10), timedelta(minutes=1)
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
LABELS = {"environment": "dev", "component": "orders"}


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """Debian's Prometheus, taking remote writes; skips where it is not there."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("this needs Debian's prometheus: apt-get install prometheus")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "prometheus.yml").write_text("global: {scrape_interval: 1h}\n")
    argv = [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    argv += [f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver", "--log.level=error"]
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                if httpx.get(f"{url}/-/ready", timeout=2).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            assert time.monotonic() < deadline, "Prometheus did not come up"
            time.sleep(0.1)
        yield url
    finally:
        child.terminate()
        child.wait(20)


@pytest.fixture(params=["postgres", "prometheus"])
def metrics(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Metrics]:
    if request.param == "postgres":
        records: Engine = request.getfixturevalue("records")
        yield PostgresMetrics(records, most_series=50)
        return
    with prometheus(tmp_path) as url:
        adapter = PrometheusMetrics(url, most_series=50)
        yield adapter
        adapter.close()


def read(metrics: Metrics, minutes: int, *samples: tuple[str, Kind, float, float, dict[str, str]]) -> None:
    """Write every ten seconds for some minutes up to now; each sample begins at a value and goes up by another."""
    for at in range(minutes * 6 + 1):
        metrics.write(
            NOW - MINUTE * minutes + STEP * at,
            "dev/orders",
            [Sample(name, LABELS | labels, start + each * at, kind) for name, kind, start, each, labels in samples],
        )


def ask(metrics: Metrics, name: str, aggregation: Aggregation, **changes: object) -> list[Line]:
    given = {"since": NOW - 5 * MINUTE, "until": NOW, "step": MINUTE, "where": dict(LABELS), **changes}
    return list(metrics.ask(Question(name, aggregation, **given)))  # type: ignore[arg-type]


def values(line: Line) -> list[float]:
    return [value for _, value in line.points if value is not None]


def test_gauges(metrics: Metrics) -> None:
    read(
        metrics,
        6,
        ("memory_bytes", Kind.GAUGE, 10.0, 0.0, {"a": "1"}),
        ("memory_bytes", Kind.GAUGE, 30.0, 0.0, {"a": "2"}),
    )
    for aggregation, wanted in (
        (Aggregation.AVERAGE, 20.0),
        (Aggregation.SUM, 40.0),
        (Aggregation.MINIMUM, 10.0),
        (Aggregation.MAXIMUM, 30.0),
        (Aggregation.LAST, 40.0),
    ):
        (line,) = ask(metrics, "memory_bytes", aggregation)
        assert values(line) == [wanted] * 5, aggregation
        assert [at for at, _ in line.points] == [NOW - MINUTE * (4 - number) for number in range(5)]


def test_where_and_by(metrics: Metrics) -> None:
    read(metrics, 6, *(("seen", Kind.GAUGE, float(one), 0.0, {"a": str(one), "b": "x"}) for one in range(3)))
    lines = ask(metrics, "seen", Aggregation.LAST, by=("a",))
    assert [(dict(line.labels), line.last) for line in lines] == [({"a": str(one)}, float(one)) for one in range(3)]
    assert ask(metrics, "seen", Aggregation.LAST, where={"a": ("0", "2")})[0].last == 2.0
    assert ask(metrics, "seen", Aggregation.LAST, where={"a": 'o"dd\\'}) == []
    assert ask(metrics, "never", Aggregation.LAST) == []


def test_rates_and_increases(metrics: Metrics) -> None:
    read(metrics, 6, ("requests_total", Kind.COUNTER, 100.0, 20.0, {}))
    (rate,) = ask(metrics, "requests_total", Aggregation.RATE)
    assert values(rate) == pytest.approx([2.0] * 5, rel=0.01)
    (increase,) = ask(metrics, "requests_total", Aggregation.INCREASE)
    assert values(increase) == pytest.approx([120.0] * 5, rel=0.01)


def test_counters_that_reset(metrics: Metrics) -> None:
    for at in range(25):
        shown = float(at % 12 * 10 + 10)  # it begins anew after two minutes
        metrics.write(NOW - MINUTE * 4 + STEP * at, "dev/orders", [Sample("jobs_total", LABELS, shown, Kind.COUNTER)])
    (line,) = ask(metrics, "jobs_total", Aggregation.INCREASE, since=NOW - 3 * MINUTE)
    assert values(line) == pytest.approx([60.0] * 3, rel=0.2)


def test_quantiles(metrics: Metrics) -> None:
    name = "took_seconds_bucket"
    read(
        metrics,
        6,
        *((name, Kind.COUNTER, 0.0, each, {"le": le}) for le, each in (("0.1", 50.0), ("1.0", 90.0), ("+Inf", 100.0))),
    )
    (median,) = ask(metrics, name, Aggregation.P50)
    assert values(median) == pytest.approx([0.1] * 5, rel=0.02)
    (high,) = ask(metrics, name, Aggregation.P95)
    assert values(high) == pytest.approx([1.0] * 5, rel=0.02)


def test_gaps_are_none(metrics: Metrics) -> None:
    for at in (0, 1, 2, 3, 4, 5, 24, 25, 26):
        metrics.write(NOW - MINUTE * 5 + STEP * (at + 1), "dev/orders", [Sample("seen", LABELS, 1.0)])
    (line,) = ask(metrics, "seen", Aggregation.AVERAGE)
    assert [value for _, value in line.points] == [1.0, None, None, None, 1.0]


def test_names(metrics: Metrics) -> None:
    read(metrics, 1, ("b_bytes", Kind.GAUGE, 1.0, 0.0, {}), ("a_total", Kind.COUNTER, 1.0, 0.0, {}))
    metrics.write(NOW, "dev/other", [Sample("c_bytes", {"environment": "dev", "component": "other"}, 1.0)])
    found = metrics.names(LABELS, NOW - 5 * MINUTE)
    assert list(found) == ["a_total", "b_bytes"]


def test_what_has_no_answer_is_refused(metrics: Metrics) -> None:
    read(metrics, 1, ("requests_total", Kind.COUNTER, 1.0, 1.0, {}))
    with pytest.raises(Refused, match="no buckets"):
        ask(metrics, "requests_total", Aggregation.P95)
    with pytest.raises(Refused, match="needs a time"):
        ask(metrics, "requests_total", Aggregation.RATE, until=NOW - timedelta(hours=1))


def test_cardinality_explosion_is_capped_and_said_and_hurts_nobody_else(metrics: Metrics) -> None:
    """The issue's "cardinality explosion from an application"."""
    good = Sample("kept", LABELS, 1.0)
    assert metrics.write(NOW - STEP, "dev/orders:app", [good]) == 1
    many = [Sample("exploded", LABELS | {"user": str(number)}, 1.0) for number in range(500)]
    assert metrics.write(NOW, "dev/orders:app", [*many, good]) == 50
    assert metrics.write(NOW, "dev/other", [Sample("kept", {"component": "other"}, 2.0)]) == 1
    (said,) = ask(metrics, "metrics_left_out", Aggregation.MAXIMUM, where={"source": "dev/orders:app"})
    assert said.last == 451.0
    assert [line.last for line in ask(metrics, "kept", Aggregation.LAST)] == [1.0]
    assert [line.last for line in ask(metrics, "kept", Aggregation.LAST, where={"component": "other"})] == [2.0]


def test_tidying_loses_nothing_that_is_asked(metrics: Metrics) -> None:
    read(metrics, 6, ("requests_total", Kind.COUNTER, 100.0, 20.0, {}), ("seen", Kind.GAUGE, 3.0, 0.0, {}))
    metrics.tidy(NOW)
    (rate,) = ask(metrics, "requests_total", Aggregation.RATE)
    assert values(rate) == pytest.approx([2.0] * 5, rel=0.01)
    (seen,) = ask(metrics, "seen", Aggregation.AVERAGE)
    assert values(seen) == [3.0] * 5
