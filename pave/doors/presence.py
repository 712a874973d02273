"""Where a running server is: `<data>/server.json`, and its token in a file that only the owner reads.

The command line finds the server by it. A file whose process is gone counts as no server.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

FILE = "server.json"
TOKEN_FILE = "server.token"  # noqa: S105 — a file name


@dataclass(frozen=True)
class Presence:
    """A running server: its address, its process, and the token that the owner of the data may use."""

    url: str
    pid: int
    token: str


@dataclass(frozen=True)
class Ready:
    """What a server says once it answers: its address, a one-time login link, seconds from start to ready."""

    url: str
    login: str
    seconds: float


def announce(data: Path, url: str, token: str) -> None:
    """Say that this process serves `data` at `url`."""
    _write(data / TOKEN_FILE, token)
    _write(data / FILE, json.dumps({"url": url, "pid": os.getpid(), "token": TOKEN_FILE}))


def withdraw(data: Path) -> None:
    """Say that this process serves `data` no longer; another process's word is left alone."""
    found = find(data)
    if found is None or found.pid == os.getpid():
        (data / FILE).unlink(missing_ok=True)
        (data / TOKEN_FILE).unlink(missing_ok=True)


def find(data: Path) -> Presence | None:
    """The server of `data`, if its process lives."""
    try:
        said = json.loads((data / FILE).read_text())
        pid = int(said["pid"])
        os.kill(pid, 0)
        return Presence(str(said["url"]), pid, (data / TOKEN_FILE).read_text().strip())
    except PermissionError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
