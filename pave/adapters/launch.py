"""What the supervisor starts: reads a program's private definition, notes its own identity, becomes the program.

It is a script of its own for the interpreter's isolated mode, so it imports nothing of Pave. Arguments and
variables come from a file that only the owner can read, never from the supervisor's own configuration.

    python -I -S launch.py DEFINITION
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import Any

_STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def main() -> None:
    """Become the program that the definition describes."""
    with open(sys.argv[1], "rb") as file:  # noqa: PTH123 — pathlib would double the time to start
        definition: dict[str, Any] = json.load(file)
    _record(definition)
    os.umask(0o022)
    os.chdir(definition["directory"])
    environment = definition["environment"]
    handed = b""
    if definition["confined"]:
        handed = json.dumps({"environment": environment, "stdin": False}).encode()
        handed = b"%d\n%s" % (len(handed), handed)
        environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        for number in _STOPPING:
            # The group is told to stop. bubblewrap would die of that and take the command with it, half-way
            # through a request; so bubblewrap ignores it and the command, where they are reset, obeys.
            signal.signal(number, signal.SIG_IGN)
    stdin = os.memfd_create("stdin", os.MFD_CLOEXEC)
    os.write(stdin, handed)
    os.lseek(stdin, 0, os.SEEK_SET)
    os.dup2(stdin, 0)
    os.execve(definition["argv"][0], definition["argv"], environment)  # noqa: S606 — the purpose of this script


def _record(definition: dict[str, Any]) -> None:
    """Note who runs which definition, so that a supervisor that comes after a crash knows its orphans."""
    launches = 0
    with contextlib.suppress(OSError, ValueError), open(definition["record"], "rb") as file:  # noqa: PTH123
        before = json.load(file)
        launches = before["launches"] if before["digest"] == definition["digest"] else 0
    with open("/proc/self/stat", "rb") as file:  # noqa: PTH123
        started = int(file.read().rpartition(b")")[2].split()[19])
    record = {"pid": os.getpid(), "started": started, "digest": definition["digest"], "launches": launches + 1}
    fresh = f"{definition['record']}.{os.getpid()}"
    with open(fresh, "w") as file:  # noqa: PTH123
        json.dump(record, file)
    os.replace(fresh, definition["record"])  # noqa: PTH105


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(127 if isinstance(problem, FileNotFoundError) else 126)
