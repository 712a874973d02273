"""Ports on the loopback interface: which is free, and who has the one that is not.

A port that an application was told stays the same for ever, so a stranger on it is named, not evaded.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def taken(port: int) -> bool:
    """Whether somebody listens on a port of 127.0.0.1; connections that are merely ending do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False


def listener(port: int) -> str:
    """Who listens on `port`, for people: `python3 (process 4711)`, or `another program` where we may not look."""
    inodes = _listening(port)
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and inodes & _sockets(process):
            return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return "another program"


def _listening(port: int) -> set[str]:
    found = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                    found.add(columns[9])
    return found


def _sockets(process: Path) -> set[str]:
    found = set()
    with suppress(OSError):
        for link in (process / "fd").iterdir():
            with suppress(OSError):
                found.add(str(link.readlink()).removeprefix("socket:[").rstrip("]"))
    return found
