"""The world as the engine has it: every port in one frozen value, put together once in `pave.wiring`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pave.engine.catalog import CatalogProjection
from pave.engine.snapshots import Snapshots
from pave.ports import (
    AlertMirror,
    Alerts,
    Approvals,
    Attestor,
    Builder,
    Builds,
    Catalog,
    Changes,
    Checker,
    Clock,
    Cloud,
    Courier,
    Deliveries,
    Engine,
    Events,
    Evidence,
    Forge,
    Judgements,
    Metrics,
    Outbox,
    Plans,
    PlatformRepository,
    Post,
    Queue,
    Repositories,
    Runs,
    Scaffolder,
    Stacks,
)


def nothing(_point: str) -> None:
    """What happens at a point of a run where nothing is to happen."""


@dataclass(frozen=True)
class World:
    """All ports. `scratch` is a private folder for checkouts, `url` is where people find this server.

    `couriers` are by the type of channel, `mirror` is another system that shows the alerts. `reached` is told each
    point that a run passes.
    """

    clock: Clock
    platform: PlatformRepository
    snapshots: Snapshots
    repositories: Repositories
    builder: Builder
    checker: Checker
    attestor: Attestor
    scaffolder: Scaffolder
    engine: Engine
    cloud: Cloud
    runs: Runs
    stacks: Stacks
    plans: Plans
    builds: Builds
    evidence: Evidence
    approvals: Approvals
    judgements: Judgements
    changes: Changes
    deliveries: Deliveries
    forges: Mapping[str, Forge]
    post: Post
    events: Events
    queue: Queue
    catalog: Catalog
    projection: CatalogProjection
    metrics: Metrics
    alerts: Alerts
    outbox: Outbox
    couriers: Mapping[str, Courier]
    scratch: Path
    domain: str = "localhost"
    url: str = ""
    holder: str = "pave"
    mirror: AlertMirror | None = None
    reached: Callable[[str], None] = nothing

    def link(self, run: str) -> str:
        """Where people follow a run: on the portal's page where its address is known, else by a command."""
        return f"{self.url}/#run-{run}" if self.url else f"pave run {run}"
