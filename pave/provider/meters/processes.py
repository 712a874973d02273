"""Processor time, memory and restarts of workloads: their processes and all that these started."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pave.model.names import Address
from pave.observe.series import Kind, Sample
from pave.ports.machine import Machine
from pave.provider.inventory import Inventory
from pave.provider.routes import WORKLOAD

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """One process: its parent, the seconds that it and its ended children used, the bytes that it holds."""

    pid: int
    parent: int
    seconds: float
    memory: int


def labels_of(stack: Address) -> dict[str, str]:
    """The labels that everything measured of a stack has."""
    return {"environment": stack.environment, "component": stack.component}


def look(proc: Path = Path("/proc")) -> Mapping[int, Process]:
    """Every process of the machine, in one pass. Source of the fields: proc_pid_stat(5)."""
    found = {}
    for folder in proc.iterdir():
        if not (name := folder.name).isdecimal():
            continue
        try:
            text = (folder / "stat").read_bytes()
        except OSError:  # it has just ended
            continue
        fields = text[text.rindex(b")") + 2 :].split()
        seconds = sum(map(int, fields[11:15])) / _TICKS
        found[int(name)] = Process(int(name), int(fields[1]), seconds, int(fields[21]) * _PAGE)
    return found


def below(processes: Mapping[int, Process], root: int, children: Mapping[int, list[int]]) -> Iterator[Process]:
    """A process and all that it started."""
    waiting, seen = [root], set[int]()
    while waiting:
        pid = waiting.pop()
        if pid in processes and pid not in seen:
            seen.add(pid)
            yield processes[pid]
            waiting += children.get(pid, ())


class WorkloadMeter:
    """Implements `pave.ports.Meter`: what the supervisor's programs use."""

    name = "workloads"

    def __init__(self, machine: Machine, inventory: Inventory) -> None:
        self._machine, self._inventory = machine, inventory
        self._used: defaultdict[str, float] = defaultdict(float)
        self._shown: dict[str, tuple[int, float]] = {}
        self._restarts: defaultdict[str, int] = defaultdict(int)
        self._launched: dict[str, int] = {}

    def measure(self, now: datetime) -> Iterable[tuple[str, Sample]]:
        """Processor time counts up over restarts; restarts are those of programs, not deployments."""
        del now
        processes = look()
        children: defaultdict[int, list[int]] = defaultdict(list)
        for one in processes.values():
            children[one.parent].append(one.pid)
        states = self._machine.states()
        programs = set()
        for key, record in self._inventory.list(WORKLOAD).items():
            stack, memory, running = str(Address.parse(key).stack), 0, 0
            names = _serving(record)
            programs |= set(names)
            for name in names:
                state = states.get(name)
                if state is None:
                    continue
                self._count_restarts(stack, name, state.restarts)
                if state.running and state.pid:
                    tree = list(below(processes, state.pid, children))
                    running += bool(tree)
                    memory += sum(one.memory for one in tree)
                    self._count_time(stack, name, state.pid, sum(one.seconds for one in tree))
            if not record.get("revision"):
                continue
            labels = labels_of(Address.parse(key))
            yield stack, Sample("workload_cpu_seconds_total", labels, round(self._used[stack], 2), Kind.COUNTER)
            yield stack, Sample("workload_restarts_total", labels, self._restarts[stack], Kind.COUNTER)
            yield stack, Sample("workload_memory_bytes", labels, memory)
            yield stack, Sample("workload_replicas", labels, _wanted(record))
            if names:
                yield stack, Sample("workload_up", labels, running / len(names))
        self._shown = {name: one for name, one in self._shown.items() if name in programs}
        self._launched = {name: one for name, one in self._launched.items() if name in programs}

    def _count_time(self, stack: str, name: str, pid: int, seconds: float) -> None:
        before = self._shown.get(name, (0, 0.0))
        # A child that nobody waited for takes its time away with it: what was counted stays counted.
        self._used[stack] += max(seconds - before[1], 0.0) if before[0] == pid else seconds
        self._shown[name] = (pid, seconds)

    def _count_restarts(self, stack: str, name: str, restarts: int) -> None:
        self._restarts[stack] += max(restarts - self._launched.get(name, restarts), 0)
        self._launched[name] = restarts


def _serving(record: Mapping[str, Any]) -> list[str]:
    if record.get("asleep"):
        return []
    revisions = record["revisions"]
    serving = (record["revision"], record.get("candidate", ""))
    return [name for one in serving if one in revisions for name in revisions[one]["programs"]]


def _wanted(record: Mapping[str, Any]) -> int:
    """How many times what serves is to run; nothing while it sleeps."""
    revision = record["revisions"].get(record["revision"])
    return len(revision["ports"]) if revision and not record.get("asleep") else 0
