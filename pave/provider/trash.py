"""What was removed and can still be brought back.

Databases and buckets wait here for a few days; queues and caches do not, and say so. Each store keeps the
record of its own removed objects with the objects themselves, so the two cannot disagree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from pave.model.diagnostics import Refused, error
from pave.model.names import Address


@dataclass(frozen=True)
class Removed:
    """One removed resource. `name` is what its server calls it now."""

    address: Address
    type: str
    name: str
    at: datetime


class Store(Protocol):
    """A kind of resource that can be restored."""

    def removed(self) -> Sequence[Removed]:
        """What waits, oldest first."""

    def restore(self, one: Removed) -> None:
        """Bring it back under its address; what is there now takes its place in the trash."""

    def purge(self, one: Removed) -> None:
        """Delete it for good."""


class Trash:
    """The trash of all stores."""

    def __init__(self, stores: Sequence[Store], days: int = 7) -> None:
        self._stores = tuple(stores)
        self._keep = timedelta(days=days)

    def all(self) -> list[dict[str, Any]]:
        """What can be restored, oldest first: address, type, removed_at, until (aware UTC)."""
        found = [one for store in self._stores for one in store.removed()]
        return [
            {"address": str(one.address), "type": one.type, "removed_at": one.at, "until": one.at + self._keep}
            for one in sorted(found, key=lambda one: one.at)
        ]

    def restore(self, address: Address) -> None:
        """Bring the newest removed copy of `address` back. Raises `Refused` if there is none."""
        found = [(one, store) for store in self._stores for one in store.removed() if one.address == address]
        if not found:
            raise Refused(
                error(
                    f"nothing is kept of {address}",
                    detail=f"Removed databases and buckets wait for {self._keep.days} days; queues and caches do not.",
                    remedy="`pave trash` lists what can be restored.",
                    address=str(address),
                )
            )
        one, store = max(found, key=lambda pair: pair[0].at)
        store.restore(one)

    def discard(self, stack: Address) -> list[Removed]:
        """Delete for good what waits of a stack, whatever time is left; return it."""
        gone = []
        for store in self._stores:
            for one in store.removed():
                if one.address.stack == stack:
                    store.purge(one)
                    gone.append(one)
        return gone

    def purge(self, now: datetime) -> list[Removed]:
        """Delete for good what has waited long enough; return it."""
        gone = []
        for store in self._stores:
            for one in store.removed():
                if one.at + self._keep <= now:
                    store.purge(one)
                    gone.append(one)
        return gone
