"""How Pave itself is: its database, queue, rounds and disk, its objectives, its slowest operations."""

from __future__ import annotations

import shutil
import time
from datetime import datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, Field

from pave import __version__
from pave.apply.run import State
from pave.engine.context import Context
from pave.engine.operations import Nothing, Operation
from pave.engine.product.insights import ended_runs
from pave.engine.world import World
from pave.observe.demand import flows
from pave.request.roles import Verb

_SLOW_ROUNDS = {
    "reconciler": 300.0,
    "housekeeper": 1200.0,
    "messenger": 120.0,
    "usage": 60.0,
    "collector": 60.0,
    "alerting": 60.0,
    "notifier": 60.0,
}
"""Seconds without a round from which on something is wrong; the slowest of them is planned every ten minutes."""
_SLOW_DATABASE, _LONG_QUEUE = 0.25, 60.0
_LITTLE_DISK, _TOO_LITTLE_DISK = 0.10, 0.03
_WINDOW = timedelta(days=7)
_ANSWERED, _READY = 0.999, 60.0
_MOST_SLOW = 10

Tone = Literal["ok", "warn", "bad"]


class PartView(BaseModel):
    """One part of Pave, and how it is."""

    name: str
    state: Tone
    says: str


class ObjectiveView(BaseModel):
    """What Pave promises of itself, over seven days."""

    name: str
    goal: str
    value: float | None = Field(None, description="None where nothing was measured.")
    held: bool | None = None


class SlowView(BaseModel):
    """An operation and how long it takes to answer."""

    operation: str
    calls: int
    seconds: float = Field(description="Mean until it answered.")


class Health(BaseModel):
    """Pave's own health."""

    state: Tone = Field(description="That of its worst part.")
    version: str
    at: datetime
    parts: list[PartView]
    objectives: list[ObjectiveView]
    slowest: list[SlowView]


def _health(context: Context, _: Nothing) -> Health:
    world = context.world
    parts = [_database(world), _queue(world), *_rounds(world), _disk(world), _repository(world)]
    worst = max(parts, key=lambda one: ("ok", "warn", "bad").index(one.state))
    return Health(
        state=worst.state,
        version=__version__,
        at=world.clock.now(),
        parts=parts,
        objectives=_objectives(world),
        slowest=_slowest(world),
    )


def _database(world: World) -> PartView:
    began = time.monotonic()
    world.events.last()
    seconds = time.monotonic() - began
    state: Tone = "warn" if seconds > _SLOW_DATABASE else "ok"
    return PartView(name="database", state=state, says=f"answers in {seconds * 1000:.1f} ms")


def _queue(world: World) -> PartView:
    pending = world.runs.find(states=[State.PENDING], limit=1_000)
    running = len(world.runs.find(states=[State.RUNNING], limit=1_000))
    waiting = len(world.runs.find(states=[State.WAITING], limit=1_000))
    now = world.clock.now()
    oldest = max(((now - one.created_at).total_seconds() for one in pending if one.created_at), default=0.0)
    state: Tone = "warn" if oldest > _LONG_QUEUE else "ok"
    for_whom = f", the oldest for {oldest:.0f} s" if pending else ""
    return PartView(
        name="queue", state=state, says=f"{len(pending)} wait{for_whom}; {running} run, {waiting} wait for something"
    )


def _rounds(world: World) -> list[PartView]:
    now = world.clock.now()
    found = []
    for name, beat in world.pulse.beats().items():
        age = (now - beat.at).total_seconds()
        silent = age > _SLOW_ROUNDS.get(name, 300.0)
        state: Tone = "bad" if silent else "warn" if beat.problem else "ok"
        said = f"its last round was {age:.0f} s ago and took {beat.seconds:.2f} s"
        found.append(PartView(name=name, state=state, says=f"{said}: {beat.problem}" if beat.problem else said))
    return found


def _disk(world: World) -> PartView:
    usage = shutil.disk_usage(world.scratch)
    share = usage.free / usage.total
    state: Tone = "bad" if share < _TOO_LITTLE_DISK else "warn" if share < _LITTLE_DISK else "ok"
    return PartView(name="disk", state=state, says=f"{usage.free / 1e9:.1f} GB free, {share:.0%}")


def _repository(world: World) -> PartView:
    snapshot = world.snapshots.current()
    errors = sum(one.severity.value == "error" for one in (*snapshot.findings, *world.projection.findings))
    says = f"{errors} files cannot be read whole: pave findings" if errors else "all of it can be read"
    return PartView(name="platform repository", state="warn" if errors else "ok", says=says)


def _objectives(world: World) -> list[ObjectiveView]:
    since = world.clock.now() - _WINDOW
    uses = world.usage.uses(since.date())
    calls, failed = sum(one.count for one in uses), sum(one.count for one in uses if one.outcome == "failed")
    answered = 1 - failed / calls if calls else None
    whole = next((one for one in flows(ended_runs(world, since)) if not one.operation), None)
    ready = whole.p95 if whole else None
    return [
        ObjectiveView(
            name="calls that Pave could answer",
            goal=f"at least {_ANSWERED:.1%}",
            value=answered,
            held=None if answered is None else answered >= _ANSWERED,
        ),
        ObjectiveView(
            name="request to ready, 95th percentile",
            goal=f"at most {_READY:.0f} s",
            value=ready,
            held=None if ready is None else ready <= _READY,
        ),
    ]


def _slowest(world: World) -> list[SlowView]:
    count: dict[str, int] = {}
    seconds: dict[str, float] = {}
    for one in world.usage.uses((world.clock.now() - _WINDOW).date()):
        count[one.operation] = count.get(one.operation, 0) + one.count
        seconds[one.operation] = seconds.get(one.operation, 0.0) + one.seconds
    means = ((seconds[name] / count[name], name) for name in count if count[name])
    slow = sorted(means, reverse=True)[:_MOST_SLOW]
    return [SlowView(operation=name, calls=count[name], seconds=mean) for mean, name in slow]


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="platform.health",
        summary="How Pave itself is: its parts, its objectives, its slowest operations",
        rest="GET /health",
        cli="health",
        input=Nothing,
        output=Health,
        handler=_health,
        scopes=("stack:read",),
        read_only=True,
        verb=Verb.READ,
    ),
)
