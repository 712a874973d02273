"""Workloads on a real machine: what serves goes on serving, whatever happens to what comes next."""

import json
import os
import re
import signal
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
from small_world import DIGEST, Load, spec

from pave.apply.retry import Terminal
from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.observe.health import Status
from pave.provider.cloud import LocalCloud
from pave.provider.readiness import listens
from pave.provider.routes import RouteSpec
from pave.provider.trash import Trash
from pave.provider.workload_spec import FileSpec, VolumeSpec

HOST = "orders.dev.localhost"
WORKLOAD = Address.parse("dev/orders/workload")


def programs(world):
    return [name for name in world.machine.programs() if name != "router"]


def test_a_workload_answers_at_its_host_and_is_gone_when_it_is_removed(world, tmp_path):
    state = world.workloads.ensure(spec("1"))
    assert world.get(HOST) == (200, "1")
    assert state.url == f"http://{HOST}:{world.router.port}"
    (port,) = world.inventory.get("workload", str(WORKLOAD))["revisions"][state.revision]["ports"][0].values()
    world.workloads.remove(WORKLOAD)
    assert world.get(HOST)[0] == 404
    assert programs(world) == []
    assert world.inventory.list("workload") == {}
    assert list((tmp_path / "workloads").glob("*")) == []
    assert not listens(port)
    world.workloads.remove(WORKLOAD)


def test_the_same_again_starts_nothing(world):
    world.workloads.ensure(spec("1"))
    before = world.get(HOST, "/pid")
    world.workloads.ensure(spec("1"))
    assert world.get(HOST, "/pid") == before


def test_it_runs_unprivileged_with_what_it_was_told(world):
    world.workloads.ensure(spec("1", variables={"API_TOKEN": "s3cr3t-value", "PORT": "80", "LD_PRELOAD": "/no.so"}))
    seen = json.loads(world.get(HOST, "/pid")[1])
    assert seen["uid"] == (65534 if os.geteuid() == 0 else os.geteuid())
    assert seen["environ"]["API_TOKEN"] == "s3cr3t-value"
    assert seen["environ"]["HOST"] == "127.0.0.1"
    assert 20000 <= int(seen["environ"]["PORT"]) < 32000


def test_no_secret_is_seen_in_arguments(world):
    state = world.workloads.ensure(spec("1", variables={"API_TOKEN": "s3cr3t-value"}))
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert b"s3cr3t-value" not in line.read_bytes()
        except OSError:
            continue
    assert "s3cr3t" not in repr(state) + repr(spec("1", variables={"API_TOKEN": "s3cr3t-value"}))


def test_five_new_versions_under_load_fail_no_request(world):
    world.workloads.ensure(spec("0"))
    with Load(world, HOST) as load, Load(world, HOST, keep=True) as kept:
        for version in range(1, 6):
            world.workloads.ensure(spec(str(version)))
    assert load.failed == kept.failed == []
    assert load.seen == kept.seen == {"0", "1", "2", "3", "4", "5"}
    assert min(load.answered, kept.answered) > 50
    assert len(programs(world)) == 1


def test_a_request_in_flight_is_finished_by_the_old_version(world):
    world.workloads.ensure(spec("old"))
    answers = []
    thread = threading.Thread(target=lambda: answers.append(world.get(HOST, "/slow")))
    thread.start()
    time.sleep(0.3)
    world.workloads.ensure(spec("new"))
    assert world.get(HOST) == (200, "new")
    thread.join()
    assert answers == [(200, "old")]


@pytest.mark.parametrize(
    ("args", "container", "says"),
    [
        (["never"], {}, r"not ready within 5 s: nothing listens on its port \d+"),
        (["sick"], {"ready_path": "/health"}, "GET /health answered 500"),
        ([], {"ready_command": ("/bin/false",)}, "its readiness command fails"),
        (["crash"], {}, r"its process ended .*backoff[\s\S]*no database at postgresql://app:•••@db/app"),
        (["stubborn"], {}, r"It listens on \d+ instead: make it listen on the variable PORT"),
    ],
)
def test_a_version_that_does_not_start_keeps_the_old_one_serving(world, args, container, says):
    world.workloads.ensure(spec("1"))
    variables = {"DATABASE_URL": "postgresql://app:hunter2hunter2@db/app"}
    with Load(world, HOST) as load, pytest.raises(Terminal) as failed:
        world.workloads.ensure(spec("2", args=args, variables=variables, **container))
    assert re.search(says, str(failed.value.diagnostic.summary + failed.value.diagnostic.detail))
    assert "hunter2" not in str(failed.value)
    assert "What ran before goes on serving." in failed.value.diagnostic.detail
    assert load.failed == []
    assert load.seen == {"1"}
    assert len(programs(world)) == 1


