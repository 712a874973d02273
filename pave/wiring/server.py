"""Starting and stopping a platform: one process holds the data directory, and leaves it in order."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path

from pave.doors import presence, site
from pave.doors.presence import Ready
from pave.model.diagnostics import Refused, error
from pave.settings import Settings
from pave.wiring.machine import Base, ControlPostgres
from pave.wiring.platform import Platform

_END_SECONDS = 45.0


class AlreadyRunning(Refused):
    """Another process serves the same data."""

    def __init__(self, data: Path, found: presence.Presence | None) -> None:
        self.found = found
        where = f" at {found.url} (process {found.pid})" if found else ""
        super().__init__(error(f"Pave runs on {data} already{where}", remedy="Use it, or stop it with `pave down`."))


def serve(settings: Settings, ready: Callable[[Ready], None]) -> None:
    """Run the platform until a signal. What it runs goes on; `stop` ends that too.

    Raises `AlreadyRunning`, or `Refused` for what cannot be started.
    """
    began = time.monotonic()
    base = Base(settings)
    _log_at(settings.log_level, settings.data / "logs" / "server.log")
    with _alone(settings.data), _listen(settings) as listener:  # where the port is taken, nothing is started
        base.machine.attach()
        platform = Platform(base, listener)
        try:
            platform.open()
            whole = platform.site()
            server = site.Server(whole, platform.listener)
            platform.work()
            _serve_until_signal(server, platform, ready, began)
        finally:
            presence.withdraw(settings.data)
            platform.close()


def stop(settings: Settings) -> bool:
    """Stop the server, every workload and every local server; whether anything ran."""
    if not settings.data.is_dir():
        return False
    base = Base(settings)
    found = presence.find(settings.data)
    if found is not None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(found.pid, signal.SIGTERM)
    with _alone(settings.data, found.pid if found else 0):
        there = base.machine.shutdown(last=[ControlPostgres.name]) or found is not None
        if not base.places.run.is_relative_to(settings.data):
            shutil.rmtree(base.places.run, ignore_errors=True)
    return there


def _log_at(level: str, file: Path) -> None:
    """Pave's own log at `level` into `file`; what is wrong, also with the libraries, is on stderr too."""
    if level.upper() not in logging.getLevelNamesMapping():
        raise Refused(error(f"log_level cannot be {level!r}", remedy="One of: DEBUG, INFO, WARNING, ERROR, CRITICAL."))
    shown, kept = logging.StreamHandler(), RotatingFileHandler(file, maxBytes=10 * 2**20, backupCount=3, delay=True)
    shown.setLevel(logging.WARNING)
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=logging.WARNING, handlers=[shown, kept], format=form)
    logging.getLogger("pave").setLevel(level.upper())


def _serve_until_signal(server: site.Server, platform: Platform, ready: Callable[[Ready], None], began: float) -> None:
    token, link = platform.sign_in()

    def end(_number: int, _frame: object) -> None:
        server.stop()

    def announce() -> None:
        presence.announce(platform.settings.data, platform.url, token)
        ready(Ready(platform.url, link, time.monotonic() - began))

    def await_start() -> None:
        while not server.started and not server.should_exit:
            time.sleep(0.005)
        if server.started:
            announce()

    # uvicorn would raise a captured signal again after it has stopped, which would end the clean-up.
    server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    threading.Thread(target=await_start, name="pave-ready", daemon=True).start()
    server.run_here()


@contextmanager
def _alone(data: Path, ending: int = 0) -> Iterator[None]:
    """Hold the data directory; a lock that a killed process held is free again.

    `ending` is a process that was asked to end and holds it until then; one that does not end is killed, and
    the next start finds whatever that cut off.
    """
    descriptor = os.open(data / "server.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + (_END_SECONDS if ending else 0.0)
    try:
        while not _locked(descriptor):
            if not ending:
                raise AlreadyRunning(data, presence.find(data))
            if time.monotonic() > until:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(ending, signal.SIGKILL)
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _listen(settings: Settings) -> socket.socket:
    try:
        return site.listen(settings.host, settings.port)
    except OSError as problem:
        raise Refused(
            error(
                f"Port {settings.port} on {settings.host} is taken",
                detail=str(problem.strerror or problem),
                remedy="Choose another one: pave up --port 8801, or --port 0 for a free one.",
            )
        ) from problem
