"""Runs inside the sandbox, once: become the unprivileged user, take the limits, turn into the command.

It is a script of its own for the interpreter's isolated mode, so it imports nothing of Pave. The environment
arrives on stdin, because a variable such as LD_PRELOAD must not reach any program that still has rights,
and because arguments can be read by everyone on the machine. It refuses to go on when a step fails.

    python -I -S enter.py OPTIONS COMMAND ARGUMENT…     with a length, a line feed and that much JSON on stdin
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any

_NO_NEW_PRIVILEGES = 38
_DROP_FROM_BOUNDING_SET = 24
_SET_DUMPABLE = 4
_NEW_USER_NAMESPACE = 0x10000000
_OF_OTHERS = 4096
"""Processes of the same user elsewhere on the machine, allowed for where they cannot be told apart."""

_libc = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Read what stdin says and become the command."""
    options: dict[str, Any] = json.loads(sys.argv[1])
    argv = sys.argv[2:]
    handed = _handed_over()
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_DATA, options.get("memory", 0) or None)
    _limit(resource.RLIMIT_FSIZE, options.get("file", 0) or None)
    os.nice(options.get("nice", 0))  # who has no rights cannot take it back
    if "uid" in options:
        _become(options["uid"], options["gid"])
    if _libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel does not let go of privileges")
    alone = bool(options.get("alone"))
    if options.get("root") or (options.get("processes") and not alone):
        alone = _own_users() or alone
    if options.get("root"):
        _enter(options["root"])
    if options.get("processes"):
        # Linux counts processes per user and user namespace: a namespace of its own makes the limit its own.
        _limit(resource.RLIMIT_NPROC, options["processes"] + (0 if alone else _OF_OTHERS))
    os.umask(0o022)
    os.chdir(options["directory"])
    if not handed["stdin"]:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.close(nothing)
    for number in signal.valid_signals():  # whoever started the sandbox may have ignored some
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
    os.execvpe(argv[0], argv, handed["environment"])  # noqa: S606 — the purpose of this script


def _handed_over() -> dict[str, Any]:
    """The JSON at the start of stdin, and not a byte more: the rest belongs to the command."""
    length = b""
    while not length.endswith(b"\n"):
        length += os.read(0, 1) or b"\n"
    missing, parts = int(length), []
    while missing:
        part = os.read(0, missing)
        if not part:
            raise EOFError("the environment was not handed over")
        parts.append(part)
        missing -= len(part)
    handed: dict[str, Any] = json.loads(b"".join(parts))
    return handed


def _limit(what: int, most: int | None) -> None:
    if most is not None:
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def _become(uid: int, gid: int) -> None:
    for capability in range(64):
        if _libc.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0) != 0:
            break  # the last one that this kernel knows, or not ours to drop; no new privileges come of it either way
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    _libc.prctl(_SET_DUMPABLE, 1, 0, 0, 0)  # changing users made our own /proc/self root's


def _own_users() -> bool:
    """Take a user namespace of one's own, which gives rights to nothing but itself; whether this machine allows it."""
    uid, gid = os.getuid(), os.getgid()
    if _libc.unshare(_NEW_USER_NAMESPACE) != 0:
        return False
    for file, line in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{file}", "w") as maps:  # noqa: PTH123 — pathlib would double the time to start
            maps.write(line)
    return True


def _enter(root: str) -> None:
    """Make a foreign root the root. The right to do so comes with the user namespace and ends with the command."""
    os.chroot(root)
    os.chdir("/")


if __name__ == "__main__":
    try:
        main()
    except (OSError, EOFError, ValueError) as problem:
        sys.stderr.write(f"{' '.join(sys.argv[2:3])}: {problem}\n")
        sys.exit(127 if isinstance(problem, FileNotFoundError) else 126)
