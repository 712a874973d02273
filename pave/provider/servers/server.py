"""A server behind the local provider: defined on first need, started by the machine, ready when it answers.

What a server needs to be the same again (its port, its own password) is in the inventory; everything else
can be thrown away and made anew. A server never moves from a port that somebody was told.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pave.apply.retry import Terminal, Transient
from pave.model.diagnostics import error
from pave.ports.machine import Confine, Machine, Program
from pave.provider.inventory import Inventory, write_private
from pave.provider.servers.ports import listener, taken

Record = Mapping[str, Any]
_TRUST_SECONDS = 2.0
_PORT_ATTEMPTS = 5
_GONE_LOOKS = 30
_GOING_SECONDS = 5.0


@dataclass(frozen=True)
class Ground:
    """What every local server stands on.

    `directory` holds the servers' data, `run` (a short path) their sockets, `logs` their logs. `user` is
    the (uid, gid) that `confine` switches to, or None where Pave itself is an ordinary user.
    """

    directory: Path
    run: Path
    logs: Path
    machine: Machine
    inventory: Inventory
    confine: Confine
    user: tuple[int, int] | None = None

    def folder(self, path: Path) -> Path:
        """Ensure a folder that only the servers' user can enter."""
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.hand_over(path)
        return path

    def write(self, path: Path, content: str | bytes) -> Path:
        """Write a file that only the servers' user can read, all of it or nothing."""
        write_private(path, content.encode() if isinstance(content, str) else content)
        self.hand_over(path)
        return path

    def hand_over(self, path: Path) -> None:
        """Give a path to the user that the servers run as."""
        if self.user is not None and path.stat().st_uid != self.user[0]:
            os.chown(path, *self.user)


class Server(ABC):
    """One local server. Subclasses say how it is configured, started and asked whether it is ready."""

    name: str
    title: str
    start_seconds = 30.0
    stop_signal = "TERM"
    stop_seconds = 10

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self.directory = ground.directory / self.name
        self._mutex = threading.RLock()
        self._ready: Record | None = None
        self._looked = 0.0
        self._held = False

    @abstractmethod
    def first_record(self) -> dict[str, Any]:
        """The record of a server that was never started: its ports (names ending in `port`) and secrets."""

    @abstractmethod
    def prepare(self, record: Record) -> None:
        """Write what the server reads at its start."""

    @abstractmethod
    def argv(self, record: Record) -> tuple[str, ...]:
        """The complete command, confined."""

    @abstractmethod
    def answers(self, record: Record) -> bool:
        """Whether the server speaks its own protocol to us now; it may raise instead of False."""

    def environment(self, _record: Record) -> Mapping[str, str]:
        """The variables that the server gets."""
        return {"LC_ALL": "C.UTF-8", "PATH": "/usr/bin:/bin", "HOME": str(self.directory)}

    def started(self, record: Record) -> None:  # noqa: B027 — most servers have nothing to do here
        """What is to be done once after each start."""

    @property
    def record(self) -> Record | None:
        """What is known of the server, or None if it was never needed."""
        return self.ground.inventory.get("server", self.name)

    @property
    def running(self) -> bool:
        """Whether it runs now; nothing is started to find out."""
        return self.record is not None and self._runs()

    def ensure(self) -> Record:
        """Have the server running and answering; return its record. Raises `Terminal` or `Transient`."""
        ready = self._ready
        if ready is not None and time.monotonic() - self._looked < _TRUST_SECONDS:
            return ready
        with self.exclusive():
            record = self.record
            if self._ready is None or record is None or not self._runs():
                record = self._start(record)
            self._ready, self._looked = record, time.monotonic()
            return record

    def doubt(self) -> None:
        """Forget that the server was ready: the next `ensure` looks again."""
        self._ready = None

    def keep(self, record: Record) -> None:
        """Remember a changed record."""
        self.ground.inventory.put("server", self.name, dict(record))
        self._ready = dict(record)

    def remove(self) -> None:
        """Stop the server for good and delete its data."""
        with self.exclusive():
            self.ground.machine.remove(self.name)
            self.ground.inventory.remove("server", self.name)
            self._ready = None
            shutil.rmtree(self.directory, ignore_errors=True)

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Alone with this server, across threads and processes."""
        with self._mutex:
            if self._held:
                yield
                return
            with self.ground.inventory.lock("server", self.name):
                self._held = True
                try:
                    yield
                finally:
                    self._held = False

    def _runs(self) -> bool:
        state = self.ground.machine.state(self.name)
        return state is not None and state.running

    def _start(self, record: Record | None) -> Record:
        for _ in range(_PORT_ATTEMPTS):
            current = dict(record or self.first_record())
            if not self._runs() and (stranger := self._stranger(current)):
                if current.get("told"):
                    raise Terminal(stranger)
                record = None
                continue
            if record is None:
                self.ground.inventory.put("server", self.name, current)
            self._launch(current)
            if not current.get("told"):
                current["told"] = True
                self.ground.inventory.put("server", self.name, current)
            return current
        raise Transient(error(f"no free port for {self.title}", remedy="It is tried again by itself."))

    def _stranger(self, record: Record) -> Any:
        for name, port in record.items():
            if name.endswith("port") and _stays_taken(int(port)):
                return error(
                    f"{self.title} cannot start: {listener(int(port))} listens on its port {port}",
                    detail="The port is part of the addresses that applications were given, so it is not changed.",
                    remedy=f"Stop that program or move it from port {port}; then try again.",
                )
        return None

    def _launch(self, record: Record) -> None:
        self.ground.folder(self.directory)
        self.ground.logs.mkdir(parents=True, exist_ok=True)
        self.prepare(record)
        log = self.ground.logs / f"{self.name}.log"
        self.ground.machine.ensure(
            Program(
                name=self.name,
                argv=self.argv(record),
                log=log,
                environment=self.environment(record),
                stop_signal=self.stop_signal,
                stop_seconds=self.stop_seconds,
            )
        )
        self._wait(record, log)
        self.started(record)

    def _wait(self, record: Record, log: Path) -> None:
        deadline = time.monotonic() + self.start_seconds
        pause, quiet = 0.01, 0
        while time.monotonic() < deadline:
            with suppress(Exception):  # whatever it is, the server is not ready yet; the deadline says when to give up
                if self.answers(record):
                    return
            time.sleep(pause)
            pause = min(pause * 1.3, 0.1)
            quiet = 0 if self._runs() else quiet + 1
            if quiet > _GONE_LOOKS:
                break
        state = self.ground.machine.state(self.name)
        raise Transient(
            error(
                f"{self.title} did not become ready",
                detail=state.detail if state is not None else "",
                remedy=f"Its log says why: {log}.",
            )
        )


def _stays_taken(port: int) -> bool:
    """Whether a port stays taken; a server of ours that is on its way out is given the time to go."""
    deadline = time.monotonic() + _GOING_SECONDS
    while taken(port):
        if time.monotonic() > deadline:
            return True
        time.sleep(0.05)
    return False
