"""Reads OTLP's messages, from protobuf or JSON, into what is counted of them.

Source of the format: opentelemetry-proto 1.x and opentelemetry.io/docs/specs/otlp. In JSON ids are hexadecimal, where
protobuf's own mapping has base64.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

MOST_LABELS = 20
LONGEST = 200
_DELTA = 1
_KINDS = ("internal", "internal", "server", "client", "producer", "consumer")
_ERROR = 2


class Unreadable(ValueError):
    """What was sent is no OTLP message."""


@dataclass(frozen=True)
class Measured:
    """One number. A counter counts from zero, or with `delta` from the number before."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float
    counter: bool = False
    delta: bool = False


@dataclass(frozen=True)
class Span:
    """One span; times are nanoseconds since 1970 by its sender's clock. `problem` is empty where it went well."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    begin: int
    end: int
    problem: str

    @property
    def seconds(self) -> float:
        """How long it took; never less than nothing."""
        return max(self.end - self.begin, 0) / 1e9


def metrics(body: bytes, *, json: bool) -> Iterator[tuple[str, Measured]]:
    """The numbers of an ExportMetricsServiceRequest, each with the instance that sent it. Raises `Unreadable`."""
    from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2  # noqa: PLC0415 — where there are any

    request = _parsed(metrics_service_pb2.ExportMetricsServiceRequest(), body, json=json)
    for resource in request.resource_metrics:
        instance = dict(_labels(resource.resource.attributes)).get("service_instance_id", "")
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for one in _numbers(metric):
                    yield instance, one


def spans(body: bytes, *, json: bool) -> Iterator[Span]:
    """The spans of an ExportTraceServiceRequest. Raises `Unreadable`."""
    from opentelemetry.proto.collector.trace.v1 import trace_service_pb2  # noqa: PLC0415 — as above

    request = _parsed(trace_service_pb2.ExportTraceServiceRequest(), body, json=json)
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for one in scope.spans:
                failed = one.status.code == _ERROR
                yield Span(
                    trace=_id(one.trace_id, json=json),
                    id=_id(one.span_id, json=json),
                    parent=_id(one.parent_span_id, json=json),
                    name=one.name[:LONGEST] or "unnamed",
                    kind=_KINDS[one.kind] if 0 <= one.kind < len(_KINDS) else _KINDS[0],
                    begin=one.start_time_unix_nano,
                    end=one.end_time_unix_nano,
                    problem=(one.status.message[:LONGEST] or "error") if failed else "",
                )


def _parsed(message: Any, body: bytes, *, json: bool) -> Any:
    from google.protobuf import json_format  # noqa: PLC0415 — as above
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    try:
        if json:
            return json_format.Parse(body.decode(), message, ignore_unknown_fields=True)
        message.ParseFromString(body)
    except (DecodeError, json_format.ParseError, ValueError, RecursionError) as problem:
        raise Unreadable(str(problem)[:LONGEST]) from problem
    return message


def _id(value: bytes, *, json: bool) -> str:
    return b64encode(value).decode() if json else value.hex()


def _numbers(metric: Any) -> Iterator[Measured]:
    name = _name(metric.name)
    match metric.WhichOneof("data"):
        case "gauge":
            for one in metric.gauge.data_points:
                yield Measured(name, _labels(one.attributes), _value(one))
        case "sum":
            counter, delta = metric.sum.is_monotonic, metric.sum.aggregation_temporality == _DELTA
            total = f"{name}_total" if counter and not name.endswith("_total") else name
            for one in metric.sum.data_points:
                yield Measured(total, _labels(one.attributes), _value(one), counter, delta)
        case "histogram":
            delta = metric.histogram.aggregation_temporality == _DELTA
            for one in metric.histogram.data_points:
                yield from _histogram(name, one, delta=delta)
        case "exponential_histogram":
            delta = metric.exponential_histogram.aggregation_temporality == _DELTA
            for one in metric.exponential_histogram.data_points:
                yield from _summed(name, one, delta=delta)
        case "summary":
            for one in metric.summary.data_points:
                yield from _summed(name, one, delta=False)


def _histogram(name: str, one: Any, *, delta: bool) -> Iterator[Measured]:
    labels, total = _labels(one.attributes), 0
    for bound, number in zip((*map(str, one.explicit_bounds), "+Inf"), one.bucket_counts, strict=False):
        total += number
        yield Measured(
            f"{name}_bucket", tuple(sorted((*labels, ("le", bound)))), float(total), counter=True, delta=delta
        )
    yield from _summed(name, one, delta=delta)


def _summed(name: str, one: Any, *, delta: bool) -> Iterator[Measured]:
    labels = _labels(one.attributes)
    yield Measured(f"{name}_count", labels, float(one.count), counter=True, delta=delta)
    if math.isfinite(one.sum):
        yield Measured(f"{name}_sum", labels, float(one.sum), counter=True, delta=delta)


def _value(one: Any) -> float:
    return float(one.as_int if one.WhichOneof("value") == "as_int" else one.as_double)


def _name(text: str) -> str:
    """As Prometheus writes it: `http.server.duration` is `http_server_duration`."""
    found = "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in text[:LONGEST])
    return found if found and not found[0].isdecimal() else f"_{found}"


def _labels(attributes: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    found: dict[str, str] = {}
    for one in attributes:
        kind = one.value.WhichOneof("value")
        if kind in ("string_value", "bool_value", "int_value", "double_value") and len(found) < MOST_LABELS:
            found[_name(one.key)] = str(getattr(one.value, kind))[:LONGEST]
    return tuple(sorted(found.items()))
