"""One writer at a time, among threads and among processes: a lock on a file that ends with its holder."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from pave.apply.retry import Transient
from pave.model.diagnostics import error

_POLL_SECONDS = 0.005


@contextlib.contextmanager
def locked(path: Path, seconds: float = 60.0) -> Iterator[None]:
    """Hold the lock file `path`, which is made and removed with the lock. Raises `Transient` after `seconds`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    descriptor = _take(path)
    while descriptor is None:
        if time.monotonic() > deadline:
            raise Transient(
                error(
                    f"{path.name} has been held by another writer for {seconds:.0f} s",
                    remedy="It is tried again by itself; see with `pave doctor` whether another Pave uses this data.",
                )
            )
        time.sleep(_POLL_SECONDS)
        descriptor = _take(path)
    try:
        yield
    finally:
        # Removed while it is held: whoever opened the old file sees in `_take` that it is not the lock any more.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _take(path: Path) -> int | None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(descriptor)
    return None
