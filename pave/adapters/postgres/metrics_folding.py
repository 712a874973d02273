"""Folding rows of measured values into minutes and hours, as far as their time has passed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects.postgresql import insert

from pave.adapters.postgres.metrics_schema import (
    metric_extents,
    metric_hours,
    metric_minutes,
    metric_series,
    metric_values,
)
from pave.observe.folding import Folded, fold, fold_again
from pave.observe.series import Kind


@dataclass(frozen=True)
class Resolution:
    """One table: how long its steps are, and for how long they are kept."""

    table: Table
    step: timedelta
    kept: timedelta


RAW = Resolution(metric_values, timedelta(seconds=10), timedelta(hours=2))
MINUTES = Resolution(metric_minutes, timedelta(minutes=1), timedelta(days=2))
HOURS = Resolution(metric_hours, timedelta(hours=1), timedelta(days=396))
RESOLUTIONS = (RAW, MINUTES, HOURS)
_LATE = timedelta(seconds=20)
"""For how long what belongs to a step may still come."""
_LOOKBACK = timedelta(minutes=2)
_AT_ONCE = 240
_NEVER = datetime.fromtimestamp(0, UTC)
_SET_BACK = timedelta(minutes=5)


def truncated(at: datetime, step: timedelta) -> datetime:
    """The whole step that `at` is in, by its beginning."""
    seconds = step.total_seconds()
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)


def fold_due(connection: Connection, now: datetime) -> None:
    """Fold every minute and hour whose time has passed and that was not folded yet."""
    counters, born = _known(connection)
    for end in _advance(connection, MINUTES, RAW, now - _LATE):
        _fold_minute(connection, end, counters, born)
    folded = _extent(connection, MINUTES)
    for end in _advance(connection, HOURS, MINUTES, folded) if folded is not None else ():
        _fold_hour(connection, end, counters)


def _advance(connection: Connection, into: Resolution, of: Resolution, limit: datetime) -> Sequence[datetime]:
    """The ends of the steps that are due, and remembers them as done: the whole is one transaction."""
    last = truncated(limit, into.step)
    begun = _extent(connection, into) or _NEVER
    if begun > last:  # the clock was set back: by little, or what it called the future is yet to come
        begun = last if begun - last <= _SET_BACK else _NEVER
    first = connection.execute(select(func.min(of.table.c.at)).where(of.table.c.at > begun)).scalar()
    ends: list[datetime] = []
    if first is not None:  # days on which nothing was measured cost nothing
        at = max(begun, truncated(first - timedelta(microseconds=1), into.step))
        while at < last and len(ends) < _AT_ONCE:
            at += into.step
            ends.append(at)
    until = ends[-1] if ends else last
    statement = insert(metric_extents).values(name=into.table.name, since=ends[0] if ends else last, until=until)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"until": until}))
    return ends


def _extent(connection: Connection, resolution: Resolution) -> datetime | None:
    query = select(metric_extents.c.until).where(metric_extents.c.name == resolution.table.name)
    found = connection.execute(query).scalar()
    return found.astimezone(UTC) if found is not None else None


def _known(connection: Connection) -> tuple[Mapping[str, set[int]], Mapping[str, dict[int, datetime]]]:
    """Per source its counters' places, and since when each is theirs."""
    query = select(metric_series.c.source, metric_series.c.place, metric_series.c.since)
    counters: defaultdict[str, set[int]] = defaultdict(set)
    since: defaultdict[str, dict[int, datetime]] = defaultdict(dict)
    for row in connection.execute(query.where(metric_series.c.kind == Kind.COUNTER.value)):
        counters[row.source].add(row.place)
        since[row.source][row.place] = row.since.astimezone(UTC)
    return counters, since


def _fold_minute(
    connection: Connection,
    end: datetime,
    counters: Mapping[str, set[int]],
    since: Mapping[str, dict[int, datetime]],
) -> None:
    begin = end - MINUTES.step
    table = metric_values
    here = (table.c.at > begin - _LOOKBACK, table.c.at <= end)
    rows: defaultdict[str, tuple[list[Any], list[Any]]] = defaultdict(lambda: ([], []))
    for row in connection.execute(select(table).where(*here).order_by(table.c.at)):
        rows[row.source][row.at > begin].append((row.at, row.last))
    made = []
    for source, (before, within) in rows.items():
        if not within:
            continue
        first = (before or within)[0][0]
        born = {place for place, at in since.get(source, {}).items() if at > max(begin, first)}
        last, now = [row for _, row in before], [row for _, row in within]
        made.append(_row(source, end, fold(last, now, counters.get(source, ()), born)))
    _keep(connection, metric_minutes, made)


def _fold_hour(connection: Connection, end: datetime, counters: Mapping[str, set[int]]) -> None:
    table = metric_minutes
    here = (table.c.at > end - HOURS.step, table.c.at <= end)
    parts: defaultdict[str, list[Folded]] = defaultdict(list)
    for row in connection.execute(select(table).where(*here).order_by(table.c.at)):
        parts[row.source].append(Folded(row.last, row.low, row.mean, row.high))
    _keep(
        connection,
        metric_hours,
        [_row(source, end, fold_again(many, counters.get(source, ()))) for source, many in parts.items()],
    )


def _row(source: str, at: datetime, one: Folded) -> dict[str, Any]:
    return {"source": source, "at": at, "last": one.last, "low": one.low, "mean": one.mean, "high": one.high}


def _keep(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        statement = insert(table)
        columns = {name: statement.excluded[name] for name in ("last", "low", "mean", "high")}
        connection.execute(statement.on_conflict_do_update(index_elements=["source", "at"], set_=columns), rows)
