"""`dora.mismatch`: what `pave dora` shows against what Git and the audit say, over a thousand simulated deployments."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Engine, text

from benchmarks.recomputing import differences, recomputed
from benchmarks.running import folder
from benchmarks.simulated import BEGAN, PRODUCTION, TEAMS, Simulation, simulate
from pave.adapters.postgres import database
from pave.engine.context import Context
from pave.engine.registry import OPERATIONS
from pave.settings import Settings
from pave.wiring import Base

Pairs = Iterator[tuple[float, float | None]]
_MANY = 100_000
_GROUPS: Mapping[str, Callable[[str], str]] = {
    "service": str,
    "team": lambda component: f"group:default/{TEAMS[component]}",
    "organisation": lambda _: "organisation",
}


def dora_mismatch(runs: int) -> Pairs:
    """Differences between the figures shown and recomputed: of services, teams and all, over all time and a part."""
    for seed in range(runs):
        with folder() as data, tempfile.TemporaryDirectory() as git:
            base = Base(Settings.load({"data": data, "port": 0, "router_port": 0}))
            base.machine.attach()
            records = database.connect(base.database_url(), size=4)
            try:
                database.migrate(records)
                with records.begin() as connection:  # a power cut would lose what nobody needs
                    connection.execute(text("ALTER ROLE CURRENT_USER SET synchronous_commit = off"))
                records.dispose()
                yield float(len(mismatches(Path(git), records, seed=seed))), None
            finally:
                records.dispose()


def mismatches(git: Path, records: Engine, count: int = 1000, seed: int = 0) -> list[str]:
    """What is not the same, in words."""
    made = simulate(git, records, count, seed)
    audit = _audit(made)
    whole = made.clock.at - BEGAN + timedelta(days=1)
    found = []
    for since in (whole, whole / 3):
        for by, group in _GROUPS.items():
            began = made.clock.at - timedelta(seconds=int(since.total_seconds()))
            own = recomputed(
                made.platform,
                made.repositories,
                audit,
                (began, made.clock.at),
                lambda environment, component, group=group: group(component) if environment in PRODUCTION else "",
            )
            found += differences(_shown(made, by, int(since.total_seconds())), own)
    return found


def _shown(made: Simulation, by: str, seconds: int) -> Mapping[str, Mapping[str, float | None]]:
    """What `dora.show` answers."""
    operation = next(one for one in OPERATIONS if one.name == "dora.show")
    context = cast("Context", SimpleNamespace(world=made.world))
    report: Any = operation.handler(context, operation.input(by=by, since=f"{seconds}s"))
    return {one.group: one.model_dump() for one in report.groups}


def _audit(made: Simulation) -> list[dict[str, Any]]:
    events = made.world.events.read(0, limit=_MANY)
    return [
        {"kind": "", "state": "", **one.data, "run": one.run, "type": one.type, "at": one.data["happened"]}
        for one in events
    ]
