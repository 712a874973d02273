"""The machine's supervisor: supervisord, a process of its own that keeps programs alive while Pave restarts.

Every program is two files: what supervisord may know, and a private one with arguments and variables for the
launcher. The launcher leaves a record of the process and of the definition it runs, so a definition that was
changed half-way through a crash, or a process that outlived a killed supervisord, is always found. It refuses
to touch a process that is not on record.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import re
import secrets
import shlex
import signal
import socket
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pave.adapters.lock import locked
from pave.adapters.sandbox import confined
from pave.adapters.subprocesses import PATH, Command, daemon
from pave.apply.retry import Transient
from pave.model.diagnostics import Refused, error
from pave.ports.machine import Program, ProgramState

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,200}$")
_LONGEST_SOCKET = 100
_SHUTTING_DOWN = 6
_SO_ALREADY = (10, 60, 70, 90)  # no such program, already started, not running, already added
_DO_NOT_WAIT = False
_ATTEMPTS = 4
_RUNNING = ("STARTING", "RUNNING")
_ENDING_SECONDS = 5.0
_LAUNCH = Path(__file__).with_name("launch.py")


class SupervisorMachine:
    """Programs below one supervisord. Any number of processes may use the same one.

    `directory` keeps definitions and records, `run` (a short path) the socket, `logs` supervisord's own log.
    """

    def __init__(self, directory: Path, run: Path, logs: Path) -> None:
        self.directory, self.logs = directory, logs
        self.socket = run / "supervisor.sock"
        if len(os.fsencode(self.socket)) >= _LONGEST_SOCKET:
            raise Refused(
                error(
                    f"{self.socket} is too long for a Unix socket", remedy="Use a data directory with a shorter path."
                )
            )
        self._mutexes: dict[str, threading.Lock] = {}
        self._mutex = threading.Lock()

    def ensure(self, program: Program) -> None:
        """Have `program` running with exactly this definition; one that differs is stopped and started anew."""
        name = _checked(program.name)
        private, public = self._definition(program)
        with self._alone(name):
            info = self._info(name)
            same = self._read(self._private(name)) == private and self._read(self._public(name)) == public
            # Without a record it was launched a moment ago and is about to read the very file that was compared.
            if info and same and self._record(name).get("digest", _digest(program)) == _digest(program):
                if info["statename"] not in (*_RUNNING, "BACKOFF"):
                    self._record_path(name).unlink(missing_ok=True)
                    self._call("startProcess", name, _DO_NOT_WAIT)
                return
            if info:
                self._take_away(name)
            program.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write(self._private(name), private)
            _write(self._public(name), public)
            self._call("reloadConfig")
            self._call("addProcessGroup", name)

    def state(self, name: str) -> ProgramState | None:
        """The state of a defined program, or None."""
        if not self._public(_checked(name)).exists():
            return None
        info = self._info(name)
        return ProgramState(running=False, detail="not started yet") if info is None else self._state(name, info)

    def states(self) -> Mapping[str, ProgramState]:
        """The states of all defined programs that were started, in one look."""
        return {str(one["name"]): self._state(str(one["name"]), one) for one in self._call("getAllProcessInfo")}

    def _state(self, name: str, info: Mapping[str, Any]) -> ProgramState:
        running = info["statename"] in _RUNNING
        since = datetime.fromtimestamp(info["start"], UTC).isoformat() if info["start"] else ""
        ended = f"exit status {info['exitstatus']}" if info["statename"] == "EXITED" else ""
        words = [info["statename"].lower(), ended, str(info["spawnerr"]) if not running else ""]
        return ProgramState(
            running=running,
            pid=int(info["pid"]),
            since=since,
            restarts=max(int(self._record(name).get("launches", 0)) - 1, 0),
            detail=", ".join(word for word in words if word),
        )

    def programs(self) -> Sequence[str]:
        """The names of all defined programs, sorted."""
        return sorted(path.stem for path in (self.directory / "programs").glob("*.conf"))

    def stop(self, name: str) -> None:
        """Stop a program and wait for it; its definition stays."""
        with self._alone(_checked(name)):
            if self._public(name).exists() and self._info(name):
                self._stop(name)

    def remove(self, name: str) -> None:
        """Stop a program and forget it."""
        with self._alone(_checked(name)):
            if self._public(name).exists() and self._info(name):
                self._take_away(name)
            own = (self._public(name), self._private(name), self._record_path(name), self.directory / "locks" / name)
            for path in own:
                path.unlink(missing_ok=True)

    def signal(self, name: str, number: int) -> None:
        """Send a signal to a running program (to the command itself, where it is confined)."""
        with contextlib.suppress(ProcessLookupError):
            state = self.state(name)
            if state and state.pid:
                os.killpg(state.pid, number)

    def attach(self) -> None:
        """Have supervisord running; what a killed one left behind is ended first, and then all is started again."""
        if self._answers():
            return
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self._alone("supervisord"):
            if self._answers():
                return
            self._end_orphans()
            self._start()

    def revive(self) -> bool:
        """Have supervisord back if its process is gone; whether it was. One that is slow to answer is left alone."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.directory / "supervisord.pid").read_text())
            if _started(pid):
                return False
            self.attach()
            return True
        return False

    def shutdown(self, last: Sequence[str] = ()) -> bool:
        """Stop everything, those named in `last` after the others and in that order, and supervisord itself.

        Whether anything was on record as running.
        """
        if not self._answers():
            left = any((self.directory / "records").glob("*.json"))
            if self.directory.exists():
                self._end_orphans()
            return left
        running = [name for name in self.programs() if name not in last]
        threads = [threading.Thread(target=self.stop, args=(name,)) for name in running]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name in last:
            if name in self.programs():
                self.stop(name)
        pid = int(self._call("getPID"))
        started = _started(pid)
        self._call("shutdown")
        _await_end(pid, started, 30.0)
        self._end_orphans()
        return True

    def _definition(self, program: Program) -> tuple[bytes, bytes]:
        """The private and the public file of a program."""
        private = {
            "argv": list(program.argv),
            "environment": dict(program.environment),
            "directory": str(program.directory),
            "confined": confined(program.argv),
            "record": str(self._record_path(program.name)),
            "digest": _digest(program),
        }
        launcher = shlex.join([sys.executable, "-I", "-S", str(_LAUNCH), str(self._private(program.name))])
        public = {
            "command": launcher,
            "directory": "/",
            "autostart": "true",
            "autorestart": "true" if program.restart else "false",
            "startsecs": "1" if program.restart else "0",
            "startretries": "100",
            "stopsignal": program.stop_signal,
            "stopwaitsecs": str(program.stop_seconds),
            "stopasgroup": "true",
            "killasgroup": "true",
            "redirect_stderr": "true",
            "stdout_logfile": str(program.log),
            "stdout_logfile_maxbytes": str(program.log_bytes),
            "stdout_logfile_backups": "2",
        }
        return json.dumps(private, indent=1, sort_keys=True).encode(), _ini(f"program:{program.name}", public)

    def _take_away(self, name: str) -> None:
        self._stop(name)
        self._call("removeProcessGroup", name)
        self._record_path(name).unlink(missing_ok=True)

    def _stop(self, name: str) -> None:
        self._call("stopProcess", name)

    def _info(self, name: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self._call("getProcessInfo", name, otherwise=None)
        return found

    def _call(self, method: str, *arguments: Any, otherwise: Any = True) -> Any:
        """Call supervisord, starting it where it is not running; `otherwise` is the answer where it is so already."""
        for _ in range(_ATTEMPTS):
            try:
                with self._proxy() as proxy:
                    return getattr(proxy.supervisor, method)(*arguments)
            except xmlrpc.client.Fault as problem:
                if problem.faultCode in _SO_ALREADY:
                    return otherwise
                if problem.faultCode != _SHUTTING_DOWN:
                    raise Transient(
                        error(
                            f"The supervisor refuses {method} {' '.join(map(str, arguments))}: {problem.faultString}",
                            remedy=f"Its log may say more: {self._log}.",
                        )
                    ) from problem
                time.sleep(0.5)
            except (OSError, http.client.HTTPException):
                self.attach()
        raise Transient(error("The supervisor does not answer", remedy=f"Its log says why: {self._log}."))

    def _proxy(self) -> xmlrpc.client.ServerProxy:
        password = (self.directory / "password").read_text() if (self.directory / "password").exists() else "none"
        return xmlrpc.client.ServerProxy(f"http://pave:{password}@supervisor", transport=_UnixTransport(self.socket))

    def _answers(self) -> bool:
        try:
            with self._proxy() as proxy:
                proxy.supervisor.getPID()
        except (OSError, http.client.HTTPException):
            return False
        return True

    def _start(self) -> None:
        for folder in (self.directory / "programs", self.directory / "records", self.logs, self.socket.parent):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        password = secrets.token_urlsafe(24)
        _write(self.directory / "password", password.encode())
        _write(self.directory / "supervisord.conf", self._configuration(password))
        argv = (sys.executable, "-P", "-m", "pave.adapters.supervise", "-c", str(self.directory / "supervisord.conf"))
        # supervisord leaves for the background by itself, and not before its socket is open.
        status = daemon(Command(argv, self.directory, {"PATH": PATH, "LC_ALL": "C.UTF-8"}, seconds=30.0), self._log)
        if status or not self._answers():
            last = (self._log.read_text().strip().splitlines() or ["it said nothing"])[-1]
            raise Transient(
                error(f"The supervisor did not start: {last}", remedy=f"Its log may say more: {self._log}.")
            )

    def _configuration(self, password: str) -> bytes:
        daemon = {
            "logfile": str(self._log),
            "logfile_maxbytes": "5000000",
            "logfile_backups": "1",
            "pidfile": str(self.directory / "supervisord.pid"),
            "childlogdir": str(self.logs),
            "directory": str(self.directory),
            "identifier": "pave",
            "umask": "077",
            "nocleanup": "true",
        }
        if os.geteuid() == 0:
            daemon["user"] = "root"  # said outright, or supervisord complains at each start
        http_server = {"file": str(self.socket), "chmod": "0600", "username": "pave", "password": password}
        interface = {"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"}
        return b"\n".join(
            (
                _ini("unix_http_server", http_server),
                _ini("supervisord", daemon),
                _ini("rpcinterface:supervisor", interface),
                _ini("include", {"files": str(self.directory / "programs" / "*.conf")}),
            )
        )

    def _end_orphans(self) -> None:
        """End what is on record and still runs although no supervisord answers, supervisord itself first."""
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.directory / "supervisord.pid").read_text())
            command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if os.fsencode(self.directory / "supervisord.conf") in command:
                _end(pid, _started(pid), group=False)
        for path in sorted((self.directory / "records").glob("*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError):
                record = json.loads(path.read_bytes())
                _end(record["pid"], record["started"], group=True)
            path.unlink(missing_ok=True)
        self.socket.unlink(missing_ok=True)

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Alone with one program, across threads and processes."""
        with self._mutex:
            mutex = self._mutexes.setdefault(name, threading.Lock())
        with mutex, locked(self.directory / "locks" / name):
            yield

    @property
    def _log(self) -> Path:
        return self.logs / "supervisord.log"

    def _public(self, name: str) -> Path:
        return self.directory / "programs" / f"{name}.conf"

    def _private(self, name: str) -> Path:
        return self.directory / "programs" / f"{name}.json"

    def _record_path(self, name: str) -> Path:
        return self.directory / "records" / f"{name}.json"

    def _record(self, name: str) -> dict[str, Any]:
        content = self._read(self._record_path(name))
        record: dict[str, Any] = json.loads(content) if content else {}
        return record

    @staticmethod
    def _read(path: Path) -> bytes:
        return path.read_bytes() if path.exists() else b""


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        name, self._extra_headers, _ = self.get_host_info(host)
        connection = http.client.HTTPConnection(name)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._connection = host, connection  # where the base class looks for what is to be closed
        connection.sock.settimeout(120)
        connection.sock.connect(str(self._path))
        return connection


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise Refused(
            error(f"{name!r} cannot be used as a program's name", remedy="Use letters, digits, dots and dashes.")
        )
    return name


def _digest(program: Program) -> str:
    return hashlib.sha256(json.dumps(asdict(program), sort_keys=True, default=str).encode()).hexdigest()


def _ini(section: str, values: dict[str, str]) -> bytes:
    lines = (f"{key}={value.replace('%', '%%')}" for key, value in values.items())
    return "\n".join((f"[{section}]", *lines, "")).encode()


def _write(path: Path, content: bytes) -> None:
    fresh = path.with_name(f".{path.name}.{threading.get_ident()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def _started(pid: int) -> int:
    """When a process started, in the kernel's ticks since boot; 0 where there is none: with the pid, its identity."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] == b"Z" else int(fields[19])


def _end(pid: int, started: int, *, group: bool) -> None:
    """End exactly this process, and its group: asked first, then killed."""
    for number, seconds in ((signal.SIGTERM, _ENDING_SECONDS), (signal.SIGKILL, _ENDING_SECONDS)):
        if not started or _started(pid) != started:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            (os.killpg if group else os.kill)(pid, number)
        _await_end(pid, started, seconds)


def _await_end(pid: int, started: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while _started(pid) == started and time.monotonic() < deadline:
        time.sleep(0.02)
