"""Workloads: start the new revision, check its health, switch the route, drain the old one.

A revision that does not start is taken away again and the old one goes on serving. Each step is on record
before it is done, so the same call after a crash finds what was begun and finishes it or clears it away.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pave.apply.retry import Cancelled, Terminal
from pave.model.diagnostics import Diagnostic, Refused, error
from pave.model.names import Address
from pave.observe.masking import masked
from pave.ports import Cancel
from pave.ports.machine import Confinement, Confiner, Machine, Program, ProgramState
from pave.provider.containers import Artifacts, Housing, Image, Volumes
from pave.provider.inventory import Inventory, write_private
from pave.provider.readiness import Check, await_idle, wait
from pave.provider.routes import WORKLOAD, Routes
from pave.provider.servers.ports import taken
from pave.provider.workload_spec import WorkloadSpec

_LOG_LINES = 20
_ATTEMPTS = 3
_PORTS = range(20000, 32000)
"""Below the kernel's own choice for outgoing connections, so that nobody is given one of these by chance."""

Record = dict[str, Any]
_nobody: Record = {"revision": "", "revisions": {}}


@dataclass(frozen=True)
class Site:
    """What workloads stand on. `directory` is for their files, `logs` for what they say; both are Pave's alone.

    `last_words` is told a log that is about to be deleted.
    `told` are variables that every process of a stack gets; they make no other revision of it.
    """

    inventory: Inventory
    machine: Machine
    sandbox: Confiner
    artifacts: Artifacts
    volumes: Volumes
    directory: Path
    logs: Path
    start_seconds: float = 30.0
    drain_seconds: float = 10.0
    last_words: Callable[[Path], None] = lambda _: None
    told: Callable[[Address], Mapping[str, str]] = lambda _: {}


@dataclass(frozen=True)
class WorkloadState:
    """A workload as it is. `port` is the router's; `revision` what serves, or is on its way to."""

    address: Address
    revision: str
    host: str = ""
    url: str = ""
    port: int = 0
    asleep: bool = False
    programs: Mapping[str, ProgramState | None] | None = None


