"""What Pave measures of everything that runs, without anybody asking: the names, units and labels, in one table."""

from __future__ import annotations

from dataclasses import dataclass

from pave.observe.series import Kind


@dataclass(frozen=True)
class Metric:
    """One metric: what it says, its unit (seconds, bytes, or a noun that is counted) and its labels.

    All but those about Pave have `environment` and `component` beside `labels`.
    """

    name: str
    kind: Kind
    unit: str
    says: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric("http_requests_total", Kind.COUNTER, "requests", "Requests that the router answered", ("route", "code")),
    Metric(
        "http_request_duration_seconds_bucket",
        Kind.COUNTER,
        "requests",
        "Requests that took at most `le` seconds, as the router saw them",
        ("route", "le"),
    ),
    Metric("http_request_duration_seconds_sum", Kind.COUNTER, "seconds", "Time that requests took", ("route",)),
    Metric("http_request_duration_seconds_count", Kind.COUNTER, "requests", "Requests that took a time", ("route",)),
    Metric("probe_success", Kind.GAUGE, "share", "1 where a URL answered a synthetic check, else 0", ("url",)),
    Metric("probe_duration_seconds", Kind.GAUGE, "seconds", "How long a synthetic check took", ("url",)),
    Metric("workload_cpu_seconds_total", Kind.COUNTER, "seconds", "Processor time of a workload's processes"),
    Metric("workload_memory_bytes", Kind.GAUGE, "bytes", "Resident memory of a workload's processes"),
    Metric("workload_restarts_total", Kind.COUNTER, "restarts", "Processes that ended and were started again"),
    Metric("workload_up", Kind.GAUGE, "share", "Share of a workload's wanted processes that run"),
    Metric("workload_replicas", Kind.GAUGE, "processes", "Processes that a workload wants of each container"),
    Metric("workload_disk_bytes", Kind.GAUGE, "bytes", "What a workload's volumes hold", ("resource",)),
    Metric("database_size_bytes", Kind.GAUGE, "bytes", "Size of a database", ("resource",)),
    Metric("database_connections", Kind.GAUGE, "connections", "Open connections of a database", ("resource",)),
    Metric("database_slow_queries_total", Kind.COUNTER, "queries", "Queries of at least a second", ("resource",)),
    Metric("queue_messages", Kind.GAUGE, "messages", "Messages that wait in a queue", ("resource",)),
    Metric("queue_oldest_seconds", Kind.GAUGE, "seconds", "Age of the oldest message that waits", ("resource",)),
    Metric("bucket_size_bytes", Kind.GAUGE, "bytes", "What a bucket holds", ("resource",)),
    Metric("bucket_objects", Kind.GAUGE, "objects", "Objects in a bucket", ("resource",)),
    Metric("cache_memory_bytes", Kind.GAUGE, "bytes", "What a cache holds", ("resource",)),
    Metric("spans_total", Kind.COUNTER, "spans", "Spans that an application sent", ("kind", "name", "status")),
    Metric(
        "span_duration_seconds_bucket",
        Kind.COUNTER,
        "spans",
        "Spans that took at most `le` seconds",
        ("kind", "name", "le"),
    ),
    Metric("scrape_truncated", Kind.GAUGE, "share", "1 where more was at /metrics than is read", ("instance",)),
    Metric("metrics_left_out", Kind.GAUGE, "samples", "Samples beyond a source's bound, left out", ("source",)),
    Metric("pave_requests_total", Kind.COUNTER, "requests", "Requests to Pave itself", ("operation", "status")),
    Metric(
        "pave_request_duration_seconds_bucket",
        Kind.COUNTER,
        "requests",
        "Requests to Pave that took at most `le` seconds",
        ("operation", "le"),
    ),
    Metric("pave_runs", Kind.GAUGE, "runs", "Runs that have not ended", ("state",)),
    Metric("pave_runs_ended_total", Kind.COUNTER, "runs", "Runs that ended", ("kind", "state")),
    Metric(
        "pave_run_duration_seconds_bucket",
        Kind.COUNTER,
        "runs",
        "Runs that took at most `le` seconds from request to end",
        ("kind", "le"),
    ),
    Metric("pave_queue_lag_seconds", Kind.GAUGE, "seconds", "How long the run that waits longest for a worker waited"),
    Metric("pave_reconciler_rounds_total", Kind.COUNTER, "rounds", "Rounds of the reconciler"),
    Metric("pave_reconciler_failures_total", Kind.COUNTER, "rounds", "Rounds of the reconciler that failed"),
    Metric("pave_reconciler_seconds", Kind.GAUGE, "seconds", "How long the reconciler's last round took"),
    Metric("pave_database_connections", Kind.GAUGE, "connections", "Connections to Pave's database in use"),
    Metric("pave_database_connections_most", Kind.GAUGE, "connections", "Connections that Pave keeps open at most"),
    Metric("pave_collector_seconds", Kind.GAUGE, "seconds", "How long the last round of collecting took"),
    Metric("pave_collector_samples", Kind.GAUGE, "samples", "Samples that the last round of collecting kept"),
    Metric("pave_collector_left_out_total", Kind.COUNTER, "samples", "Samples beyond their source's bound"),
    Metric("pave_collector_problems", Kind.GAUGE, "meters", "Meters whose last round is missing"),
    Metric("telemetry_left_out_total", Kind.COUNTER, "samples", "Samples sent beyond a stack's bound, left out"),
)
"""`code` is the class of the status: 2xx, 3xx, 4xx, 5xx. `route` is the path that the route serves."""

BY_NAME = {one.name: one for one in METRICS}
