"""Whether a process that was just started does its work, and if not, the sentence that says why.

It asks what the workload named (an HTTP path, a command), else whether its port takes connections, else
whether it stays up. A process that ended is never waited for.
"""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pave.ports.machine import Machine
from pave.provider.servers.ports import LOOPBACK

_ENDED = ("backoff", "exited", "fatal")
_STAYS_UP_SECONDS = 1.0
_ASK_SECONDS = 5.0
_PAUSES = (0.02, 0.1)


@dataclass(frozen=True)
class Check:
    """How to know that a program is ready. `command` runs the workload's own probe and says whether it went well.

    `restarts` is how often it had been restarted when the waiting began; once more is a failure.
    """

    program: str
    port: int = 0
    path: str = ""
    command: Callable[[], bool] | None = None
    restarts: int = 0


def wait(machine: Machine, checks: list[Check], seconds: float) -> str:
    """Wait until every program is ready; an empty text, or why one is not."""
    deadline = time.monotonic() + seconds
    began = {check.program: time.monotonic() for check in checks}
    waiting, pause = list(checks), _PAUSES[0]
    while waiting:
        said = ""
        for check in list(waiting):
            if ended := _ended(machine, check):
                return ended
            said = _unready(check, time.monotonic() - began[check.program])
            if not said:
                waiting.remove(check)
        if waiting and time.monotonic() > deadline:
            return f"it was not ready within {seconds:.0f} s: {said or _unready(waiting[0], seconds)}" + _elsewhere(
                machine, waiting[0]
            )
        if waiting:
            time.sleep(pause)
            pause = min(pause * 1.5, _PAUSES[1])
    return ""


def listens(port: int) -> bool:
    """Whether a connection to a port of this machine is taken."""
    with suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1.0):
        return True
    return False


def await_idle(ports: set[int], seconds: float) -> bool:
    """Wait until nobody is connected to the ports any more; whether that came to be in time."""
    deadline = time.monotonic() + seconds
    while _connections(ports):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _ended(machine: Machine, check: Check) -> str:
    state = machine.state(check.program)
    if state is None:
        return "its definition is gone"
    if state.restarts > check.restarts or state.detail.startswith(_ENDED):
        return f"its process ended ({state.detail})"
    return ""


def _unready(check: Check, up_seconds: float) -> str:
    if check.command is not None:
        return "" if check.command() else "its readiness command fails"
    if check.port and check.path:
        return _http(check.port, check.path)
    if check.port:
        return "" if listens(check.port) else f"nothing listens on its port {check.port} (the variable PORT)"
    return "" if up_seconds >= _STAYS_UP_SECONDS else "it has only just started"


def _http(port: int, path: str) -> str:
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_ASK_SECONDS)
    try:
        connection.request("GET", path, headers={"User-Agent": "pave-readiness"})
        status = connection.getresponse().status
    except ConnectionRefusedError:
        return f"nothing listens on its port {port} (the variable PORT)"
    except (OSError, http.client.HTTPException) as problem:
        return f"GET {path} failed: {problem or type(problem).__name__}"
    finally:
        connection.close()
    return "" if 200 <= status < 400 else f"GET {path} answered {status}"


def _elsewhere(machine: Machine, check: Check) -> str:
    """The usual reason: the process listens on a port of its own choice."""
    state = machine.state(check.program)
    if not check.port or state is None or not state.pid or listens(check.port):
        return ""
    others = sorted(_listening_ports(state.pid) - {check.port})
    if not others:
        return ""
    return f". It listens on {', '.join(map(str, others))} instead: make it listen on the variable PORT"


def _listening_ports(pid: int) -> set[int]:
    inodes = {inode for process in _family(pid) for inode in _socket_inodes(process)}
    return {port for port, _, state, inode in _sockets() if state == "0A" and inode in inodes}


def _family(pid: int) -> set[int]:
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            content = path.read_text()
            parents[int(path.parent.name)] = int(content.rpartition(")")[2].split()[1])
    family = {pid}
    while more := {child for child, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _socket_inodes(pid: int) -> Iterator[str]:
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                target = str(link.readlink())
                if target.startswith("socket:["):
                    yield target[8:-1]


def _sockets() -> Iterator[tuple[int, int, str, str]]:
    """Local port, remote port, state and inode of every TCP socket of this machine."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                columns = line.split()
                local, remote = (int(columns[at].rpartition(":")[2], 16) for at in (1, 2))
                yield local, remote, columns[3], columns[9]


def _connections(ports: set[int]) -> int:
    return sum(1 for local, _, state, _ in _sockets() if state == "01" and local in ports)