def test_a_process_that_ends_fails_at_once(world):
    started = time.monotonic()
    with pytest.raises(Terminal):
        world.workloads.ensure(spec("1", args=["crash"]))
    assert time.monotonic() - started < 4
    assert programs(world) == []
    assert world.inventory.list("workload") == {}


def test_a_killed_process_is_started_again_and_requests_wait_for_it(world):
    world.workloads.ensure(spec("1"))
    (program,) = programs(world)
    before = world.machine.state(program).pid
    os.kill(before, signal.SIGKILL)
    assert world.get(HOST) == (200, "1")
    assert world.machine.state(program).pid not in (0, before)


def test_a_stranger_on_the_port_makes_it_take_another(world):
    state = world.workloads.ensure(spec("1"))
    record = world.inventory.get("workload", str(WORKLOAD))
    (port,) = record["revisions"][state.revision]["ports"][0].values()
    for name in programs(world):
        world.machine.stop(name)
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        stranger.bind(("127.0.0.1", port))
        stranger.listen()
        assert world.workloads.read(WORKLOAD) is None
        world.workloads.ensure(spec("1"))
        assert world.get(HOST) == (200, "1")
        record = world.inventory.get("workload", str(WORKLOAD))
        assert list(record["revisions"][state.revision]["ports"][0].values()) != [port]


def test_replicas_share_the_requests(world):
    world.workloads.ensure(spec("1", scale=3))
    assert len(programs(world)) == 3
    ports = {json.loads(world.get(HOST, "/pid")[1])["environ"]["PORT"] for _ in range(9)}
    assert len(ports) == 3
    world.workloads.ensure(spec("1", scale=1))
    assert len(programs(world)) == 1


def test_the_release_command_runs_once_and_before(world):
    world.volumes.ensure(Address.parse("dev/orders/data"))
    volume = VolumeSpec("/data", "dev/orders/data")
    release = ("/bin/sh", "-c", "echo $VERSION >> /data/released")
    world.artifacts.artifact = replace(
        world.artifacts.artifact, processes={**world.artifacts.artifact.processes, "release": release}
    )
    for version in ("1", "1", "2"):
        world.workloads.ensure(spec(version, volumes=(volume,)))
    assert world.get(HOST, "/read/data/released") == (200, "1\n2\n")


def test_a_release_command_that_fails_starts_nothing(world):
    world.workloads.ensure(spec("1"))
    release = ("/bin/sh", "-c", "echo cannot migrate; exit 1")
    world.artifacts.artifact = replace(
        world.artifacts.artifact, processes={**world.artifacts.artifact.processes, "release": release}
    )
    with pytest.raises(Terminal, match="release command: it failed") as failed:
        world.workloads.ensure(spec("2"))
    assert "cannot migrate" in failed.value.diagnostic.detail
    assert world.get(HOST) == (200, "1")


def test_files_are_put_where_they_belong_and_nowhere_else(world):
    world.workloads.ensure(spec("1", files=(FileSpec("/etc/app/config", content="mine"),)))
    assert world.get(HOST, "/read/etc/app/config") == (200, "mine")
    with pytest.raises(Refused, match="belongs to the system"):
        world.workloads.ensure(spec("2", files=(FileSpec("/usr/bin/python3", content="evil"),)))
    with pytest.raises(Refused, match="is not in there"):
        world.workloads.ensure(spec("2", files=(FileSpec("/x", source="../../etc/shadow"),)))
    assert world.get(HOST) == (200, "1")


def test_a_missing_artifact_says_so(world):
    with pytest.raises(Refused, match="has no artifact sha256:unknown"):
        world.workloads.ensure(spec("1", artifact="sha256:unknown"))
    assert world.inventory.list("workload") == {}


