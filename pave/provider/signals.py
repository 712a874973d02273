"""What the router saw: requests, errors and latencies by version, and when somebody last asked.

Read from the end of the access log of each host, and of the one before where the router has only just begun another:
at most a few megabytes, so that it costs the same whatever the log's size; a busy minute may be cut to its last part.
What Pave itself asks is not counted.
"""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pave.observe.traffic import Traffic
from pave.ports import Probe
from pave.provider.servers.ports import LOOPBACK

AGENT = "pave-probe"
_MOST_BYTES = 4_000_000
_RECENT_BYTES = 256_000
_PROBE_SECONDS = 5.0


def probe(host: str, port: int, path: str = "/") -> Probe:
    """Ask for one page at a port of this machine, as `host`."""
    began = time.monotonic()
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_PROBE_SECONDS)
    url = f"http://{host}{path}"
    try:
        connection.request("GET", path, headers={"Host": host, "User-Agent": AGENT})
        answer = connection.getresponse()
        answer.read(65536)
        return Probe(url, answer.status, time.monotonic() - began)
    except (OSError, http.client.HTTPException) as problem:
        return Probe(url, seconds=time.monotonic() - began, problem=str(problem) or type(problem).__name__)
    finally:
        connection.close()


def traffic(log: Path, since: datetime, candidate: Collection[int]) -> dict[str, Traffic]:
    """The requests in an access log since then, apart for the ports of the version that is coming."""
    seen: dict[str, list[tuple[float, bool]]] = {"stable": [], "candidate": []}
    start = since.timestamp()
    for one in _entries(log, _MOST_BYTES):
        if one["ts"] >= start and not _own(one):
            version = "candidate" if _port(one) in candidate else "stable"
            seen[version].append((float(one.get("duration", 0.0)), int(one.get("status", 0)) >= 500))
    return {version: _summed(requests) for version, requests in seen.items()}


def last_request(log: Path) -> datetime | None:
    """When somebody last asked; None where nobody did, as far back as the end of the log reaches."""
    times = [one["ts"] for one in _entries(log, _RECENT_BYTES) if not _own(one)]
    return datetime.fromtimestamp(max(times), UTC) if times else None


def _summed(requests: list[tuple[float, bool]]) -> Traffic:
    if not requests:
        return Traffic()
    seconds = sorted(duration for duration, _ in requests)
    return Traffic(
        requests=len(requests),
        errors=sum(failed for _, failed in requests),
        p50=seconds[len(seconds) // 2],
        p95=seconds[min(int(len(seconds) * 0.95), len(seconds) - 1)],
    )


def _entries(log: Path, most: int) -> Iterator[Mapping[str, Any]]:
    now = _end(log, most)
    before = max(log.parent.glob(f"{log.stem}-[0-9]*T[0-9]*{log.suffix}"), default=None)
    earlier = _end(before, most - len(now)) if before is not None and len(now) < most else b""
    for line in (*earlier.splitlines(), *now.splitlines()):
        try:
            one = json.loads(line)
        except ValueError:  # a line that is only just being written, or was cut
            continue
        if isinstance(one, dict) and isinstance(one.get("ts"), int | float):
            yield one


def _end(log: Path, most: int) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - most, 0))
            return file.read(most)
    except FileNotFoundError:  # it was turned just now, or nobody asked yet
        return b""


def _own(one: Mapping[str, Any]) -> bool:
    headers = (one.get("request") or {}).get("headers") or {}
    return AGENT in (headers.get("User-Agent") or ())


def _port(one: Mapping[str, Any]) -> int:
    text = str(one.get("served_by") or "0")
    return int(text) if text.isdecimal() else 0