class Workloads:
    """All workloads of this machine."""

    def __init__(self, site: Site, routes: Routes) -> None:
        self.site, self._routes = site, routes

    def ensure(self, spec: WorkloadSpec) -> WorkloadState:
        """Have exactly this workload serving. Raises `Terminal` where it does not start, `Refused` where it cannot."""
        key = str(spec.address)
        with self.site.inventory.lock(WORKLOAD, key):
            if spec.host:
                self._routes.claim(spec.address, spec.host)
                self._routes.url(spec.host)  # where the router cannot run, it is said before anything is started
            record = self.site.inventory.get(WORKLOAD, key) or _blank(spec)
            if spec.asleep:
                return self._rest(spec, record)
            try:
                self._have_running(spec, record)
            except BaseException:
                self._retire(key, record)
                if not record["revisions"] and not record.get("asleep"):
                    self.site.inventory.remove(WORKLOAD, key)
                raise
            beside = spec.weight < 100 and record["revision"] not in ("", spec.revision)
            arriving = beside and self._stays(spec.address, record)
            if arriving:
                record |= {"candidate": spec.revision, "weight": spec.weight}
            else:
                record |= {"revision": spec.revision, "candidate": "", "weight": 100}
            record |= {"host": spec.host, "owner": spec.owner, "asleep": False}
            record["ports"] = [vars(port) for port in spec.ports]
            self._keep(key, record)
            self._routes.publish()
            self._retire(key, record)
        return self._state(spec.address, record)

    def _stays(self, address: Address, record: Record) -> bool:
        """Have the version that was there running beside the one that is coming; whether it does."""
        path = self.spec_file(address, record["revision"])
        revision = record["revisions"].get(record["revision"])
        if revision is None or not path.is_file():
            return False
        spec = WorkloadSpec.read(json.loads(path.read_bytes()))
        housing = self._housing(spec)
        return not wait(self.site.machine, self._started(housing, revision["ports"]), self.site.start_seconds)

    def _rest(self, spec: WorkloadSpec, record: Record) -> WorkloadState:
        """Run nothing: the route stays, and leads to whoever wakes it."""
        key = str(spec.address)
        record |= {"revision": spec.revision, "candidate": "", "weight": 100, "asleep": True}
        record |= {"host": spec.host, "owner": spec.owner, "ports": [vars(port) for port in spec.ports]}
        self._keep(key, record)
        self._routes.publish()
        self._retire(key, record)
        return self._state(spec.address, record)

    def read(self, address: Address) -> WorkloadState | None:
        """The workload as it is; None where it is gone, or where a program of it is not there to be kept alive."""
        record = self.site.inventory.get(WORKLOAD, str(address))
        if record is None or not record["revision"]:
            return None
        state = self._state(address, record)
        if state.asleep:
            return state
        given_up = [one for one in (state.programs or {}).values() if one is None or _given_up(one)]
        return None if given_up else state

    def remove(self, address: Address) -> None:
        """Ensure that it is gone: no route, no process, no file."""
        key = str(address)
        with self.site.inventory.lock(WORKLOAD, key):
            record = self.site.inventory.get(WORKLOAD, key)
            if record is None:
                return
            record |= {"revision": "", "candidate": "", "host": ""}
            self._keep(key, record)
            self._routes.publish()
            self._retire(key, record)
            self.site.inventory.remove(WORKLOAD, key)

    def all(self, stack: Address | None = None) -> dict[Address, WorkloadState]:
        """Every workload, or those of one stack."""
        found = {Address.parse(key): record for key, record in self.site.inventory.list(WORKLOAD).items()}
        return {
            address: self._state(address, record)
            for address, record in found.items()
            if stack is None or address.stack == stack
        }

    def execute(self, address: Address, command: str, report: Callable[[str], None], cancel: Cancel) -> None:
        """Run a command once beside what serves: its files, variables and limits. Raises `Refused` where it fails."""
        record = self.site.inventory.get(WORKLOAD, str(address)) or _nobody
        path = self.spec_file(address, record.get("candidate") or record["revision"])
        if not path.is_file():
            raise Refused(error(f"{address} runs nothing that {command!r} could be run beside", address=str(address)))
        spec = WorkloadSpec.read(json.loads(path.read_bytes()))
        housing = self._housing(spec)
        outcome = self.site.sandbox.execute(self._complete(housing.command(command)))
        lines = [masked(line, spec.secrets) for line in outcome.text.splitlines()]
        for line in lines:
            report(line)
        if cancel():
            raise Cancelled(error(f"{command!r} was stopped", address=str(address)))
        if not outcome.ok:
            how = "took too long" if outcome.timed_out else "failed"
            raise Refused(
                error(
                    f"{command!r} {how} beside {address.stack}",
                    detail="\n".join(lines[-_LOG_LINES:]),
                    remedy="Correct the environment's seed, or what it runs.",
                    address=str(address),
                )
            )

    def _have_running(self, spec: WorkloadSpec, record: Record) -> None:
        """Have this revision up and ready, on ports that nobody else has."""
        housing = self._housing(spec)
        for attempt in range(1, _ATTEMPTS + 1):
            self._plan(spec, record)
            self._release(housing, record)
            revision = record["revisions"][spec.revision]
            problem = wait(self.site.machine, self._started(housing, revision["ports"]), self.site.start_seconds)
            if not problem:
                return
            lines = [masked(line, self.secrets_of(spec)) for name in revision["programs"] for line in self._said(name)]
            if spec.revision not in (record["revision"], record.get("candidate", "")):
                self._take_away(str(spec.address), record, spec.revision)
            if attempt == _ATTEMPTS or not self._lost_port(revision):
                raise Terminal(_did_not_start(spec, record, problem, lines))

    def _housing(self, spec: WorkloadSpec) -> Housing:
        image, folder = Image.of(spec, self.site.artifacts), self._folder(spec.address, spec.revision)
        return Housing(spec, image, self.site.volumes, folder, self.site.told(spec.address.stack))

    def secrets_of(self, spec: WorkloadSpec) -> tuple[str, ...]:
        """What its lines must not say: its own secrets, and the credential among what every process is told."""
        told = self.site.told(spec.address.stack)
        return (*spec.secrets, *(text.rpartition("%20")[2] for name, text in told.items() if name.endswith("_HEADERS")))

    def _plan(self, spec: WorkloadSpec, record: Record) -> None:
        """Choose names and ports and put them on record; what is on record and still free for us stays."""
        key = str(spec.address)
        with self.site.inventory.lock("ports", "all"):
            known = record["revisions"].get(spec.revision)
            if known and not self._lost_port(known):
                return
            used = self._used_ports()
            place = f"{self.site.directory}/{key}"  # two platforms on one machine look for ports in different places
            ports = [
                {port.name: self._free_port(f"{place}/{number}/{port.name}", used) for port in spec.ports}
                for number in range(spec.scale)
            ]
            names = [_program_name(spec, one.name, number) for number in range(spec.scale) for one in spec.containers]
            released = bool(known and known["released"])
            record["revisions"][spec.revision] = {"programs": names, "ports": ports, "released": released}
            self._keep(key, record)
            self.site.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_private(self.spec_file(spec.address, spec.revision), spec.as_data())

    def _lost_port(self, revision: Mapping[str, Any]) -> bool:
        """Whether a stranger sits on a port of a replica that does not run."""
        states = [self.site.machine.state(name) for name in revision["programs"]]
        if any(state is not None and state.running for state in states):
            return False
        return any(taken(port) for replica in revision["ports"] for port in replica.values())

    def _used_ports(self) -> set[int]:
        revisions = [
            one for record in self.site.inventory.list(WORKLOAD).values() for one in record["revisions"].values()
        ]
        return {port for revision in revisions for replica in revision["ports"] for port in replica.values()}

    @staticmethod
    def _free_port(key: str, used: set[int]) -> int:
        start = zlib.crc32(key.encode()) % len(_PORTS)
        for offset in range(len(_PORTS)):
            port = _PORTS[(start + offset) % len(_PORTS)]
            if port not in used and not taken(port):
                used.add(port)
                return port
        raise Terminal(error("No port is free for another workload", remedy="Remove some workloads."))

    def _release(self, housing: Housing, record: Record) -> None:
        """Run the release command once per revision, before anything of it starts."""
        revision = record["revisions"][housing.spec.revision]
        if not housing.image.release or revision["released"]:
            return
        outcome = self.site.sandbox.execute(self._complete(housing.release()))
        if not outcome.ok:
            lines = [masked(line, housing.spec.secrets) for line in outcome.text.splitlines()[-_LOG_LINES:]]
            reason = "it took too long" if outcome.timed_out else "it failed"
            raise Terminal(_did_not_start(housing.spec, record, f"its release command: {reason}", lines))
        revision["released"] = True
        self._keep(str(housing.spec.address), record)

    def _started(self, housing: Housing, ports: Sequence[Mapping[str, int]]) -> list[Check]:
        """Start one program per container and replica; how to know that each is ready."""
        checks = []
        for number, replica in enumerate(ports):
            for container in housing.spec.containers:
                name = _program_name(housing.spec, container.name, number)
                confinement = self._complete(housing.container(container, replica))
                argv = self.site.sandbox.command(confinement)
                log = self.log_file(name)
                self.site.machine.ensure(Program(name, argv, log, environment=confinement.environment))
                # Of several containers nobody says which one listens, unless a readiness path does.
                port = (
                    next(iter(replica.values()), 0) if len(housing.spec.containers) == 1 or container.ready_path else 0
                )
                probe = self._probe(housing.probe(container, replica)) if container.ready_command else None
                state = self.site.machine.state(name)
                checks.append(Check(name, port, container.ready_path, probe, state.restarts if state else 0))
        return checks

    def _probe(self, confinement: Confinement) -> Callable[[], bool]:
        return lambda: self.site.sandbox.execute(self._complete(confinement)).ok

    def _complete(self, confinement: Confinement) -> Confinement:
        return replace(confinement, environment=self.site.sandbox.environment(confinement))

    def _retire(self, key: str, record: Record) -> None:
        """Take away every revision that does not serve, once its requests are done."""
        serving = set() if record.get("asleep") else {record["revision"], record.get("candidate", "")}
        for revision in [one for one in record["revisions"] if one not in serving]:
            ports = {port for replica in record["revisions"][revision]["ports"] for port in replica.values()}
            await_idle(ports, self.site.drain_seconds)
            self._take_away(key, record, revision)

    def _take_away(self, key: str, record: Record, revision: str) -> None:
        for name in record["revisions"][revision]["programs"]:
            self.site.machine.remove(name)
            self.site.last_words(self.log_file(name))
            for log in self.site.logs.glob(f"{name}.log*"):
                log.unlink(missing_ok=True)
        shutil.rmtree(self._folder(Address.parse(key), revision), ignore_errors=True)
        self.spec_file(Address.parse(key), revision).unlink(missing_ok=True)
        del record["revisions"][revision]
        self._keep(key, record)

    def _state(self, address: Address, record: Mapping[str, Any]) -> WorkloadState:
        serving = [one for one in (record["revision"], record.get("candidate", "")) if one in record["revisions"]]
        programs = [name for one in serving for name in record["revisions"][one]["programs"]]
        routed = bool(record["host"] and record["ports"])
        return WorkloadState(
            address=address,
            revision=record.get("candidate") or record["revision"],
            asleep=bool(record.get("asleep")),
            host=record["host"],
            url=self._routes.url(record["host"]) if routed else "",
            port=self._routes.router.port if routed and self._routes.router else 0,
            programs={name: self.site.machine.state(name) for name in programs},
        )

    def _keep(self, key: str, record: Mapping[str, Any]) -> None:
        self.site.inventory.put(WORKLOAD, key, record)

    def _folder(self, address: Address, revision: str) -> Path:
        return self.site.directory / f"{str(address).replace('/', '.')}.{revision}"

    def spec_file(self, address: Address, revision: str) -> Path:
        """Keeps what a revision was asked to be, for commands that are run beside it; Pave's alone."""
        return self.site.directory / f"{str(address).replace('/', '.')}.{revision}.json"

    def log_file(self, name: str) -> Path:
        """Where a program's lines go."""
        return self.site.logs / f"{name}.log"

    def _said(self, name: str) -> list[str]:
        return _tail(self.log_file(name), _LOG_LINES)


