"""Events over a real server: live, resumable, filtered, ending with the run and with the server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from site_for_tests import Running, World, view

AUTH = {"Authorization": "Bearer good"}


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def running(world: World) -> Iterator[Running]:
    running = Running(world)
    yield running
    if running.thread.is_alive():
        running.stop()


def messages(response: httpx.Response) -> Iterator[tuple[str, str, dict]]:
    """(event, id, data) of each message."""
    fields: dict[str, str] = {}
    for line in response.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield fields.get("event", ""), fields.get("id", ""), json.loads(fields["data"])
            fields = {}


def stream(running: Running, path: str, **headers: str):
    return httpx.stream("GET", running.url + path, headers=AUTH | headers, timeout=10)


def wait_for_watchers(running: Running, count: int) -> None:
    for _ in range(500):
        if len(running.server.site.hub._watchers) == count:
            time.sleep(0.05)
            return
        time.sleep(0.02)
    raise AssertionError(f"{len(running.server.site.hub._watchers)} watchers instead of {count}")


def test_events_arrive_live_and_filtered(running: Running, world: World) -> None:
    world.events.emit("old", "dev/orders")
    with stream(running, "/api/v1/events?subject=dev") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        wait_for_watchers(running, 1)
        world.events.emit("skipped", "prod/orders")
        world.events.emit("skipped", "development/orders")
        world.events.emit("stack.changed", "dev/orders", actor="user:default/dana", phase="ready")
        kind, identifier, data = next(messages(response))
    assert (kind, identifier) == ("event", "4")
    assert (data["type"], data["subject"], data["data"]) == ("stack.changed", "dev/orders", {"phase": "ready"})


def test_a_stream_resumes_after_the_last_event_seen(running: Running, world: World) -> None:
    for number in range(1200):
        world.events.emit("step", "dev/orders", number=number)
    with stream(running, "/api/v1/events", **{"Last-Event-ID": "3"}) as response:
        found = messages(response)
        assert [next(found)[1] for _ in range(1197)] == [str(number) for number in range(4, 1201)]
        world.events.emit("step", "dev/orders")
        assert next(found)[1] == "1201"


def test_a_wrong_last_event_id_is_refused(running: Running) -> None:
    response = httpx.get(running.url + "/api/v1/events", headers=AUTH | {"Last-Event-ID": "x"})
    assert response.status_code == 422
    assert httpx.get(running.url + "/api/v1/runs/none/events", headers=AUTH).status_code == 404


def test_a_run_is_followed_to_its_end(running: Running, world: World) -> None:
    world.runs["run-1"] = view("run-1", "running")
    world.events.emit("step", "dev/orders", run="run-1", name="plan")

    def work() -> None:
        time.sleep(0.2)
        world.events.emit("step", "dev/other", run="run-2", name="plan")
        world.runs["run-1"] = view("run-1", "succeeded", seconds=0.3)
        world.events.emit("run.succeeded", "dev/orders", run="run-1")

    worker = threading.Thread(target=work)
    worker.start()
    with stream(running, "/api/v1/runs/run-1/events") as response:
        seen = list(messages(response))
    worker.join()
    assert [kind for kind, _, _ in seen if kind != "run"] == ["event", "event", "end"]
    assert [data["data"].get("name") for kind, _, data in seen if kind == "event"] == ["plan", None]
    assert seen[-1][2]["state"] == "succeeded"


def test_a_run_that_ended_before_is_shown_whole(running: Running, world: World) -> None:
    world.runs["run-1"] = view("run-1", "failed")
    world.events.emit("run.failed", "dev/orders", run="run-1")
    with stream(running, "/api/v1/runs/run-1/events") as response:
        assert [kind for kind, _, _ in messages(response)] == ["event", "end"]


def test_many_idle_watchers_take_one_thread_and_block_nobody(running: Running, world: World) -> None:
    clients = [httpx.Client(headers=AUTH, timeout=10) for _ in range(80)]
    opened = []
    try:
        for client in clients:
            request = client.build_request("GET", running.url + "/api/v1/events")
            opened.append(client.send(request, stream=True))
        wait_for_watchers(running, 80)
        began = time.monotonic()
        assert httpx.get(running.url + "/api/v1/runs", headers=AUTH).status_code == 200
        assert time.monotonic() - began < 2
        world.events.emit("step", "dev/orders")
        assert all(next(messages(response))[2]["type"] == "step" for response in opened)
        assert world.events.waiting_threads == {"pave-events"}
    finally:
        for response in opened:
            response.close()
        for client in clients:
            client.close()
    wait_for_watchers(running, 0)


def test_a_slow_watcher_loses_nothing(running: Running, world: World) -> None:
    with stream(running, "/api/v1/events") as response:
        wait_for_watchers(running, 1)
        for number in range(5000):
            world.events.emit("step", "dev/orders", number=number, padding="x" * 500)
        found = messages(response)
        assert [next(found)[2]["data"]["number"] for _ in range(5000)] == list(range(5000))


def test_streams_end_when_the_server_stops(running: Running, world: World) -> None:
    world.runs["run-1"] = view("run-1", "running")
    ended = []

    def watch(path: str) -> None:
        with stream(running, path) as response:
            list(messages(response))
            ended.append(path)

    watchers = [
        threading.Thread(target=watch, args=(path,)) for path in ("/api/v1/events", "/api/v1/runs/run-1/events")
    ]
    for watcher in watchers:
        watcher.start()
    wait_for_watchers(running, 2)
    assert running.stop() < 3
    for watcher in watchers:
        watcher.join(5)
    assert sorted(ended) == ["/api/v1/events", "/api/v1/runs/run-1/events"]
