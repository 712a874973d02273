"""Working folders that do not outlive the process that made them.

A folder is locked while it is in use; whoever comes next removes those whose lock is free, so a
`kill -9` leaves nothing behind for longer than one build. It refuses nothing but a full disk.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pave.model.diagnostics import Refused, error

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A new private folder below `parent`, gone afterwards; abandoned ones of before are removed first.

    What is moved out of the folder meanwhile stays.
    """
    with disk_full(parent):
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        folder = parent / uuid.uuid4().hex[:12]
        folder.mkdir(mode=0o700)
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield folder
    finally:
        remove_tree(folder)
        os.close(held)


def remove_tree(path: Path) -> None:
    """Remove a folder with everything in it, read-only folders too; one that is not there is fine."""
    for folder, names, _ in os.walk(path):
        with suppress(FileNotFoundError):
            Path(folder).chmod(stat.S_IRWXU)
        names[:] = [name for name in names if not os.path.islink(os.path.join(folder, name))]  # noqa: PTH114, PTH118 — hot
    with suppress(FileNotFoundError):
        shutil.rmtree(path)


@contextmanager
def disk_full(where: Path, needed: int = 0) -> Iterator[None]:
    """Turn "no space left" into `Refused`, saying how many bytes were `needed` (0: not known) and how many are free."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in _FULL:
            raise
        raise full(where, needed) from problem


def full(where: Path, needed: int = 0) -> Refused:
    """The refusal for a disk without room at `where`."""
    existing = next(one for one in (where, *where.parents) if one.exists())
    free = shutil.disk_usage(existing).free
    wanted = f"{megabytes(needed)} needed, " if needed else ""
    return Refused(
        error(
            "There is no room on the disk for the artifact",
            detail=f"{wanted}{megabytes(free)} free at {existing}.",
            remedy="Free some space or give Pave another data directory (--data), then deploy again.",
        )
    )


def megabytes(size: int) -> str:
    """A size for people."""
    return f"{size / 1_000_000:.1f} MB"


def _sweep(parent: Path) -> None:
    for folder in parent.iterdir():
        try:
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            continue
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(folder)
        except BlockingIOError:
            pass
        finally:
            os.close(held)
