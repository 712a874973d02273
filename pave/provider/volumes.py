"""Volumes: folders that outlive the processes that write to them.

A removed volume is moved to the trash as it is, and can be restored. It refuses to be shared between stacks:
who mounts one checks that.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from pave.model.names import Address
from pave.provider.trash import Removed

_WHEN = "%Y%m%dT%H%M%S%f"


class Volumes:
    """The volumes of all stacks, below `directory`; `give` hands a folder to the user that workloads run as."""

    type = "volume"

    def __init__(self, directory: Path, give: Callable[[Path], None]) -> None:
        self._directory, self._give = directory, give

    def ensure(self, address: Address) -> Path:
        """Have the volume; its folder."""
        folder = self._folder(address)
        if not folder.exists():
            self._trash.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = folder.with_name(f".{folder.name}")  # named when it is whole: a crash leaves no volume of root's
            fresh.mkdir(exist_ok=True, mode=0o755)
            self._give(fresh)
            fresh.replace(folder)
        return folder

    def all(self) -> Sequence[Address]:
        """Addresses of all volumes in use, sorted."""
        folders = self._directory.glob("[!.]*") if self._directory.is_dir() else ()
        return sorted(Address.parse(unquote(folder.name)) for folder in folders)

    def path(self, address: Address) -> Path | None:
        """The folder of a volume, or None."""
        folder = self._folder(address)
        return folder if folder.is_dir() else None

    def remove(self, address: Address) -> None:
        """Put it into the trash."""
        folder = self._folder(address)
        if folder.is_dir():
            folder.replace(self._trash / f"{folder.name}@{datetime.now(UTC).strftime(_WHEN)}")

    def removed(self) -> Sequence[Removed]:
        """What waits in the trash, oldest first."""
        found = []
        for path in self._trash.glob("*@*"):
            address, when = path.name.rsplit("@", 1)
            at = datetime.strptime(when, _WHEN).replace(tzinfo=UTC)
            found.append(Removed(Address.parse(unquote(address)), self.type, path.name, at))
        return sorted(found, key=lambda one: one.at)

    def restore(self, one: Removed) -> None:
        """Bring it back under its address; what is there now takes its place in the trash."""
        self.remove(one.address)
        (self._trash / one.name).replace(self._folder(one.address))

    def purge(self, one: Removed) -> None:
        """Delete it for good."""
        shutil.rmtree(self._trash / one.name)

    @property
    def _trash(self) -> Path:
        return self._directory / ".trash"

    def _folder(self, address: Address) -> Path:
        return self._directory / quote(str(address), safe="")
