"""As much of a world as alerts and notifications have to do with: real stores, a clock that is set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from metrics_for_tests import MemoryMetrics
from sqlalchemy import Engine

from pave.adapters.postgres.alerting import PostgresAlerts
from pave.adapters.postgres.events import PostgresEvents
from pave.adapters.postgres.outbox import PostgresOutbox
from pave.engine.pulse import Pulse
from pave.engine.signals.alerting import Alerting
from pave.model.alert_file import built_in_alerts, built_in_slos
from pave.model.deployment import Deployment
from pave.model.entity import Entity
from pave.model.environment import Deploy, Environment
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.observe.series import Kind, Sample
from pave.ports import Event, ResourceRecord, StackRecord

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ORDERS, PROD = Address("dev", "orders"), Address("prod", "orders")
PLATFORM, PAYMENTS = Ref("group", "default", "platform"), Ref("group", "default", "payments")
DANA, SAM = Ref("user", "default", "dana"), Ref("user", "default", "sam")
ROUND = timedelta(seconds=5)


def entity(ref: Ref, **spec: Any) -> Entity:
    return Entity(ref, ref.kind.capitalize(), "backstage.io/v1alpha1", {"name": ref.name}, spec)


ENTITIES = {
    one.ref: one
    for one in (
        entity(PLATFORM, type="team", children=[]),
        entity(PAYMENTS, type="team", children=[], profile={"email": "payments@example.com"}),
        entity(DANA, memberOf=["platform"], profile={"email": "dana@example.com"}),
        entity(SAM, memberOf=["payments"], profile={"email": "sam@example.com"}),
        entity(Ref("component", "default", "orders"), type="service", lifecycle="production", owner="group:payments"),
    )
}
SNAPSHOT = Snapshot(
    "c1",
    environments={
        "dev": Environment("dev", "development", PLATFORM),
        "prod": Environment("prod", "production", PLATFORM, deploy=Deploy(rollback_on=("availability-burn",))),
    },
    deployments={stack: Deployment(stack, Ref("component", "default", "orders")) for stack in (ORDERS, PROD)},
    entities=ENTITIES,
    alerts=dict(built_in_alerts()),
    slos=dict(built_in_slos()),
)


class FakeClock:
    def __init__(self) -> None:
        self.at = NOW

    def now(self) -> datetime:
        return self.at


class AlertingWorld(SimpleNamespace):
    """`deliveries` and `runs` are lists and dicts that a test fills; `snapshot` is what the repository says."""

    def link(self, run: str) -> str:
        return f"http://localhost/#run-{run}"

    def events_of(self, type_: str) -> list[Event]:
        return [one for one in self.events.read(0, limit=5000) if one.type == type_]

    def say(self, **parts: Any) -> None:
        """Another commit of the platform repository."""
        self.snapshot = replace(self.snapshot, commit=f"{self.snapshot.commit}+", **parts)


def alerting_world(records: Engine, couriers: Mapping[str, Any] | None = None) -> Any:
    world = AlertingWorld(
        clock=FakeClock(),
        snapshot=SNAPSHOT,
        metrics=MemoryMetrics(),
        alerts=PostgresAlerts(records),
        outbox=PostgresOutbox(records),
        events=PostgresEvents(records),
        couriers=dict(couriers or {}),
        mirror=None,
        pulse=Pulse(),
        holder="one",
        found=[],
        run_records={},
    )
    url = {"web": "http://orders.dev.localhost"}
    world.stacks = SimpleNamespace(
        all=lambda: [StackRecord(stack, "live", urls=url) for stack in world.snapshot.deployments],
        resources=lambda: [
            ResourceRecord(stack.at("workload"), "workload", "local/workload", "1", stateful=False)
            for stack in world.snapshot.deployments
        ],
    )
    world.snapshots = SimpleNamespace(current=lambda: world.snapshot, workload=lambda _deployment: None)
    world.catalog = SimpleNamespace(get=lambda _ref: None)
    world.deliveries = SimpleNamespace(
        find=lambda stack, limit: [one for one in world.found if one.stack == stack][:limit]
    )
    world.approvals = SimpleNamespace(get=lambda _id: None)
    world.runs = SimpleNamespace(get=world.run_records.get)
    return world


class Watcher:
    """Goes on with the clock: requests and processes as told, and a round each five seconds."""

    def __init__(self, world: Any, stack: Address = ORDERS) -> None:
        self.world, self.labels = world, {"environment": stack.environment, "component": stack.component}
        self.alerting = Alerting(world)
        self.good = self.bad = 0.0
        self.rounds = 0

    def go(self, seconds: float, *, share: float = 0.0, up: float | None = 1.0, rate: float = 25.0) -> None:
        """Time passes: `rate` requests each five seconds, a `share` of them failing."""
        for _ in range(int(seconds / ROUND.total_seconds())):
            self.world.clock.at += ROUND
            self.good += rate * (1 - share)
            self.bad += rate * share
            samples = [
                Sample("http_requests_total", self.labels | {"code": "2xx"}, self.good, Kind.COUNTER),
                Sample("http_requests_total", self.labels | {"code": "5xx"}, self.bad, Kind.COUNTER),
            ]
            if up is not None:
                samples.append(Sample("workload_up", self.labels, up))
                self.world.metrics.write(self.world.clock.at, "x", samples)
            self.alerting.look()
            self.rounds += 1
