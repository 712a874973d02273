"""The world as the engine has it: every port in one frozen value, put together once in `pave.wiring`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pave.engine.catalog import CatalogProjection
from pave.engine.pulse import Pulse
from pave.engine.snapshots import Snapshots
from pave.ports import (
    AlertMirror,
    Alerts,
    Approvals,
    Attestor,
    Budgets,
    Builder,
    Builds,
    Catalog,
    Changes,
    Charges,
    Checker,
    Clock,
    Cloud,
    Courier,
    Credentials,
    Deliveries,
    Engine,
    Events,
    Evidence,
    Feedback,
    Forge,
    Judgements,
    Logs,
    Metrics,
    Outbox,
    Plans,
    PlatformRepository,
    PolicyEngine,
    Post,
    Queue,
    Repositories,
    Runs,
    Scaffolder,
    Scores,
    Stacks,
    Surveys,
    Traces,
    Usage,
)


def nothing(_point: str) -> None:
    """What happens at a point of a run where nothing is to happen."""


@dataclass(frozen=True)
class World:
    """All ports. `scratch` is a private folder for checkouts, `url` is where people find this server.

    `couriers` are by the type of channel, `mirror` is another system that shows the alerts. `reached` is told each
    point that a run passes, `pulse` each round of what goes on by itself.
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
    credentials: Credentials
    judgements: Judgements
    policies: PolicyEngine
    scores: Scores
    usage: Usage
    feedback: Feedback
    surveys: Surveys
    budgets: Budgets
    charges: Charges
    changes: Changes
    deliveries: Deliveries
    forges: Mapping[str, Forge]
    post: Post
    events: Events
    logs: Logs
    metrics: Metrics
    traces: Traces
    queue: Queue
    catalog: Catalog
    projection: CatalogProjection
    alerts: Alerts
    outbox: Outbox
    couriers: Mapping[str, Courier]
    scratch: Path
    domain: str = "localhost"
    url: str = ""
    holder: str = "pave"
    pulse: Pulse = field(default_factory=Pulse)
    mirror: AlertMirror | None = None
    reached: Callable[[str], None] = nothing

    def link(self, run: str) -> str:
        """Where people follow a run: on the portal's page where its address is known, else by a command."""
        return f"{self.url}/#run-{run}" if self.url else f"pave run {run}"