def _blank(spec: WorkloadSpec) -> Record:
    record: Record = {"address": str(spec.address), "owner": spec.owner, "host": "", "revision": "", "candidate": ""}
    return record | {"weight": 100, "asleep": False, "revisions": {}, "ports": []}


def _program_name(spec: WorkloadSpec, container: str, number: int) -> str:
    where = str(spec.address).replace("/", ".")
    if len(where) > 120:
        where = f"{where[:100]}-{hashlib.sha256(where.encode()).hexdigest()[:12]}"
    return f"{where}.{spec.revision}.{re.sub(r'[^A-Za-z0-9-]', '-', container)[:40]}.{number}"


def _given_up(state: ProgramState) -> bool:
    return not state.running and not state.detail.startswith("backoff")


def _tail(path: Path, lines: int) -> list[str]:
    """The last lines of a file, of at most 64 KiB."""
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - 65536, 0))
            return file.read().decode(errors="replace").splitlines()[-lines:]
    except FileNotFoundError:
        return []


def _did_not_start(spec: WorkloadSpec, record: Mapping[str, Any], problem: str, lines: Sequence[str]) -> Diagnostic:
    said = "\n".join(lines[-_LOG_LINES:])
    kept = "What ran before goes on serving." if record["revision"] else ""
    last = f"The last that it said:\n{said}" if said else "It said nothing."
    return error(
        f"the workload did not start: {problem}",
        detail="\n".join(part for part in (kept, last) if part),
        remedy="Correct that and deploy a new commit.",
        address=str(spec.address),
    )
