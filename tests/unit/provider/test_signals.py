"""What the router saw, from its access logs as Caddy writes and turns them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from pave.provider.signals import AGENT, last_request, traffic

HOST = "orders.dev.localhost"


def line(at: float, status: int = 200, port: int = 9001, agent: str = "curl") -> str:
    request = {"host": HOST, "headers": {"User-Agent": [agent]}}
    return json.dumps({"ts": at, "status": status, "duration": 0.01, "served_by": str(port), "request": request})


def written(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    path.write_text("".join(f"{one}\n" for one in lines))
    return path


def test_versions_are_told_apart_and_probes_left_out(tmp_path: Path) -> None:
    log = written(
        tmp_path, f"{HOST}.log", line(50), line(101), line(102, 500, 9002), line(103, 503, 9002, AGENT), '{"ts": 10'
    )
    found = traffic(log, datetime.fromtimestamp(100, UTC), {9002})
    assert (found["stable"].requests, found["stable"].errors) == (1, 0)
    assert (found["candidate"].requests, found["candidate"].errors) == (1, 1)


def test_a_log_that_was_only_just_begun_does_not_make_a_busy_service_idle(tmp_path: Path) -> None:
    written(tmp_path, f"{HOST}-2026-11-24T01-00-00.000.log", line(90))
    written(tmp_path, f"{HOST}-2026-11-24T02-00-00.000.log", line(101), line(102))
    log = written(tmp_path, f"{HOST}.log")
    assert last_request(log) == datetime.fromtimestamp(102, UTC)
    assert traffic(log, datetime.fromtimestamp(100, UTC), ())["stable"].requests == 2
    log.unlink()
    assert last_request(log) == datetime.fromtimestamp(102, UTC)


def test_another_host_that_begins_alike_is_not_read(tmp_path: Path) -> None:
    written(tmp_path, f"{HOST}-more.log", line(101))
    assert last_request(tmp_path / f"{HOST}.log") is None
