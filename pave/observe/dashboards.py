"""The dashboard that every service has by itself: the golden signals, and its resources by their type.

Also how long the steps of a chart are, and the marks that stand on every chart: what was deployed, scaled, alerted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pave.model.dashboard import Chart, Dashboard
from pave.model.names import Address
from pave.observe.delivery import Delivered
from pave.observe.series import Aggregation, Line, Question

LATENCY = "http_request_duration_seconds_bucket"
_GOLDEN = (
    Chart("Requests", "http_requests_total", ("rate",), {}, ("code",), "requests/s"),
    Chart("Failed requests", "http_requests_total", ("rate",), {"code": "5xx"}, ("route",), "requests/s"),
    Chart("Latency", LATENCY, ("p50", "p95", "p99"), {}, (), "seconds"),
    Chart("Availability", "probe_success", ("avg",), {}, ("url",), "share"),
    Chart("Processor", "workload_cpu_seconds_total", ("rate",), {}, (), "cores"),
    Chart("Memory", "workload_memory_bytes", ("max",), {}, (), "bytes"),
    Chart("Processes", "workload_replicas", ("last",), {}, (), "processes"),
    Chart("Restarts", "workload_restarts_total", ("increase",), {}, (), "restarts"),
)
_ROUTES = Chart("Latency by route", LATENCY, ("p95",), {}, ("route",), "seconds")
_BY_TYPE: Mapping[str, tuple[Chart, ...]] = {
    "postgres": (
        Chart("Database size", "database_size_bytes", ("max",), {}, ("resource",), "bytes"),
        Chart("Database connections", "database_connections", ("max",), {}, ("resource",), "connections"),
        Chart("Slow queries", "database_slow_queries_total", ("increase",), {}, ("resource",), "queries"),
    ),
    "queue": (
        Chart("Messages that wait", "queue_messages", ("max",), {}, ("resource",), "messages"),
        Chart("Age of the oldest message", "queue_oldest_seconds", ("max",), {}, ("resource",), "seconds"),
    ),
    "s3": (Chart("Bucket size", "bucket_size_bytes", ("max",), {}, ("resource",), "bytes"),),
    "redis": (Chart("Cache memory", "cache_memory_bytes", ("max",), {}, ("resource",), "bytes"),),
    "volume": (Chart("Disk", "workload_disk_bytes", ("max",), {}, ("resource",), "bytes"),),
}
_SPANS = (
    Chart("Spans", "spans_total", ("rate",), {}, ("kind", "name"), "spans/s"),
    Chart("Failed spans", "spans_total", ("rate",), {"status": "error"}, ("kind", "name"), "spans/s"),
    Chart("Span latency", "span_duration_seconds_bucket", ("p95",), {}, ("kind", "name"), "seconds"),
)
_STEPS = (10, 30, 60, 300, 900, 3600, 3 * 3600, 12 * 3600, 86400)
_FINE = ((timedelta(hours=2), 10), (timedelta(days=2), 60), (timedelta(days=396), 3600))
"""How far back steps of how many seconds are kept."""
_MOST_POINTS = 300


@dataclass(frozen=True)
class Mark:
    """Something that happened: `kind` is deployment, failure, rollback, scale or alert; `run` where one did it."""

    at: datetime
    kind: str
    text: str
    run: str = ""


def of_service(stack: Address, types: Iterable[str], names: Collection[str]) -> Dashboard:
    """The dashboard of a stack with resources of these types, of which these metrics are known."""
    charts = [*_GOLDEN, _ROUTES]
    for one in sorted(set(types)):
        charts += _BY_TYPE.get(one, ())
    if "spans_total" in names:
        charts += _SPANS
    served = any(one.startswith("http_") for one in names)
    # A worker that nobody asks for anything has no requests to show, and no need of a hole where they would be.
    kept = tuple(one for one in charts if served or not one.metric.startswith(("http_", "probe_")))
    return Dashboard(
        str(stack), f"{stack.component} in {stack.environment}", kept, None, stack.component, stack.environment
    )


def step_for(span: timedelta) -> timedelta:
    """The step of a chart over `span` up to now: fine enough to see, coarse enough to be kept and drawn."""
    kept = next((seconds for reach, seconds in _FINE if span <= reach), 3600)
    wanted = max(span.total_seconds() / _MOST_POINTS, kept)
    return timedelta(seconds=next((one for one in _STEPS if one >= wanted), _STEPS[-1]))


def questions(dashboard: Dashboard, chart: Chart, since: datetime, until: datetime, step: timedelta) -> list[Question]:
    """What is asked for a chart: one question an aggregation."""
    own = {"environment": dashboard.environment, "component": dashboard.component}
    where = {name: value for name, value in own.items() if value} | dict(chart.where)
    asked = Question(chart.metric, Aggregation.LAST, since, until, step, where, chart.by)
    return [replace(asked, aggregation=Aggregation(word)) for word in chart.aggregations]


def delivered(deliveries: Iterable[Delivered], since: datetime, until: datetime) -> list[Mark]:
    """The marks of what was deployed in this time, and of what failed or went back."""
    found = []
    for one in deliveries:
        version = str(getattr(one, "commit", ""))[:7]
        if one.live_at is not None:
            kind = "rollback" if one.cause == "rollback" else "deployment"
            found.append(Mark(one.live_at, kind, f"{version} live, by {one.cause}", one.run))
        if one.failed_at is not None:
            found.append(Mark(one.failed_at, "failure", f"{version} {one.outcome}", one.run))
    return sorted((one for one in found if since <= one.at <= until), key=lambda one: one.at)


def scaled(line: Line | None) -> list[Mark]:
    """The marks of where the number of a workload's processes changed."""
    found, before = [], None
    for at, value in line.points if line is not None else ():
        if value is not None and before is not None and value != before:
            found.append(Mark(at, "scale", f"from {before:.0f} to {value:.0f} processes"))
        before = before if value is None else value
    return found


def alerted(events: Iterable[tuple[datetime, str, Mapping[str, object]]]) -> list[Mark]:
    """The marks of alerts: events called `alert.*`, by what they say of themselves."""
    return [
        Mark(
            at,
            "alert",
            " ".join(filter(None, (type_.partition(".")[2], str(data.get("name") or data.get("rule") or "")))),
        )
        for at, type_, data in events
        if type_.startswith("alert.")
    ]
