"""Signals without asking: an application changes nothing and is seen, with its database, queue, bucket and cache.

One platform; everything happens in the fixture, then two rounds of collecting are waited for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import httpx
import nats
import psycopg
import pytest
from command_line_for_tests import pave
from platform_for_tests import Platform, platform, repository

pytestmark = pytest.mark.timeout(300)

APP = """\
import http.server
import json
import os
import time
import urllib.parse
import urllib.request

hits, exploded = 0, False


def telemetry():
    endpoint = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"]
    name, _, value = os.environ["OTEL_EXPORTER_OTLP_HEADERS"].partition("=")
    headers = {name: urllib.parse.unquote(value), "Content-Type": "application/json"}
    now = time.time_ns()
    span = {"traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "b7ad6b7169203331", "name": "charge", "kind": 2,
            "startTimeUnixNano": str(now), "endTimeUnixNano": str(now + 300_000_000),
            "status": {"code": 2, "message": "declined"}}
    point = {"asInt": "7", "attributes": [{"key": "channel", "value": {"stringValue": "web"}}]}
    placed = {"name": "orders.placed", "sum": {"isMonotonic": True, "aggregationTemporality": 1, "dataPoints": [point]}}
    for path, body in (
        ("/v1/traces", {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}),
        ("/v1/metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [placed]}]}]}),
    ):
        urllib.request.urlopen(urllib.request.Request(endpoint + path, json.dumps(body).encode(), headers), timeout=5)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global hits, exploded
        status, body, kind = 200, b"hello", "text/html"
        if self.path == "/metrics":
            kind = "text/plain; version=0.0.4"
            lines = ["# TYPE hits counter", f"hits_total {hits}"]
            if exploded:
                lines += [f'exploded{{user="{number}"}} 1' for number in range(5000)]
            body = ("\\n".join(lines) + "\\n").encode()
        elif self.path == "/fail":
            status = 500
        elif self.path == "/explode":
            exploded = True
        elif self.path == "/telemetry":
            telemetry()
        elif self.path == "/hit":
            hits += 1
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
FILES = {"Procfile": "web: python app.py\n", "requirements.txt": "", "app.py": APP}
RESOURCES = {"db": "postgres", "jobs": "queue", "files": "s3", "cache": "redis"}


@dataclass
class Seen:
    """The platform, and what was measured of a stack in the last ten minutes."""

    there: Platform
    stack: str = "dev/orders"

    def last(self, metric: str, aggregation: str = "last", **labels: str) -> float | None:
        where = [f"{name}={value}" for name, value in labels.items()]
        asked = {"stack": self.stack, "where": where, "aggregation": aggregation, "since": "10m"}
        lines = self.there.get(f"/metrics/{metric}", **asked)["lines"]
        values = [one for line in lines for one in line["values"] if one is not None]
        return None if not values else sum(values) if aggregation == "increase" else values[-1]

    def wait(self, holds: Callable[[], Any], seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not seen after {seconds} s\n{self.there.said()}"
            time.sleep(1)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("signals")
    with platform(folder / "data") as there:
        repository(folder / "orders", FILES)
        there.done("POST", "/components/import", {"url": str(folder / "orders"), "name": "orders"})
        wanted = [{"name": name, "type": type_} for name, type_ in RESOURCES.items()]
        there.done("POST", "/resources/batch", {"component": "orders", "resources": wanted})
        seen = Seen(there)
        # Whoever looks first finds everything at nothing: what happens from here on is counted whole.
        seen.wait(
            lambda: (
                seen.last("http_requests_total", "increase") is not None
                and seen.last("hits_total", "increase") is not None
            )
        )
        for path, times in (("/hit", 8), ("/fail", 3), ("/telemetry", 1), ("/explode", 1)):
            for _ in range(times):
                there.fetch("dev/orders", path)
        use_resources(there)
        seen.wait(lambda: seen.last("database_slow_queries_total", "increase") and seen.last("queue_messages"))
        seen.wait(lambda: seen.last("bucket_objects") and there.get("/stacks/dev/orders/traces")["traces"], 90)
        yield seen
        there.check()


def use_resources(there: Platform) -> None:
    db, jobs, files = (there.credentials(f"dev/orders/{name}") for name in ("db", "jobs", "files"))
    keys = {"host": "host", "port": "port", "user": "username", "password": "password", "dbname": "database"}
    with psycopg.connect(**{name: db[key] for name, key in keys.items()}) as connection:
        connection.execute("SELECT pg_sleep(1.2)")

    async def publish() -> None:
        client = await nats.connect(
            f"nats://{jobs['host']}:{jobs['port']}", user=jobs["username"], password=jobs["password"]
        )
        for number in range(5):
            await client.jetstream().publish(jobs["subject"], str(number).encode())
        await client.close()

    asyncio.run(publish())
    store = boto3.client(
        "s3",
        endpoint_url=files["endpoint"],
        aws_access_key_id=files["access_key_id"],
        aws_secret_access_key=files["secret_key"],
        region_name=files["region"],
    )
    store.put_object(Bucket=files["bucket"], Key="a/b", Body=b"x" * 1000)
    store.close()


def test_requests_are_seen_by_class_and_with_their_latency(seen: Seen) -> None:
    assert seen.last("http_requests_total", "increase", code="2xx") == 10
    assert seen.last("http_requests_total", "increase", code="5xx") == 3
    assert 0 < (seen.last("http_request_duration_seconds_bucket", "p95") or 0) < 5
    assert seen.last("probe_success", "avg") == 1


def test_processes_are_seen(seen: Seen) -> None:
    assert (seen.last("workload_memory_bytes") or 0) > 5e6
    assert seen.last("workload_cpu_seconds_total", "increase") is not None
    assert (seen.last("workload_replicas"), seen.last("workload_up")) == (1, 1)


def test_resources_are_seen(seen: Seen) -> None:
    assert seen.last("database_slow_queries_total", "increase") == 1
    assert (seen.last("database_size_bytes") or 0) > 1e6
    assert seen.last("queue_messages") == 5
    assert 0 < (seen.last("queue_oldest_seconds") or 0) < 600
    assert (seen.last("bucket_objects"), seen.last("bucket_size_bytes")) == (1, 1000)
    assert (seen.last("cache_memory_bytes") or 0) > 1e5


def test_an_applications_own_metrics_are_scraped(seen: Seen) -> None:
    assert seen.last("hits_total", "increase") == 8


def test_cardinality_explosion_is_capped_and_said_and_hurts_nothing_else(seen: Seen) -> None:
    said = [one for one in events(seen.there) if one["type"] == "metrics.capped"]
    assert [one["subject"] for one in said] == ["dev/orders"]
    assert said[0]["data"]["source"] == "dev/orders:app"
    assert said[0]["data"]["kept"] <= 2_000 < said[0]["data"]["left_out"]
    before = seen.last("hits_total", "increase")
    seen.there.fetch("dev/orders", "/hit")
    seen.wait(lambda: seen.last("hits_total", "increase") == (before or 0) + 1, 30)


def events(there: Platform) -> list[dict[str, Any]]:
    rows = there.control("SELECT type, subject, data FROM events WHERE type LIKE 'metrics.%' ORDER BY id")
    return [dict(zip(("type", "subject", "data"), row, strict=True)) for row in rows]


def test_telemetry_arrives_with_what_the_platform_told_the_application(seen: Seen) -> None:
    assert seen.last("orders_placed_total", "increase", channel="web") is not None
    (trace,) = seen.there.get("/stacks/dev/orders/traces", failed="true")["traces"]
    assert (trace["name"], trace["problem"], trace["spans"]) == ("charge", "declined", 1)
    whole = seen.there.get("/stacks/dev/orders/traces", trace=trace["id"][:8])["traces"][0]
    assert whole["tree"][0]["seconds"] == pytest.approx(0.3)
    assert "charge" in pave(seen.there.data, "traces", "dev/orders", trace["id"])


def test_the_dashboard_is_there_by_itself_with_the_deployment_marked(seen: Seen) -> None:
    found = seen.there.get("/dashboards/dev/orders", since="30m")
    by_title = {one["title"]: one for one in found["charts"]}
    assert {"Requests", "Latency", "Database size", "Messages that wait", "Bucket size", "Cache memory"} <= set(
        by_title
    )
    assert len(by_title["Latency"]["lines"]) == 3
    assert not [one["problem"] for one in found["charts"] if one["problem"]]
    assert "deployment" in {one["kind"] for one in found["marks"]}
    shown = pave(seen.there.data, "dashboard", "dev/orders")
    assert "▲" in shown
    assert "Messages that wait" in shown
    assert "http_requests_total" in pave(seen.there.data, "metrics", "dev/orders")
    assert '"schemaVersion"' in pave(seen.there.data, "export-dashboard", "dev/orders")


def test_paves_own_metrics_are_for_those_with_a_token(seen: Seen) -> None:
    client = seen.there.client
    assert client is not None
    page = client.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    assert 'pave_runs_ended_total{kind="component.import",state="succeeded"} 1.0' in page.text
    assert "pave_reconciler_rounds_total" in page.text
    assert httpx.get(f"{client.base_url}/metrics").status_code == 401


def test_nothing_of_it_failed(seen: Seen) -> None:
    assert [one for one in events(seen.there) if one["type"] == "metrics.missing"] == []
