"""Alert rules: what they see on which stack, and that a wrong one is broken and never quietly well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from metrics_for_tests import MemoryMetrics

from pave.model.alert import Applies, Target
from pave.model.alert_file import built_in_alerts, read_alert
from pave.model.names import Address
from pave.observe.alert_rules import Broken, Observed, Seen, compile_alert
from pave.observe.series import Kind, Sample

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ORDERS = Address("dev", "orders")
TARGET = Target(ORDERS, "development", "service", types=frozenset({"route", "workload", "postgres", "queue", "volume"}))
HERE = {"environment": "dev", "component": "orders"}


def alert(when: str, ask: str = "up: {metric: workload_up, aggregation: max, over: 30s}", more: str = "") -> object:
    text = (
        "apiVersion: pave/v1\nkind: Alert\nmetadata: {name: mine, title: It is bad}\n"
        f"spec:\n  severity: warning\n  ask: {{{ask}}}\n  when: '{when}'\n{more}"
    )
    return compile_alert(read_alert(text.encode(), "alerts/mine.yaml"))


def seen(rule, *samples: tuple[str, float, dict[str, str], Kind], targets=(TARGET,)) -> list[Observed | Broken]:
    metrics = MemoryMetrics()
    for name, value, labels, kind in samples:
        start = value / 2 if kind is Kind.COUNTER else value
        for at, number in ((NOW - timedelta(seconds=9), start), (NOW - timedelta(seconds=1), value)):
            metrics.write(at, "x", [Sample(name, HERE | labels, number, kind)])
    asked = () if rule.problem else rule.queries().values()
    answers = {query: metrics.ask(query.at(NOW)) for query in asked}
    return list(rule.look(targets, answers))


def gauge(name: str, value: float, **labels: str) -> tuple[str, float, dict[str, str], Kind]:
    return name, value, labels, Kind.GAUGE


def test_it_holds_or_it_does_not_or_nobody_knows() -> None:
    rule = alert("up == 0.0")
    assert [one.seen for one in seen(rule, gauge("workload_up", 0.0))] == [Seen.HOLDS]
    assert [one.seen for one in seen(rule, gauge("workload_up", 1.0))] == [Seen.WELL]
    assert [one.seen for one in seen(rule)] == [Seen.UNKNOWN]


def test_what_was_not_measured_may_fire_or_have_an_answer() -> None:
    (one,) = seen(alert("up == 0.0", more="  noData: fire\n"))
    assert one.seen is Seen.HOLDS
    (one,) = seen(alert("up == 0.0", ask="up: {metric: workload_up, aggregation: max, over: 30s, otherwise: 1}"))
    assert one.seen is Seen.WELL


def test_each_resource_is_an_alert_of_its_own_with_what_it_was_made_with() -> None:
    rule = compile_alert(built_in_alerts()["database-connections"])
    target = Target(ORDERS, "development", types=frozenset({"postgres"}), inputs={"db": {"connections": 10}})
    found = seen(
        rule,
        gauge("database_connections", 9, resource="dev/orders/db"),
        gauge("database_connections", 9, resource="dev/orders/other"),
        targets=(target,),
    )
    assert [(one.labels["resource"], one.seen) for one in found] == [
        ("dev/orders/db", Seen.HOLDS),
        ("dev/orders/other", Seen.WELL),
    ]
    assert found[0].message == "9 connections to dev/orders/db are open."
    assert found[0].fingerprint != found[1].fingerprint


@pytest.mark.parametrize(
    ("when", "ask", "why"),
    [
        ("up ==", None, "Syntax error"),
        ("nope == 0.0", None, "nope"),
        ("up", None, "not true or false"),
        ("rate > 1.0", "rate: {metric: workload_up, aggregation: rate, over: 1m}", "does not only count up"),
        ("p > 1.0", "p: {metric: workload_up, aggregation: p95, over: 1m}", "no histogram"),
        (
            "up > 1.0",
            "up: {metric: workload_up, aggregation: last, over: 1m, where: {resource: db}}",
            "no label 'resource'",
        ),
    ],
)
def test_a_rule_with_an_error_is_broken_and_never_well(when: str, ask: str | None, why: str) -> None:
    """Bad input of the issue: an alert rule with an error (reported as broken, never silently off)."""
    rule = alert(when, **({"ask": ask} if ask else {}))
    found = seen(rule, gauge("workload_up", 1.0))
    (broken,) = [one for one in found if isinstance(one, Broken)]
    assert why in broken.problem
    assert broken.rule == "mine"
    assert not [one for one in found if isinstance(one, Observed) and one.seen is Seen.WELL]


def test_a_rule_looks_where_it_applies() -> None:
    prod = Target(Address("prod", "orders"), "production", "service", types=frozenset({"route"}))
    assert Applies(environments=("production",)).to(prod)
    assert Applies(environments=("prod",), components=("ord*",), types=("service",), resources=("route",)).to(prod)
    assert not Applies(environments=("dev",)).to(prod)
    assert not Applies(components=("pay*",)).to(prod)
    assert not Applies(types=("website",)).to(prod)
    assert not Applies(resources=("queue",)).to(prod)


@pytest.mark.parametrize("name", sorted(built_in_alerts()))
def test_each_built_in_alert_compiles_and_is_well_without_data(name: str) -> None:
    rule = compile_alert(built_in_alerts()[name])
    assert not rule.problem
    assert all(isinstance(one, Observed) and one.seen is not Seen.HOLDS for one in seen(rule))


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("down", [gauge("workload_up", 0.0)]),
        ("partly-down", [gauge("workload_up", 0.5)]),
        ("restarts", [("workload_restarts_total", 8, {}, Kind.COUNTER)]),
        ("unreachable", [gauge("probe_success", 0.0, url="http://orders.dev.localhost")]),
        (
            "error-rate",
            [
                ("http_requests_total", 60, {"code": "5xx", "route": "/"}, Kind.COUNTER),
                ("http_requests_total", 100, {"code": "2xx", "route": "/"}, Kind.COUNTER),
            ],
        ),
        (
            "slow",
            [
                ("http_requests_total", 100, {"code": "2xx", "route": "/"}, Kind.COUNTER),
                ("http_request_duration_seconds_bucket", 10, {"le": "1", "route": "/"}, Kind.COUNTER),
                ("http_request_duration_seconds_bucket", 100, {"le": "2.5", "route": "/"}, Kind.COUNTER),
                ("http_request_duration_seconds_bucket", 100, {"le": "+Inf", "route": "/"}, Kind.COUNTER),
            ],
        ),
        ("database-connections", [gauge("database_connections", 19, resource="db")]),
        ("database-size", [gauge("database_size_bytes", 2e10, resource="db")]),
        ("database-slow-queries", [("database_slow_queries_total", 100, {"resource": "db"}, Kind.COUNTER)]),
        ("queue-age", [gauge("queue_oldest_seconds", 400, resource="jobs")]),
        ("disk", [gauge("workload_disk_bytes", 6e9, resource="files")]),
    ],
)
def test_each_built_in_alert_sees_what_it_is_for(name: str, samples: list) -> None:
    found = seen(compile_alert(built_in_alerts()[name]), *samples)
    assert [one.seen for one in found] == [Seen.HOLDS], found
    assert found[0].message
    assert "{" not in found[0].message


def test_every_built_in_alert_is_tried() -> None:
    tried = test_each_built_in_alert_sees_what_it_is_for.pytestmark[0].args[1]
    assert {name for name, _ in tried} == set(built_in_alerts())
