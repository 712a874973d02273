"""What runs on this machine, for those who ask: health with its reason, addresses, the trash.

It reads and never repairs: the reconciler decides what to do about what it says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pave.model.names import Address
from pave.observe.health import Health, Status
from pave.observe.traffic import Traffic
from pave.ports import Cancel, Probe, Report
from pave.ports.machine import ProgramState
from pave.provider.backups import Backups
from pave.provider.readiness import listens
from pave.provider.routes import WORKLOAD, Routes, serving_ports
from pave.provider.signals import last_request, probe, traffic
from pave.provider.trash import Trash
from pave.provider.workload import Workloads, WorkloadState

Present = Callable[[], Iterable[Address]]
"""Tells which resources of some kind are there: those are well."""


class LocalCloud:
    """Implements `pave.ports.Cloud`. `others` tell, by type, what is there that is not a workload.

    `access` is the folder with the router's access logs.
    """

    def __init__(
        self,
        workloads: Workloads,
        routes: Routes,
        trash: Trash,
        backups: Backups,
        others: Mapping[str, Present] | None = None,
        access: Path | None = None,
    ) -> None:
        self._workloads, self._routes, self._trash, self._backups = workloads, routes, trash, backups
        self._others = tuple((others or {}).values())
        self.kinds = frozenset({*(others or {}), "workload"})
        self._access = access

    def health(self, stack: Address) -> Mapping[Address, Health]:
        """Health of each live resource of a stack."""
        found = {address: self._workload(one) for address, one in self._workloads.all(stack.stack).items()}
        found |= {address: _WELL for address in self._present() if address.stack == stack.stack}
        return dict(sorted(found.items()))

    def survey(self) -> Mapping[Address, Mapping[Address, Health]]:
        """The health of everything that is live, by stack: one look at each server, however many stacks there are."""
        by_stack: dict[Address, dict[Address, Health]] = {}
        for address in self._present():
            by_stack.setdefault(address.stack, {})[address] = _WELL
        for address, one in self._workloads.all().items():
            by_stack.setdefault(address.stack, {})[address] = self._workload(one)
        return by_stack

    def _present(self) -> Iterator[Address]:
        return (address for other in self._others for address in other())

    def urls(self, stack: Address) -> Mapping[str, str]:
        """Where a stack answers, by route name."""
        found = {address.resource: one.url for address, one in self._workloads.all(stack.stack).items() if one.url}
        return {**found, **self._routes.urls(stack.stack)}

    def probe(self, stack: Address, *, candidate: bool = False) -> Sequence[Probe]:
        """Ask every route of a stack through the router; with `candidate` its coming version, at its own ports."""
        records = self._records(stack)
        if not candidate:
            router = self._routes.router
            hosts = [urlsplit(url) for url in self.urls(stack).values()]
            return [probe(str(one.hostname), router.port, one.path or "/") for one in hosts] if router else []
        return [
            probe(record["host"], port)
            for record in records
            if record.get("host") and record.get("candidate")
            for port in serving_ports(record, 0, record["candidate"])
        ]

    def traffic(self, stack: Address, since: datetime) -> Mapping[str, Traffic]:
        """What the router saw since then, of the version that was there and the one coming."""
        found: dict[str, Traffic] = {}
        for record in self._records(stack):
            if record.get("host") and self._access is not None:
                coming = serving_ports(record, 0, record.get("candidate") or "none")
                found |= traffic(self._access / f"{record['host']}.log", since, coming)
        return found

    def last_request(self, stack: Address) -> datetime | None:
        """When somebody last asked a stack for something through the router."""
        hosts = [str(urlsplit(url).hostname) for url in self.urls(stack).values()] if self._access else []
        times = [at for host in hosts if (at := last_request(self._access / f"{host}.log"))] if self._access else []
        return max(times, default=None)

    def execute(self, stack: Address, command: str, report: Report, cancel: Cancel) -> None:
        """Run a command once beside a stack's workload. Raises `Refused`."""
        for address in self._workloads.all(stack):
            self._workloads.execute(address, command, report, cancel)

    def _records(self, stack: Address) -> list[dict[str, Any]]:
        found = self._workloads.site.inventory.list(WORKLOAD)
        return [record for key, record in sorted(found.items()) if Address.parse(key).stack == stack]

    def trash(self) -> Sequence[Mapping[str, Any]]:
        """Removed resources that can still be restored."""
        return self._trash.all()

    def discard(self, stack: Address) -> None:
        """Delete for good what waits in the trash of a stack, and its backups."""
        for one in self._trash.discard(stack):
            self._backups.forget(one.address)

    def restore(self, address: Address, backup: datetime | None = None) -> None:
        """Bring the newest removed copy of `address` back, or what is there to a backup of it. Raises `Refused`."""
        if backup is None:
            self._trash.restore(address)
        else:
            self._backups.restore(address, backup)

    def backups(self, address: Address) -> Sequence[datetime]:
        """The times of the backups that are kept, oldest first."""
        return self._backups.all(address)

    def tidy(self, now: datetime) -> Sequence[Address]:
        """Take the backups that are due, delete what was kept long enough."""
        self._trash.purge(now)
        return self._backups.take_due(now)

    def _workload(self, one: WorkloadState) -> Health:
        if one.asleep:
            return Health(Status.HEALTHY, "asleep: the next request wakes it")
        if not one.revision:
            return Health(Status.PROGRESSING, "its first revision is being started")
        programs = one.programs or {}
        bad = {name: state for name, state in programs.items() if state is None or not state.running}
        if bad:
            name, state = next(iter(bad.items()))
            status = Status.MISSING if len(bad) == len(programs) else Status.DEGRADED
            return Health(status, f"{len(bad)} of {len(programs)} processes not running: {_label(name)} {_why(state)}")
        record = self._workloads.site.inventory.get(WORKLOAD, str(one.address)) or {"ports": [], "revisions": {}}
        silent = [port for port in (serving_ports(record) if one.host else ()) if not listens(port)]
        if silent:
            return Health(Status.DEGRADED, f"{len(silent)} of its processes take no connections on their port")
        since = min((state.since for state in programs.values() if state), default="")
        return Health(Status.HEALTHY, "", since)


_WELL = Health(Status.HEALTHY)


def _label(name: str) -> str:
    return ".".join(name.rsplit(".", 2)[-2:])


def _why(state: ProgramState | None) -> str:
    return state.detail if state else "is not defined"
