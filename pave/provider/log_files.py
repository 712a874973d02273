"""Which log files there are, and whose: one per process of every version of a workload, one per host of the router.

Asked ten times a second, so what the inventory says is read again only where its folder has changed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.observe.logs import ROUTER, WORKLOAD, Origin, short
from pave.ports import LogFile
from pave.provider.routes import KIND
from pave.provider.routes import WORKLOAD as WORKLOADS
from pave.provider.workload import Workloads
from pave.provider.workload_spec import WorkloadSpec

_SETTLED_SECONDS = 1.0


class LogFiles:
    """All log files that lines are taken from. `access` is the folder with the router's logs."""

    def __init__(self, workloads: Workloads, access: Path) -> None:
        self._workloads, self._access = workloads, access
        self._inventory = workloads.site.inventory
        self._known: tuple[LogFile, ...] = ()
        self._stamp: tuple[int, ...] = ()
        self._specs: dict[Path, WorkloadSpec] = {}

    def __call__(self) -> Sequence[LogFile]:
        """The files, whether or not they are there yet."""
        folders = [self._inventory.directory / kind for kind in (WORKLOADS, KIND)]
        stamp = tuple(folder.stat().st_mtime_ns if folder.exists() else 0 for folder in folders)
        # The clock of a filesystem is coarse: a change right after another one may have the same time.
        settled = time.time_ns() - max(stamp) > _SETTLED_SECONDS * 1e9
        if stamp != self._stamp:
            self._known = tuple(self._all())
            self._stamp = stamp if settled else ()
        return self._known

    def _all(self) -> list[LogFile]:
        records = {Address.parse(key): record for key, record in self._inventory.list(WORKLOADS).items()}
        found: list[LogFile] = []
        hosts: dict[str, Address] = {}
        secrets: dict[Address, set[str]] = {}
        read: dict[Path, WorkloadSpec] = {}
        for address, record in records.items():
            for revision, made in record["revisions"].items():
                path = self._workloads.spec_file(address, revision)
                spec = self._specs.get(path) or _spec(path)
                if spec is None:
                    continue  # what is only just begun, or taken away
                read[path] = spec
                secrets.setdefault(address.stack, set()).update(self._workloads.secrets_of(spec))
                found += self._programs(spec, revision, made)
            if record.get("host"):
                hosts[record["host"]] = address.stack
        for key, route in self._inventory.list(KIND).items():
            hosts.setdefault(route["host"], Address.parse(key).stack)
        self._specs = read
        for host, stack in sorted(hosts.items()):
            origin = Origin(ROUTER, stack.environment, stack.component, "router")
            kept = tuple(sorted(secrets.get(stack, ())))
            found.append(LogFile(f"access/{host}", self._access / f"{host}.log", origin, kept, access=True))
        return found

    def _programs(self, spec: WorkloadSpec, revision: str, made: Mapping[str, Any]) -> list[LogFile]:
        stack, version = spec.address.stack, short(spec.artifact)
        files = []
        for name in made["programs"]:
            process = ".".join(name.rsplit(".", 2)[-2:])
            origin = Origin(WORKLOAD, stack.environment, stack.component, process, version, revision)
            files.append(
                LogFile(f"program/{name}", self._workloads.log_file(name), origin, self._workloads.secrets_of(spec))
            )
        return files


def _spec(path: Path) -> WorkloadSpec | None:
    try:
        return WorkloadSpec.read(json.loads(path.read_bytes()))
    except (FileNotFoundError, ValueError, Refused):
        return None
