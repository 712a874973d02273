"""A platform started for a benchmark, on data of its own, as a user would start it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pave.doors.presence import find

_ENDED = ("succeeded", "failed", "denied", "cancelled")


@dataclass
class Running:
    """One running platform and a client with its owner's token."""

    data: Path
    process: subprocess.Popen[bytes]
    client: httpx.Client
    ready_seconds: float

    def run(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask for something and wait for its run. Raises `RuntimeError` where it does not succeed."""
        answer = self.client.request(method, f"/api/v1{path}", json=body)
        answer.raise_for_status()
        place = answer.headers["location"]
        while True:
            run: dict[str, Any] = self.client.get(place, params={"wait": 30}).json()
            if run["state"] in _ENDED:
                break
        if run["state"] != "succeeded":
            raise RuntimeError(f"{method} {path}: {run['state']}: {run['error'] or run['verdict']}")
        return run

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """Read something."""
        answer = self.client.get(f"/api/v1{path}", params=query)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def look(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask what would happen."""
        answer = self.client.post(f"/api/v1{path}", params={"dry_run": "true"}, json=body)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def credentials(self, address: str) -> dict[str, Any]:
        """How to reach a resource."""
        answer = self.client.post(f"/api/v1/resources/{address}/credentials")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def end(self) -> None:
        """Stop the server; what it runs goes on."""
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def start(data: Path, **variables: str) -> Running:
    """`pave up` on `data`, until it is ready. `ready_seconds` is from the process's start to its first answer."""
    environment = {**os.environ, "PAVE_PORT": "0", "PAVE_ROUTER_PORT": "0", **variables}
    began = time.monotonic()
    log = (data.parent / f"{data.name}.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "pave", "--data", str(data), "up"], env=environment, stdout=log, stderr=log
    )
    while True:
        found = find(data)
        if found is not None and found.pid == process.pid:
            client = httpx.Client(
                base_url=found.url, headers={"Authorization": f"Bearer {found.token}"}, timeout=httpx.Timeout(90)
            )
            with contextlib.suppress(httpx.HTTPError):
                if client.get("/readyz").status_code == 200:
                    return Running(data, process, client, time.monotonic() - began)
            client.close()
        if process.poll() is not None:
            raise RuntimeError(Path(log.name).read_text()[-2000:])
        if time.monotonic() - began > 60:
            process.kill()
            raise RuntimeError("the platform did not come up")
        time.sleep(0.005)


def stop(data: Path) -> None:
    """`pave down`."""
    subprocess.run([sys.executable, "-m", "pave", "--data", str(data), "down"], check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder for data, removed with everything that runs on it."""
    place = Path(tempfile.mkdtemp(prefix="pave-bench-"))
    data = place / "data"
    try:
        yield data
    finally:
        if data.exists():
            stop(data)
        shutil.rmtree(place, ignore_errors=True)


@contextlib.contextmanager
def platform(**variables: str) -> Iterator[Running]:
    """A platform on empty data."""
    with folder() as data:
        running = start(data, **variables)
        try:
            yield running
        finally:
            running.end()


def family(process: int) -> set[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, pending = set(), [process]
    while pending:
        one = pending.pop()
        found.add(one)
        pending += children.get(one, [])
    return found


def proportional_bytes(processes: set[int]) -> int:
    """The proportional set size of processes together."""
    total = 0
    for one in processes:
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
    return total
