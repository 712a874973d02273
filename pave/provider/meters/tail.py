"""Following a log that others write and turn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


class Tail:
    """Reads what was appended to a log since the last look, also over the moment at which it was turned."""

    def __init__(self, path: Path, *, whole: bool) -> None:
        """`whole` is whether what is in it already counts."""
        self._path, self._left = path, b""
        self._inode, self._offset = (0, 0) if whole else _end(path)

    def read(self, most: int) -> tuple[list[bytes], int]:
        """The complete lines since the last look, at most `most` bytes of them; and how many bytes were skipped."""
        chunks, skipped = [], 0
        for path, offset in self._files():
            try:
                with path.open("rb") as file:
                    size = file.seek(0, os.SEEK_END)
                    begin = max(offset, size - most)
                    skipped += begin - offset
                    file.seek(begin)
                    chunks.append(file.read(size - begin))
                    self._inode, self._offset = os.fstat(file.fileno()).st_ino, size
            except FileNotFoundError:
                continue
        *lines, self._left = (self._left + b"".join(chunks)).split(b"\n")
        return lines, skipped

    def _files(self) -> Iterator[tuple[Path, int]]:
        """The files to read on in, with where: the one before first, where the log was turned since."""
        inode, size = _end(self._path)
        if inode == self._inode and size >= self._offset:
            yield self._path, self._offset
            return
        before = [
            self._path.with_name(f"{self._path.name}.1"),  # as the supervisor names it, and as the router does
            max(self._path.parent.glob(f"{self._path.stem}-[0-9]*T[0-9]*{self._path.suffix}"), default=self._path),
        ]
        for path in before if self._inode else ():
            if _end(path)[0] == self._inode:
                yield path, self._offset
        if inode:
            yield self._path, 0


def _end(path: Path) -> tuple[int, int]:
    """Inode and size of a file; zeros where it is not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_ino, found.st_size