def test_a_start_that_was_killed_half_way_is_cleared_away_by_the_next(world, monkeypatch):
    world.workloads.ensure(spec("1"))

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    # What a crash leaves: everything up to this point, and nothing of the clearing away.
    monkeypatch.setattr("pave.provider.workload.wait", die)
    monkeypatch.setattr(type(world.workloads), "_retire", lambda *_: None)
    with pytest.raises(Killed):
        world.workloads.ensure(spec("2"))
    assert len(programs(world)) == 2
    monkeypatch.undo()
    assert world.get(HOST) == (200, "1")
    world.workloads.ensure(spec("3"))
    assert world.get(HOST) == (200, "3")
    assert len(programs(world)) == 1


def test_unknown_hosts_are_told_where_to_look(world):
    world.workloads.ensure(spec("1"))
    status, body = world.get("nobody.dev.localhost")
    assert status == 404
    assert "nobody.dev.localhost" in body
    assert "pave status" in body


def test_routes_lead_to_the_workload_of_their_stack(world):
    world.workloads.ensure(spec("1"))
    route = RouteSpec(Address.parse("dev/orders/shop"), "shop.localhost", "/api")
    assert world.routes.ensure(route).url == f"http://shop.localhost:{world.router.port}/api"
    assert world.get("shop.localhost", "/api/x") == (200, "1")
    assert world.get("shop.localhost", "/other")[0] == 404
    with pytest.raises(Refused, match="already routed to dev/orders/shop"):
        world.routes.ensure(RouteSpec(Address.parse("dev/other/shop"), "shop.localhost", "/api"))
    with pytest.raises(Refused, match="already routed to dev/orders/workload"):
        world.workloads.ensure(spec("1", address="dev/thief/workload"))
    world.routes.remove(route.address)
    assert world.get("shop.localhost", "/api/x")[0] == 404


def test_health_tells_what_is_wrong(world):
    cloud = LocalCloud(world.workloads, world.routes, Trash((world.volumes,)), backups=None)
    stack = WORKLOAD.stack
    assert cloud.health(stack) == {}
    world.workloads.ensure(spec("1"))
    assert cloud.health(stack)[WORKLOAD].status is Status.HEALTHY
    assert cloud.urls(stack) == {"workload": f"http://{HOST}:{world.router.port}"}
    for name in programs(world):
        world.machine.stop(name)
    assert cloud.health(stack)[WORKLOAD].status is Status.MISSING
    assert "not running" in cloud.health(stack)[WORKLOAD].reason


def test_requests_are_logged_and_counted_by_host(world, tmp_path):
    world.workloads.ensure(spec("1"))
    world.get(HOST, "/logged")
    lines = (tmp_path / "logs" / "access" / f"{HOST}.log").read_text().splitlines()
    assert any(json.loads(line)["request"]["uri"] == "/logged" for line in lines)
    assert re.search(rf'caddy_http_requests_total{{[^}}]*host="{HOST}[^}}]*}} [1-9]', world.router.metrics())


def test_a_killed_router_comes_back_with_its_routes(world):
    world.workloads.ensure(spec("1"))
    before = world.machine.state("router").pid
    os.kill(before, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and world.machine.state("router").pid in (0, before):
        time.sleep(0.05)
    while time.monotonic() < deadline and not listens(world.router.port):
        time.sleep(0.05)
    assert world.get(HOST) == (200, "1")


def test_everything_comes_back_after_the_supervisor_was_killed(world):
    world.workloads.ensure(spec("1"))
    before = world.get(HOST, "/pid")
    pid = int((world.machine.directory / "supervisord.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    world.machine.attach()
    world.workloads.ensure(spec("1"))
    assert world.get(HOST) == (200, "1")
    assert len(programs(world)) == 1
    assert before[0] == 200


def test_a_removed_volume_can_be_restored(world):
    address = Address.parse("dev/orders/data")
    (world.volumes.ensure(address) / "kept").write_text("1")
    world.volumes.remove(address)
    assert world.volumes.path(address) is None
    Trash((world.volumes,)).restore(address)
    assert (world.volumes.path(address) / "kept").read_text() == "1"


def test_the_digest_is_what_a_process_could_notice():
    assert spec("1").revision == spec("1", host="elsewhere.localhost").revision
    assert spec("1").revision != spec("2").revision
    assert spec("1").artifact == DIGEST
