"""Log lines over a real server: the newest first, then live, resumable, filtered, bounded, ending with the server."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import httpx
import pytest
from site_for_tests import DANA, TOKENS, Running, World

from pave.adapters.logs.store import LocalLogs
from pave.engine.registry.logs import question
from pave.observe.logs import Level, LogLine, Origin
from pave.ports import Principal

AUTH = {"Authorization": "Bearer reads-logs"}
ORDERS = Origin("workload", "dev", "orders", "web.0", "aaaa")


@pytest.fixture
def logs(tmp_path):
    made = LocalLogs(tmp_path / "kept", 10**9, 14)
    yield made
    made.close()


@pytest.fixture
def running(logs, monkeypatch):
    monkeypatch.setitem(TOKENS, "reads-logs", Principal(DANA.actor, frozenset({"stack:read"})))
    deliveries = SimpleNamespace(find=lambda **_: [])
    world = SimpleNamespace(clock=SimpleNamespace(now=lambda: datetime.now(UTC)), deliveries=deliveries)
    running = Running(World(), logs=(logs, lambda given: question(world, given)))
    yield running
    if running.thread.is_alive():
        running.stop()


def line(text, level=None, origin=ORDERS, **fields):
    return LogLine(datetime.now(UTC), origin, text, level, fields)


def follow(running, query="", **headers):
    return httpx.stream("GET", f"{running.url}/api/v1/logs/follow?{query}", headers=AUTH | headers, timeout=10)


def messages(response):
    """(id, data) of each message."""
    fields = {}
    for text in response.iter_lines():
        if text:
            name, _, value = text.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield fields["id"], json.loads(fields["data"])
            fields = {}


def waits_for_followers(running, count):
    deadline = time.monotonic() + 10
    while len(running.server.site.lines._followers) != count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.1)


def test_the_newest_come_first_and_then_what_is_written(running, logs):
    logs.write([line(f"before {number}") for number in range(20)], {})
    with follow(running, "stack=dev/orders&lines=3") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        found = messages(response)
        assert [next(found)[1]["text"] for _ in range(3)] == ["before 17", "before 18", "before 19"]
        began = time.monotonic()
        logs.write([line("live", Level.ERROR, status="500")], {})
        identifier, data = next(found)
        assert time.monotonic() - began < 0.5
    assert (data["text"], data["level"], data["fields"], data["stack"]) == (
        "live",
        "error",
        {"status": "500"},
        "dev/orders",
    )
    assert identifier == logs.last()


def test_a_stream_resumes_after_the_last_line_seen(running, logs):
    logs.write([line(f"line {number}") for number in range(30_000)], {})
    with follow(running, **{"Last-Event-ID": "3"}) as response:
        found = messages(response)
        texts = [next(found)[1]["text"] for _ in range(29_997)]
    assert texts == [f"line {number}" for number in range(3, 30_000)]


def test_what_is_asked_for_alone_is_sent(running, logs):
    with follow(running, "stack=dev&grep=REFUSED&field=status%3D500&field=path%3D/&level=warning") as response:
        found = messages(response)
        waits_for_followers(running, 1)
        wanted = {"status": "500", "path": "/"}
        logs.write(
            [
                line("refused, but not grave", Level.INFO, **wanted),
                line("refused elsewhere", Level.ERROR, Origin("workload", "prod", "orders"), **wanted),
                line("refused", Level.ERROR, status="200", path="/"),
                line("accepted", Level.ERROR, **wanted),
                line("Connection refused", Level.ERROR, **wanted),
            ],
            {},
        )
        assert next(found)[1]["text"] == "Connection refused"


def test_colours_are_sent_to_those_who_ask(running, logs):
    logs.write([LogLine(datetime.now(UTC), ORDERS, "red", coloured="\x1b[31mred\x1b[0m")], {})
    for query, text in (("", "red"), ("colour=true", "\x1b[31mred\x1b[0m")):
        with follow(running, query) as response:
            assert next(messages(response))[1]["text"] == text


def test_many_followers_see_every_line_and_cost_no_thread_each(running, logs):
    seen, threads = [], []

    def one():
        with follow(running, "lines=1") as response:
            found = messages(response)
            seen.append([next(found)[1]["text"] for _ in range(50)])

    for _ in range(30):
        threads.append(threading.Thread(target=one))
        threads[-1].start()
    waits_for_followers(running, 30)
    own = [one.name for one in threading.enumerate() if one.name.startswith("pave-log")]
    assert len(own) <= 3
    for number in range(50):
        logs.write([line(f"line {number}")], {})
    for thread in threads:
        thread.join(10)
    assert seen == [[f"line {number}" for number in range(50)]] * 30


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {"Last-Event-ID": "x"}, 422),
        ("since=yesterday", {}, 422),
        ("field=status", {}, 422),
        ("level=loud", {}, 422),
        ("lines=many", {}, 422),
        ("what=ever", {}, 422),
        ("stack=dev/orders/db/x", {}, 422),
        ("", {"Authorization": "Bearer good"}, 403),
        ("", {"Authorization": "Bearer none"}, 401),
    ],
)
def test_what_cannot_be_followed_is_refused(running, query, headers, status):
    answer = httpx.get(f"{running.url}/api/v1/logs/follow?{query}", headers=AUTH | headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_streams_end_with_the_server(running):
    with follow(running) as response:
        waits_for_followers(running, 1)
        began = time.monotonic()
        running.stop()
        assert list(messages(response)) == []
        assert time.monotonic() - began < 5
