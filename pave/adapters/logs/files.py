"""Following a file through its turns: what is new in it, to the byte, across renames, restarts and lines without end.

A place is an inode and an offset, with the beginning of the file as a third witness: a filesystem gives an inode's
number away again. Where a file was turned, the rest of the old one is read first.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

CHUNK = 2**20
LONGEST = 64 * 1024
"""Bytes after which a line without an end is cut."""
_OVER = 8 * 1024
_WITNESS = 64
_STALE_SECONDS = 1.0
_ATTEMPTS = 3


@dataclass(frozen=True)
class Place:
    """Up to where a file was read. `skipping`: what comes up to the next end of a line belongs to one that was cut."""

    inode: int = 0
    offset: int = 0
    skipping: bool = False
    witness: int = 0

    @classmethod
    def parse(cls, mark: str) -> Self | None:
        """From a mark; None for none."""
        try:
            inode, offset, skipping, witness = json.loads(mark)
            return cls(int(inode), int(offset), bool(skipping), int(witness))
        except (ValueError, TypeError):
            return None

    def __str__(self) -> str:
        return json.dumps([self.inode, self.offset, int(self.skipping), self.witness])


@dataclass(frozen=True)
class Piece:
    """What was new: whole lines as bytes, where to go on, whether there is more, and whether something was lost.

    `cut` is the beginning of a line that is longer than 64 KiB and does not end in what was read.
    """

    lines: bytes
    place: Place
    more: bool = False
    lost: bool = False
    cut: bytes = b""


@dataclass(frozen=True)
class _Open:
    descriptor: int
    inode: int
    size: int
    changed: float


def new_in(path: Path, place: Place | None, *, dated: bool = False, final: bool = False) -> Piece | None:
    """What was written behind a place, at most a megabyte; None where nothing was.

    Without a place all is new. A last line without its end is waited for, but for a second; with `final` not at all.
    A turned file is called `x.log.1`, or with `dated` `x-2026-11-24T….log`.
    """
    if place is not None and not final and _unchanged(path, place):
        return None
    for attempt in range(1, _ATTEMPTS + 1):
        with _opened([*_older(path, dated=dated), path]) as files:
            at = _find(files, place)
            if at is None and attempt < _ATTEMPTS:
                continue  # it was turned just now, while the files were being opened
            if not files:
                return None
            lost = at is None and place is not None and place.offset > 0
            known = place if place is not None and at is not None else Place()
            return _read(files[at or 0 :], known, lost=lost, final=final)
    return None


def _unchanged(path: Path, place: Place) -> bool:
    try:
        now = path.stat()
    except FileNotFoundError:
        return True  # gone for good, or about to be there again
    return now.st_ino == place.inode and now.st_size == place.offset


@contextmanager
def _opened(paths: Sequence[Path]) -> Iterator[list[_Open]]:
    """Those files that are there, each once."""
    files: list[_Open] = []
    try:
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                found = os.fstat(descriptor)
                if any(one.inode == found.st_ino for one in files):
                    os.close(descriptor)  # it was turned while the files were being opened
                else:
                    files.append(_Open(descriptor, found.st_ino, found.st_size, found.st_mtime))
        yield files
    finally:
        for one in files:
            os.close(one.descriptor)


def _older(path: Path, *, dated: bool) -> Sequence[Path]:
    """The turns before, oldest first."""
    if dated:
        return sorted(path.parent.glob(f"{path.stem}-[0-9]*T[0-9]*{path.suffix}"))
    return sorted(path.parent.glob(f"{path.name}.[0-9]"), reverse=True)


def _find(files: Sequence[_Open], place: Place | None) -> int | None:
    if place is None:
        return 0
    for at, one in enumerate(files):
        if one.inode == place.inode and one.size >= place.offset and _witness(one, place.offset) == place.witness:
            return at
    return None


def _read(files: Sequence[_Open], place: Place, *, lost: bool, final: bool) -> Piece | None:
    parts: list[tuple[int, _Open, int]] = []
    content, offset = b"", place.offset
    for one in files:
        parts.append((len(content), one, offset))
        content += os.pread(one.descriptor, CHUNK - len(content), offset)
        offset = 0
        if len(content) >= CHUNK:
            break  # whether this file has more is seen the next time
    more = len(content) >= CHUNK
    if not content and files[-1].inode == place.inode and not lost:
        return None
    begin = 0
    if place.skipping:
        begin = content.find(b"\n") + 1 or len(content)
    still_skipping = place.skipping and begin == len(content) and not content.endswith(b"\n")
    end = max(content.rfind(b"\n") + 1, begin)
    lines, rest, cut, skipping = content[begin:end], content[end:], b"", still_skipping
    if len(rest) > LONGEST:
        cut, rest, end, skipping = rest[: LONGEST + _OVER], b"", len(content), True
    elif rest and not more and (final or time.time() - files[-1].changed > _STALE_SECONDS):
        lines, end = lines + rest, len(content)
    elif rest and not lines and not lost and len(parts) == 1:
        return None
    return Piece(lines, _place(parts, end, skipping=skipping), more, lost, cut)


def _place(parts: Sequence[tuple[int, _Open, int]], end: int, *, skipping: bool) -> Place:
    """The place that lies `end` bytes behind the beginning of what was read."""
    begin, one, offset = next(part for part in reversed(parts) if part[0] <= end)
    at = offset + end - begin
    return Place(one.inode, at, skipping, _witness(one, at))


def _witness(one: _Open, offset: int) -> int:
    return zlib.crc32(os.pread(one.descriptor, min(_WITNESS, offset), 0))
