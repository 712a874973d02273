"""How delivery goes: DORA's metrics by service, team or for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Operation
from pave.model.diagnostics import Refused, error
from pave.model.duration import duration, instant
from pave.model.snapshot import Snapshot
from pave.observe.delivery import Period, dora
from pave.plan.wanted import owner_of
from pave.ports import Delivery
from pave.request.roles import Verb

_MOST_RECORDS = 20_000
_NOBODYS = "nobody's"


class DoraFilter(BaseModel):
    """What is measured."""

    model_config = ConfigDict(extra="forbid")

    by: Literal["service", "team", "organisation"] = Field("service", description="service, team or organisation.")
    since: str = Field("30d", description="How far back, such as 30d, or from which day or time on.")


class DoraView(BaseModel):
    """The five metrics of one group. Times are seconds; null means that there is nothing to compute from."""

    group: str
    deployments: int = Field(description="Changes that came to live in production.")
    per_day: float = Field(description="Deployment frequency.")
    lead_time: float | None = Field(None, description="Median, from commit to live.")
    segments: dict[str, float] = Field(default={}, description="Medians of what lead times are made of.")
    change_fail_rate: float | None = Field(None, description="Share of changes that failed or were rolled back.")
    recovery_time: float | None = Field(None, description="Median, from the failure to what made it good.")
    unrecovered: int = Field(0, description="Failed changes that nothing has made good yet.")
    rework_rate: float | None = Field(None, description="Share of deployments that nobody planned.")


class DoraReport(BaseModel):
    """How delivery to production went. `complete` is false where there are more records than were read."""

    by: str
    since: datetime
    until: datetime
    production: list[str]
    groups: list[DoraView]
    complete: bool = True


def _dora(context: Context, given: DoraFilter) -> DoraReport:
    world = context.world
    now, snapshot = world.clock.now(), world.snapshots.current()
    since = past(given.since, now)
    production = sorted(name for name, one in snapshot.environments.items() if one.kind == "production")
    records = world.deliveries.find(limit=_MOST_RECORDS)
    period = Period(since, now, production, _started(context, records, set(production)))
    found = dora(records, period, _groups(snapshot, given.by))
    return DoraReport(
        by=given.by,
        since=since,
        until=now,
        production=production,
        groups=[DoraView(group=name, **asdict(one)) for name, one in found.items()],
        complete=len(records) < _MOST_RECORDS,
    )


def past(text: str, now: datetime) -> datetime:
    """The time that `30d` or a day means, before now. Raises `Refused`."""
    try:
        found = instant(text) if text[4:5] == "-" else now - duration(text)
    except OverflowError:
        raise Refused(error(f"{text!r} is longer ago than there are dates", remedy="Write it like 30d.")) from None
    if found >= now:
        raise Refused(
            error(f"{text} is not in the past", remedy="Write how far back, like 30d, or a day before today.")
        )
    return found


def _started(context: Context, records: Sequence[Delivery], production: set[str]) -> dict[str, datetime]:
    """When the runs began that brought what came to production."""
    commits = {one.commit for one in records if one.stack.environment in production}
    runs = (context.world.runs.get(run) for run in {one.run for one in records if one.commit in commits})
    return {run.id: run.started_at for run in runs if run is not None and run.started_at is not None}


def _groups(snapshot: Snapshot, by: str) -> Callable[[str], str]:
    match by:
        case "team":
            return lambda component: str(owner_of(snapshot, component) or _NOBODYS)
        case "organisation":
            return lambda _component: "organisation"
        case _:
            return lambda component: component


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="dora.show",
        summary="How delivery to production goes: DORA's five metrics, from the record of every delivery",
        rest="GET /dora",
        cli="dora",
        input=DoraFilter,
        output=DoraReport,
        handler=_dora,
        scopes=("stack:read",),
        read_only=True,
        examples=("pave dora", "pave dora --by team --since 90d"),
        verb=Verb.READ,
    ),
)
