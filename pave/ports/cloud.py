"""What is live, as its provider sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pave.model.names import Address
from pave.observe.health import Health
from pave.observe.traffic import Traffic
from pave.ports.effects import Cancel, Report


@dataclass(frozen=True)
class Probe:
    """One look at an address of a stack: an HTTP status, or a problem in words; seconds it took."""

    url: str
    status: int = 0
    seconds: float = 0.0
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether something answered, and not with a server's error."""
        return not self.problem and 0 < self.status < 500


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

    def trash(self) -> Sequence[Mapping[str, Any]]:
        """Removed resources that can still be restored: address, type, removed_at, until."""

    def discard(self, stack: Address) -> None:
        """Delete for good what waits in the trash of a stack, and its backups."""

    def restore(self, address: Address, backup: datetime | None = None) -> None:
        """Bring the newest removed copy of `address` back, or what is there to a backup of it. Raises `Refused`."""

    def backups(self, address: Address) -> Sequence[datetime]:
        """The times of the backups that are kept of `address`, oldest first."""

    def tidy(self, now: datetime) -> Sequence[Address]:
        """Take the backups that are due, delete what was kept long enough; the addresses backed up."""

    def probe(self, stack: Address, *, candidate: bool = False) -> Sequence[Probe]:
        """Ask every route of a stack through the router, as a client would. A stack without routes has no probes.

        With `candidate` the version that is coming is asked, whatever share of the traffic it has.
        """

    def traffic(self, stack: Address, since: datetime) -> Mapping[str, Traffic]:
        """What the router saw since then: of the version that was there (`stable`) and the one coming (`candidate`)."""

    def last_request(self, stack: Address) -> datetime | None:
        """When somebody last asked a stack for something through the router; None where nobody ever did."""

    def execute(self, stack: Address, command: str, report: Report, cancel: Cancel) -> None:
        """Run a command once with the files, variables and limits of a stack's workload. Raises `Refused`."""
