"""The dashboard that every stack has, its marks, and what other tools are given of it."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from pave.model.alert_file import built_in_slos
from pave.model.names import Address
from pave.observe.dashboards import alerted, delivered, of_service, questions, scaled, step_for
from pave.observe.measured import BY_NAME
from pave.observe.promql import alerting_rules, grafana, promql, rules, selector
from pave.observe.series import Aggregation, Line, Question
from pave.ports import Delivery

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORDERS = Address("dev", "orders")
HOUR = timedelta(hours=1)


def titles(types: tuple[str, ...], names: tuple[str, ...]) -> list[str]:
    return [one.title for one in of_service(ORDERS, types, names).charts]


def test_a_service_has_the_golden_signals_and_its_resources_by_their_type() -> None:
    found = titles(("postgres", "workload", "queue"), ("http_requests_total",))
    assert found[:4] == ["Requests", "Failed requests", "Latency", "Availability"]
    assert {"Database size", "Slow queries", "Messages that wait"} <= set(found)
    assert not {"Bucket size", "Spans"} & set(found)


def test_a_worker_has_no_hole_where_requests_would_be() -> None:
    assert titles((), ("workload_memory_bytes",))[0] == "Processor"


def test_spans_are_shown_where_there_are_any() -> None:
    assert "Failed spans" in titles((), ("spans_total",))


def test_every_chart_asks_for_what_is_measured() -> None:
    everything = ("postgres", "queue", "s3", "redis", "volume")
    board = of_service(ORDERS, everything, ("http_requests_total", "spans_total"))
    for chart in board.charts:
        known = BY_NAME[chart.metric]
        for asked in questions(board, chart, NOON - HOUR, NOON, HOUR):
            assert asked.where["component"] == "orders"
            assert (asked.aggregation.value in ("rate", "increase", "p50", "p95", "p99")) == (
                known.kind.value == "counter"
            )
            assert set(asked.by) <= set(known.labels)


@pytest.mark.parametrize(
    ("span", "seconds"),
    [
        (timedelta(minutes=10), 10),
        (HOUR, 30),
        (timedelta(hours=3), 60),
        (timedelta(hours=24), 300),
        (timedelta(days=7), 3600),
        (timedelta(days=396), 43200 * 2),
    ],
)
def test_a_step_is_one_that_is_still_kept_and_can_be_drawn(span: timedelta, seconds: int) -> None:
    assert step_for(span).total_seconds() == seconds
    assert span / step_for(span) <= 400


def test_marks_of_deliveries() -> None:
    def delivery(**parts: object) -> Delivery:
        return Delivery("run_1:dev/orders", ORDERS, "run_1", **{"cause": "push", "commit": "a" * 40, **parts})  # type: ignore[arg-type]

    found = delivered(
        [
            delivery(live_at=NOON, outcome="live"),
            delivery(failed_at=NOON - HOUR / 2, outcome="failed"),
            delivery(live_at=NOON - HOUR / 4, cause="rollback", outcome="live"),
            delivery(live_at=NOON - 2 * HOUR, outcome="live"),
        ],
        NOON - HOUR,
        NOON,
    )
    assert [(one.kind, one.text) for one in found] == [
        ("failure", "aaaaaaa failed"),
        ("rollback", "aaaaaaa live, by rollback"),
        ("deployment", "aaaaaaa live, by push"),
    ]


def test_marks_of_scaling_and_of_alerts() -> None:
    values = (2.0, None, 2.0, 4.0, 0.0)
    line = Line({}, tuple((NOON + timedelta(minutes=at), value) for at, value in enumerate(values)))
    assert [one.text for one in scaled(line)] == ["from 2 to 4 processes", "from 4 to 0 processes"]
    assert scaled(None) == []
    events = [(NOON, "alert.firing", {"name": "too-slow"}), (NOON, "stack.health", {})]
    assert [(one.kind, one.text) for one in alerted(events)] == [("alert", "firing too-slow")]


def test_promql_escapes_what_it_is_given() -> None:
    assert selector("m", {"a": 'x"} or vector(1) #'}) == '{__name__="m",a="x\\"} or vector(1) #"}'
    assert selector("m", {"a": ("4.x", "b")}) == '{__name__="m",a=~"4\\\\.x|b"}'
    asked = Question("took_bucket", Aggregation.P95, NOON - HOUR, NOON, HOUR, {}, ("route",))
    assert promql(asked, "5m", 300) == (
        'histogram_quantile(0.95, sum by (route, le) (increase({__name__="took_bucket"}[5m])))'
    )


def test_grafana_is_given_a_panel_a_chart() -> None:
    board = of_service(ORDERS, ("postgres",), ("http_requests_total",))
    found = grafana(board)
    assert [one["title"] for one in found["panels"]] == [one.title for one in board.charts]
    latency = next(one for one in found["panels"] if one["title"] == "Latency")
    assert [one["legendFormat"] for one in latency["targets"]] == ["p50", "p95", "p99"]
    assert latency["fieldConfig"]["defaults"]["unit"] == "s"
    assert len({(one["gridPos"]["x"], one["gridPos"]["y"]) for one in found["panels"]}) == len(found["panels"])


def test_prometheus_takes_the_rules(tmp_path: Path) -> None:
    boards = [of_service(Address("dev", name), ("postgres", "queue"), ("http_requests_total",)) for name in ("a", "b")]
    found = rules(boards)
    assert sum(len(one["rules"]) for one in found["groups"]) > 30
    prometheus_takes(found, tmp_path)


def test_prometheus_takes_the_objectives_as_alerts(tmp_path: Path) -> None:
    found = alerting_rules(built_in_slos().values())
    made = {one["alert"]: one for group in found["groups"] for one in group["rules"]}
    assert set(made) == {f"{name}-{kind}" for name in ("availability", "latency") for kind in ("burn", "slow-burn")}
    assert made["availability-burn"]["labels"]["severity"] == "critical"
    assert 'code="5xx"' in made["availability-burn"]["expr"]
    assert 'le="0.5"' in made["latency-burn"]["expr"]
    assert sum(len(group["rules"]) for group in found["groups"]) == 2 * 4, (
        "a pair of windows each, the fast one left out"
    )
    prometheus_takes(found, tmp_path)


def prometheus_takes(found: dict[str, Any], tmp_path: Path) -> None:
    """Whether Prometheus' own tool finds nothing wrong with the rules."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("this needs promtool of Debian's prometheus")
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(found))
    said = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
