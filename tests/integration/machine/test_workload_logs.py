"""What real programs write below a real supervisord: collected from every process and version, to the line."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from small_world import PYTHON, spec

from pave.adapters.logs.collector import Collector
from pave.adapters.logs.store import LocalLogs
from pave.apply.retry import Terminal
from pave.observe.logs import LogQuestion, Origin
from pave.ports import LogFile
from pave.ports.machine import Program
from pave.provider.log_files import LogFiles

HOST = "orders.dev.localhost"
CLOCK = SimpleNamespace(now=lambda: datetime.now(UTC))
NO_EVENTS = SimpleNamespace(last=lambda: 0, read=lambda *_, **__: [])


@pytest.fixture
def logs(tmp_path):
    made = LocalLogs(tmp_path / "kept", 10**9, 14)
    yield made
    made.close()


@pytest.fixture
def collecting(world, logs):
    files = LogFiles(world.workloads, world.router.logs)
    collector = Collector(logs, files, NO_EVENTS, CLOCK)
    world.workloads.site = replace(world.workloads.site, last_words=collector.finish)
    collector.start()
    yield logs
    collector.close()


def said(logs, count=1, **question):
    """The lines that answer, once there are `count`."""
    deadline = time.monotonic() + 10
    while len(found := logs.search(LogQuestion("dev", "orders", **question), 5000).lines) < count:
        assert time.monotonic() < deadline, [one.text for one in found]
        time.sleep(0.02)
    return found


def test_replicas_and_versions_are_told_apart_and_secrets_masked_from_the_first_line(world, collecting):
    world.workloads.ensure(spec("1", scale=2, variables={"API_TOKEN": "s3cr3t-value"}))
    first = said(collecting, 2)
    assert {one.text for one in first} == {"starting 1 token •••"}
    assert {one.origin.process for one in first} == {"web.0", "web.1"}
    world.workloads.ensure(spec("2", scale=1, variables={"API_TOKEN": "0ther-s3cr3t"}))
    second = said(collecting, 1, text="starting 2")
    assert [one.text for one in second] == ["starting 2 token •••"]
    assert second[0].origin.revision != first[0].origin.revision
    assert first[0].origin.version == "0" * 12
    assert len(said(collecting, 3)) == 3  # the first version's are there still


def test_what_a_version_that_did_not_start_said_is_kept(world, collecting):
    with pytest.raises(Terminal):
        world.workloads.ensure(spec("1", args=("crash",), variables={"DATABASE_URL": "postgresql://a:pa55word@h/d"}))
    assert not list(world.workloads.site.logs.glob("*.log"))
    assert said(collecting, 1, text="no database")[0].text == "no database at postgresql://a:•••@h/d"


def test_what_the_router_answered_is_found_by_its_status(world, collecting):
    world.workloads.ensure(spec("1"))
    assert world.get(HOST, "/pay?token=s3cr3t") == (200, "1")
    (line,) = said(collecting, 1, sources=("router",), fields=(("status", "200"), ("path", "/pay")))
    assert line.text.startswith("GET /pay?token=s3cr3t 200 ")


def test_rotation_by_supervisord_loses_and_doubles_no_line(machine, logs, tmp_path):
    count = 20_000
    writer = (
        f"import time\nfor n in range({count}):\n  print('line', n, flush=n % 50 == 0)\n  n % 500 or time.sleep(.05)"
    )
    program = Program("writer", (PYTHON, "-c", writer), tmp_path / "w.log", restart=False, log_bytes=40_000)
    file = LogFile("program/w", program.log, Origin("workload", "dev", "orders", "w.0"))
    collector = Collector(logs, lambda: [file], NO_EVENTS, CLOCK)
    collector.start()
    machine.ensure(program)
    deadline = time.monotonic() + 30
    while f"line {count - 1}" not in [one.text for one in logs.search(LogQuestion(), 1).lines]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    collector.close()
    found = [one.text for one in logs.search(LogQuestion(), count + 10).lines]
    assert list(tmp_path.glob("w.log.2"))
    assert found == [f"line {number}" for number in range(count)]
