"""The inventory: what the local cloud has made, one JSON file per object.

A record is written before its effect and removed after it, so that whatever a crash leaves behind can be
found again and finished or taken away. It refuses to be a database: no queries, no history.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote


class Inventory:
    """Records below `directory`, as `<kind>/<quoted key>.json`, readable by their owner only."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, kind: str, key: str, document: Mapping[str, Any]) -> None:
        """Write a record whole: after a crash there is the old one or the new one, on disk."""
        path = self._path(kind, key)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(path, json.dumps(document, sort_keys=True).encode())

    def get(self, kind: str, key: str) -> dict[str, Any] | None:
        """One record, or None."""
        try:
            found: dict[str, Any] = json.loads(self._path(kind, key).read_bytes())
        except FileNotFoundError:
            return None
        return found

    def list(self, kind: str) -> dict[str, dict[str, Any]]:
        """All records of a kind by key, sorted."""
        folder = self.directory / quote(kind, safe="")
        names = sorted(unquote(path.name.removesuffix(".json")) for path in folder.glob("[!.]*.json"))
        return {name: record for name in names if (record := self.get(kind, name)) is not None}

    def remove(self, kind: str, key: str) -> None:
        """Ensure that there is no such record."""
        self._path(kind, key).unlink(missing_ok=True)

    @contextmanager
    def lock(self, kind: str, key: str) -> Iterator[None]:
        """Be the only one, of all threads and processes, that works on this object. Not reentrant.

        The lock's file goes away with it: whoever waited on a file that is gone by then begins again.
        """
        path = self.directory / ".locks" / f"{quote(kind, safe='')}.{quote(key, safe='')}"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            try:
                current = path.stat().st_ino == os.fstat(descriptor).st_ino
            except FileNotFoundError:
                current = False
            if current:
                break
            os.close(descriptor)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def _path(self, kind: str, key: str) -> Path:
        # A leading dot is escaped too: `.` and `..` stay names, and temporary files are nobody's record.
        name = quote(key, safe="")
        return self.directory / quote(kind, safe="") / f"{'%2E' + name[1:] if name.startswith('.') else name}.json"


def write_private(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file as a whole and on disk; nobody ever sees half of it, or with a wider mode than `mode`."""
    temporary = path.with_name(f".{secrets.token_hex(6)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
