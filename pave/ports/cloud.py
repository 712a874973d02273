"""What is live, as its provider sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from pave.model.names import Address
from pave.observe.health import Health


class Cloud(Protocol):
    """What runs on this machine, as its provider sees it; read only."""

    @property
    def kinds(self) -> frozenset[str]:
        """The resource types that `health` tells of: one of these that it does not name is gone."""

    def health(self, stack: Address) -> Mapping[Address, Health]:
        """Health of each live resource of a stack."""

    def survey(self) -> Mapping[Address, Mapping[Address, Health]]:
        """The health of everything that is live, by stack, in one look."""

    def urls(self, stack: Address) -> Mapping[str, str]:
        """Where a stack answers, by route name."""

    def logs(self, address: Address, lines: int = 100) -> Sequence[str]:
        """The last lines that a workload wrote, secrets masked."""

    def trash(self) -> Sequence[Mapping[str, Any]]:
        """Removed resources that can still be restored: address, type, removed_at, until."""

    def restore(self, address: Address, backup: datetime | None = None) -> None:
        """Bring the newest removed copy of `address` back, or what is there to a backup of it. Raises `Refused`."""

    def backups(self, address: Address) -> Sequence[datetime]:
        """The times of the backups that are kept of `address`, oldest first."""

    def tidy(self, now: datetime) -> Sequence[Address]:
        """Take the backups that are due, delete what was kept long enough; the addresses backed up."""
