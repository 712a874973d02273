"""Two versions at once: shares of the traffic, going back, sleeping and waking, and nothing lost meanwhile."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from small_world import Load, spec

from pave.doors.waker import Waker
from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.observe.health import Status
from pave.provider.cloud import LocalCloud
from pave.provider.routes import SLOTS, spread
from pave.provider.trash import Trash
from pave.provider.workload_spec import WorkloadSpec

HOST = "orders.dev.localhost"
STACK = Address.parse("dev/orders")
WORKLOAD = STACK.at("workload")


def cloud_of(world):
    return LocalCloud(world.workloads, world.routes, Trash((world.volumes,)), None, {}, world.router.logs)


def share(world, requests=100):
    return Counter(world.get(HOST)[1] for _ in range(requests))


def running(world):
    return [name for name in world.machine.programs() if name != "router"]


def test_a_new_version_gets_its_share_then_all_of_it(world):
    world.workloads.ensure(spec("1"))
    world.workloads.ensure(replace(spec("2"), weight=10))
    assert share(world) == {"1": 90, "2": 10}
    pids = {world.get(HOST, "/pid")[1] for _ in range(20)}
    world.workloads.ensure(replace(spec("2"), weight=50))
    assert share(world) == {"1": 50, "2": 50}
    assert {world.get(HOST, "/pid")[1] for _ in range(20)} == pids, "a change of the share starts nothing"
    world.workloads.ensure(spec("2"))
    assert share(world, 20) == {"2": 20}
    assert len(running(world)) == 1


def test_going_back_is_at_once_and_takes_the_new_version_away(world):
    world.workloads.ensure(spec("1"))
    before = world.get(HOST, "/pid")[1]
    world.workloads.ensure(replace(spec("2"), weight=50))
    began = time.monotonic()
    world.workloads.ensure(spec("1"))
    assert share(world, 20) == {"1": 20}
    assert world.get(HOST, "/pid")[1] == before
    assert time.monotonic() - began < 5
    assert len(running(world)) == 1


def test_a_third_version_takes_the_place_of_the_one_on_its_way(world):
    world.workloads.ensure(spec("1"))
    world.workloads.ensure(replace(spec("2"), weight=50))
    world.workloads.ensure(replace(spec("3"), weight=20))
    assert share(world) == {"1": 80, "3": 20}
    assert len(running(world)) == 2


def test_the_first_version_has_all_whatever_its_share(world):
    world.workloads.ensure(replace(spec("1"), weight=10))
    assert share(world, 20) == {"1": 20}


def test_a_version_that_does_not_start_leaves_the_share_as_it_was(world):
    world.workloads.ensure(spec("1"))
    world.workloads.ensure(replace(spec("2"), weight=10))
    with pytest.raises(Exception, match="did not start"):
        world.workloads.ensure(replace(spec("3", args=["app.py", "crash"], command=("/usr/bin/false",)), weight=10))
    assert share(world) == {"1": 90, "2": 10}


def test_the_version_before_is_brought_back_where_it_stopped_meanwhile(world):
    world.workloads.ensure(spec("1"))
    world.workloads.ensure(replace(spec("2"), weight=50))
    before = world.inventory.get("workload", str(WORKLOAD))
    (name,) = before["revisions"][before["revision"]]["programs"]
    world.machine.stop(name)
    assert world.workloads.read(WORKLOAD) is None
    world.workloads.ensure(replace(spec("2"), weight=50))
    assert world.workloads.read(WORKLOAD) is not None
    assert share(world, 20) == {"1": 10, "2": 10}


def test_a_wake_that_fails_leaves_it_asleep(world):
    world.workloads.ensure(spec("1"))
    world.workloads.ensure(replace(spec("1"), asleep=True))
    with pytest.raises(Exception, match="did not start"):
        world.workloads.ensure(spec("1", command=("/usr/bin/false",)))
    assert world.workloads.read(WORKLOAD).asleep
    world.workloads.ensure(spec("1"))
    assert world.get(HOST) == (200, "1")


@pytest.mark.parametrize("weight", [-1, 101])
def test_a_share_that_is_none_is_refused(weight):
    config = {"address": str(WORKLOAD), "containers": [{"name": "web"}], "weight": weight}
    with pytest.raises(Refused, match="0 to 100"):
        WorkloadSpec.read(config)


def test_what_is_kept_of_a_version_is_all_of_it(world):
    whole = spec("1", variables={"A": "b"}, memory_bytes=512 * 1024**2, ready_path="/", scale=2)
    assert WorkloadSpec.read(json.loads(whole.as_data())) == whole


def test_no_request_is_lost_while_versions_come_and_go(world):
    world.workloads.ensure(spec("1"))
    loads = [Load(world, HOST), Load(world, HOST, keep=True)]
    for load in loads:
        load.__enter__()
    for weight in (10, 50, 100):
        world.workloads.ensure(replace(spec("2"), weight=weight))
    world.workloads.ensure(replace(spec("3"), weight=20))
    time.sleep(0.5)
    world.workloads.ensure(spec("2"))
    for load in loads:
        load.__exit__(None, None, None)
        assert load.failed == []
        assert load.answered > 20
        assert load.seen == {"1", "2", "3"}


def test_the_router_tells_the_versions_apart(world):
    since = datetime.now(UTC) - timedelta(seconds=1)
    cloud = cloud_of(world)
    world.workloads.ensure(spec("1"))
    world.workloads.ensure(replace(spec("2"), weight=20))
    assert all(one.ok for one in cloud.probe(STACK))
    assert [one.status for one in cloud.probe(STACK, candidate=True)] == [200]
    assert cloud.last_request(STACK) is None, "what Pave itself asks is not somebody's request"
    share(world, 40)
    deadline = time.monotonic() + 5
    while (seen := cloud.traffic(STACK, since))["stable"].requests < 32 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (seen["stable"].requests, seen["candidate"].requests) == (32, 8)
    assert (seen["stable"].errors, seen["candidate"].errors) == (0, 0)
    assert 0 < seen["stable"].p50 <= seen["stable"].p95
    assert cloud.last_request(STACK) > since


def test_what_sleeps_runs_nothing_and_wakes_with_the_first_request(world):
    world.workloads.ensure(spec("1"))
    world.workloads.ensure(replace(spec("1"), asleep=True))
    assert running(world) == []
    health = cloud_of(world).health(STACK)[WORKLOAD]
    assert (health.status, "asleep" in health.reason) == (Status.HEALTHY, True)
    assert world.workloads.read(WORKLOAD) is not None, "asleep is not gone"
    woken = []

    def wake(stack):
        woken.append(stack)
        world.workloads.ensure(spec("1"))
        return ""

    waker = Waker(world.router.waker, wake)
    waker.start()
    try:
        status, _ = world.get(HOST, "/page?x=1")
    finally:
        waker.stop()
    assert (status, woken) == (307, [STACK])
    assert world.get(HOST) == (200, "1")


def test_a_command_is_run_beside_the_workload(world):
    world.workloads.ensure(spec("7", variables={"API_TOKEN": "s3cr3t-value"}))
    said = []
    cloud_of(world).execute(STACK, 'echo "seeded $VERSION with $API_TOKEN"', said.append, lambda: False)
    assert said == ["seeded 7 with •••"]
    with pytest.raises(Refused, match="failed") as refused:
        cloud_of(world).execute(STACK, "echo no table; exit 3", said.append, lambda: False)
    assert "no table" in refused.value.diagnostics[0].detail


@pytest.mark.parametrize("weight", [0, 1, 5, 10, 33, 50, 90, 99])
def test_shares_are_exact_to_a_slot_and_mixed(weight):
    slots = spread((1, 2), (8, 9), weight)
    new = [one in (8, 9) for one in slots]
    assert len(slots) == SLOTS
    assert sum(new) == (min(max(round(SLOTS * weight / 100), 1), SLOTS - 1) if weight else 0)
    assert {1, 2} <= set(slots) or weight > 90
    first, second = sum(new[: SLOTS // 2]), sum(new[SLOTS // 2 :])
    assert abs(first - second) <= 1, "both halves get the same share"
