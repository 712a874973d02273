"""What both ways to run Terraform have in common: an invocation, its result, and the ending of a process.

Neither way gives a command anything of the machine's environment that was not asked for. A command
that is cancelled is asked once to stop, so that Terraform writes its state and unlocks it.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pave.adapters.subprocesses import Child
from pave.ports import Cancel, Holder

POLL_SECONDS = 0.1
ASK_SECONDS = 0.25
"""How often a cancellation is asked for, which may cost a query."""
GRACE_SECONDS = 30.0
"""How long Terraform may take to stop after it was asked to."""

_PREFIX = "process-"

LineReport = Callable[[str], None]


@dataclass(frozen=True)
class Access:
    """How a stack's Terraform reaches its state: the `http` backend's address and credential, and who that is."""

    address: str
    username: str
    password: str = field(repr=False)
    holder: Holder

    def environment(self) -> dict[str, str]:
        """The variables that Terraform's `http` backend reads."""
        return {
            "TF_HTTP_ADDRESS": self.address,
            "TF_HTTP_LOCK_ADDRESS": self.address,
            "TF_HTTP_UNLOCK_ADDRESS": self.address,
            "TF_HTTP_USERNAME": self.username,
            "TF_HTTP_PASSWORD": self.password,
        }


@dataclass(frozen=True)
class Invocation:
    """One Terraform command. `seconds` (0: no limit) is wall time; the environment is all that it gets."""

    argv: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str] = field(repr=False)
    access: Access
    seconds: float = 0.0


@dataclass(frozen=True)
class Result:
    """How it ended. `died` means that the process was lost or had to be killed: its lock may be left."""

    code: int
    output: str
    errors: str = ""
    cancelled: bool = False
    timed_out: bool = False
    died: bool = False


class Runner(Protocol):
    """A way to run Terraform commands."""

    def version(self) -> str:
        """Which Terraform this is; a working copy is made ready anew when it changes."""

    def run(self, invocation: Invocation, cancel: Cancel, report: LineReport | None = None) -> Result:
        """Run one command to its end, giving each line of its output to `report` as it comes."""

    def close(self) -> None:
        """End every process."""


def private_folder(folder: Path) -> Path:
    """A new folder for a process's temporary files, named after us."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=folder))


def sweep(folder: Path) -> None:
    """Remove the private folders whose owner was killed."""
    for path in folder.glob(f"{_PREFIX}*"):
        if not Path(f"/proc/{path.name.removeprefix(_PREFIX).partition('-')[0]}").exists():
            shutil.rmtree(path, ignore_errors=True)


class Limits:
    """Decides, while a command runs, when to ask it to stop and when to kill it."""

    def __init__(self, invocation: Invocation, cancel: Cancel) -> None:
        now = time.monotonic()
        self._deadline = now + invocation.seconds if invocation.seconds else float("inf")
        self._cancel = cancel
        self._kill_at = float("inf")
        self._ask_at = now
        self.cancelled = False
        self.timed_out = False

    def stop_now(self) -> bool:
        """True once: the moment to ask it to stop."""
        if self.cancelled or self.timed_out or time.monotonic() < self._ask_at:
            return False
        self._ask_at = time.monotonic() + ASK_SECONDS
        self.timed_out = time.monotonic() > self._deadline
        self.cancelled = not self.timed_out and self._cancel()
        if self.cancelled or self.timed_out:
            self._kill_at = time.monotonic() + GRACE_SECONDS
            return True
        return False

    def kill_now(self) -> bool:
        """Whether it had its time to stop."""
        return time.monotonic() > self._kill_at


class Lines:
    """Lines of a child's stdout, or None whenever there was none for a while."""

    def __init__(self, child: Child) -> None:
        self._pipe = child.stdout
        self._rest = b""

    def __iter__(self) -> Iterator[bytes | None]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._pipe, selectors.EVENT_READ)
            while True:
                *lines, self._rest = self._rest.split(b"\n")
                yield from lines
                if not selector.select(POLL_SECONDS):
                    yield None
                    continue
                data = self._pipe.read(65536)
                if not data:
                    if self._rest:
                        yield self._rest
                    return
                self._rest += data
                yield None


def events(output: str) -> list[dict[str, Any]]:
    """The JSON objects among the lines of `output`; other lines are left away."""
    found: list[dict[str, Any]] = []
    for line in output.splitlines():
        if line.startswith("{"):
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict):
                found.append(event)
    return found
