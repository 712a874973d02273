"""What applications send over OTLP: counted whatever its form, within bounds, under nobody else's name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pave.adapters.otlp.access import TelemetryAccess
from pave.adapters.otlp.reading import Unreadable
from pave.adapters.otlp.telemetry import Telemetry
from pave.model.names import Address
from pave.ports import Trace

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ORDERS = Address("dev", "orders")


class Kept:
    def __init__(self) -> None:
        self.traces: list[Trace] = []

    def put(self, traces: Sequence[Trace]) -> None:
        self.traces += traces


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clock() -> dict[str, float]:
    return {"now": 0.0}


@pytest.fixture
def telemetry(kept: Kept, clock: dict[str, float]) -> Telemetry:
    return Telemetry(kept, lambda: clock["now"])  # type: ignore[arg-type]


def counter(
    value: float, *, delta: bool = False, instance: str = "", name: str = "orders.placed", **labels: str
) -> bytes:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    if instance:
        resource.resource.attributes.add(key="service.instance.id").value.string_value = instance
    metric = resource.scope_metrics.add().metrics.add(name=name)
    metric.sum.is_monotonic, metric.sum.aggregation_temporality = True, 1 if delta else 2
    point = metric.sum.data_points.add(as_double=value)
    for key, one in labels.items():
        point.attributes.add(key=key).value.string_value = one
    return bytes(request.SerializeToString())


def values(telemetry: Telemetry, name: str) -> list[float]:
    return [one.value for source, one in telemetry.measure(NOW) if one.name == name and source == "dev/orders:otlp"]


def take(telemetry: Telemetry, *bodies: bytes) -> None:
    for body in bodies:
        telemetry.take_metrics(ORDERS, body, json=False)


def test_counters_count_up_whether_they_are_sent_as_sums_or_as_differences(telemetry: Telemetry) -> None:
    take(telemetry, counter(3), counter(5), counter(4, name="d", delta=True), counter(4, name="d", delta=True))
    assert values(telemetry, "orders_placed_total") == [5.0]
    assert values(telemetry, "d_total") == [8.0]


def test_counters_that_reset_and_several_senders_are_added_up(telemetry: Telemetry) -> None:
    take(telemetry, counter(5, instance="a"), counter(7, instance="b"), counter(2, instance="a"))
    assert values(telemetry, "orders_placed_total") == [14.0]


def test_json_is_read_like_protobuf(telemetry: Telemetry) -> None:
    points = [{"count": "3", "sum": 0.4, "explicitBounds": [0.1, 1], "bucketCounts": ["1", "2", "0"]}]
    metric = {"name": "took.seconds", "histogram": {"aggregationTemporality": 2, "dataPoints": points}}
    body = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}], "unknown": 1}).encode()
    telemetry.take_metrics(ORDERS, body, json=True)
    found = {one.labels["le"]: one.value for _, one in telemetry.measure(NOW) if one.name == "took_seconds_bucket"}
    assert found == {"0.1": 1.0, "1.0": 3.0, "+Inf": 3.0}
    assert values(telemetry, "took_seconds_sum") == [0.4]


def test_whoever_sends_speaks_for_its_own_stack_only(telemetry: Telemetry) -> None:
    take(telemetry, counter(1, environment="prod", component="payments"))
    ((source, one),) = telemetry.measure(NOW)
    assert source == "dev/orders:otlp"
    assert (one.labels["component"], one.labels["exported_component"]) == ("orders", "payments")


def test_what_is_no_longer_sent_is_no_longer_told(telemetry: Telemetry, clock: dict[str, float]) -> None:
    take(telemetry, counter(1))
    clock["now"] = 400.0
    assert values(telemetry, "orders_placed_total") == []


def test_a_cardinality_explosion_over_otlp_is_bounded_and_counted(telemetry: Telemetry) -> None:
    for number in range(4_100):
        take(telemetry, counter(1, user=str(number)))
    assert len(values(telemetry, "orders_placed_total")) == 4_000
    assert values(telemetry, "telemetry_left_out_total") == [100.0]


@pytest.mark.parametrize(("body", "as_json"), [(b"\xff\xff\xff", False), (b"{", True), (b"\xff", True)])
def test_what_cannot_be_read_is_refused(telemetry: Telemetry, body: bytes, as_json: bool) -> None:
    for take_one in (telemetry.take_metrics, telemetry.take_traces):
        with pytest.raises(Unreadable):
            take_one(ORDERS, body, json=as_json)


def trace(number: int, seconds: float, *, problem: str = "", begin: int = 10**18) -> bytes:
    request = ExportTraceServiceRequest()
    scope = request.resource_spans.add().scope_spans.add()
    end = begin + int(seconds * 1e9)
    identity = number.to_bytes(16, "big")
    for span, parent, name, kind in ((1, b"", "GET /", 2), (2, (1).to_bytes(8, "big"), "SELECT", 3)):
        one: Any = scope.spans.add(name=name, kind=kind, trace_id=identity, span_id=span.to_bytes(8, "big"))
        one.parent_span_id, one.start_time_unix_nano, one.end_time_unix_nano = parent, begin, end
        if problem and span == 2:
            one.status.code, one.status.message = 2, problem
    return bytes(request.SerializeToString())


def test_spans_are_counted_by_kind_and_name(telemetry: Telemetry) -> None:
    telemetry.take_traces(ORDERS, trace(1, 0.2) + trace(2, 0.02, problem="no such table"), json=False)
    found = {
        (one.labels["kind"], one.labels["name"], one.labels["status"]): one.value
        for _, one in telemetry.measure(NOW)
        if one.name == "spans_total"
    }
    assert found == {
        ("server", "GET /", "ok"): 2.0,
        ("client", "SELECT", "ok"): 1.0,
        ("client", "SELECT", "error"): 1.0,
    }
    buckets = [
        one for _, one in telemetry.measure(NOW) if one.labels.get("le") == "0.1" and one.labels["kind"] == "server"
    ]
    assert [one.value for one in buckets] == [1.0]


def test_failed_and_slow_traces_are_kept_once_they_are_complete(
    telemetry: Telemetry, kept: Kept, clock: dict[str, float]
) -> None:
    for number in range(1, 41):
        telemetry.take_traces(ORDERS, trace(number, number / 100, problem="bad" if number == 3 else ""), json=False)
    telemetry.measure(NOW)
    assert kept.traces == []
    clock["now"] = 6.0
    telemetry.measure(NOW)
    assert len(kept.traces) == 11
    failed, slowest = kept.traces[0], kept.traces[1]
    assert (failed.problem, failed.name, failed.seconds) == ("bad", "GET /", pytest.approx(0.03))
    assert [span["parent"] for span in failed.spans] == ["", failed.spans[0]["id"]]
    assert slowest.seconds == pytest.approx(0.4)
    assert "attributes" not in failed.spans[0]


def test_clock_skew_of_a_sender_moves_no_trace(telemetry: Telemetry, kept: Kept, clock: dict[str, float]) -> None:
    """The issue's "clock skew": a sender that lives in another century is told as of now."""
    telemetry.take_traces(ORDERS, trace(1, 1.0, begin=4 * 10**18), json=False)
    clock["now"] = 6.0
    telemetry.measure(NOW)
    assert NOW - timedelta(hours=1) <= kept.traces[0].at <= NOW


def test_a_credential_is_of_one_stack() -> None:
    access, other = TelemetryAccess(b"k" * 32, "/otlp"), TelemetryAccess(b"o" * 32, "/otlp")
    token = access.token(ORDERS)
    assert access.whose(token) == ORDERS
    named, proof = token.split(".")
    forged = [
        other.token(ORDERS),
        token[:-1] + ("0" if token[-1] != "0" else "1"),
        f"{named[:-2]}AA.{proof}",
        "",
        "pave_otlp_",
        "x",
    ]
    assert [access.whose(one) for one in forged] == [None] * len(forged)
    told = access.variables(ORDERS, lambda: 8080)
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:8080/otlp"
    assert told["OTEL_EXPORTER_OTLP_HEADERS"] == f"authorization=Bearer%20{token}"
