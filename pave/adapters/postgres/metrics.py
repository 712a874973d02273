"""What is measured, on PostgreSQL: as read for two hours, by the minute for two days, by the hour for thirteen months.

Every source has its places (`metrics_schema`), so a write is one row and a chart reads one source's rows. The clock
that counts is that of whoever calls: what a source says of its own time is not asked, and rows that lie in the future,
because that clock was wrong, are forgotten.
"""

from __future__ import annotations

import hashlib
import json
import math
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, Table, TextClause, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from pave.adapters.postgres.metrics_folding import RAW, RESOLUTIONS, Resolution, fold_due, truncated
from pave.adapters.postgres.metrics_schema import metric_extents, metric_series, metric_values
from pave.observe.answering import COUNTED, Readings, answer, check, coarser
from pave.observe.folding import increases
from pave.observe.series import Aggregation, Kind, Line, Question, Sample

MOST_SERIES = 2_000
"""Series of one source; what is beyond is left out."""
LEFT_OUT = "metrics_left_out"
"""A series of each source that had more: how many samples of its newest reading were left out."""
_ABANDONED = timedelta(days=2)
_SEEN = timedelta(hours=1)
_LOOKBACK = timedelta(minutes=2)
_AT_ONCE = 500
"""Series that one query asks for: PostgreSQL has at most 1,664 columns in an answer."""
_FUTURE = timedelta(minutes=2)
_NEVER = datetime.fromtimestamp(0, UTC)
_TOGETHER = {
    Aggregation.AVERAGE: "avg",
    Aggregation.SUM: "avg",
    Aggregation.MINIMUM: "min",
    Aggregation.MAXIMUM: "max",
}
_COLUMN = {Aggregation.MINIMUM: "low", Aggregation.MAXIMUM: "high", Aggregation.LAST: "last"}

Key = tuple[str, tuple[tuple[str, str], ...]]


@dataclass
class _Places:
    """The places of one source's series, and when each was seen last."""

    of: dict[Key, int] = field(default_factory=dict)
    seen: dict[int, datetime] = field(default_factory=dict)
    told: dict[int, datetime] = field(default_factory=dict)
    size: int = 0
    newest: datetime = _NEVER
    """When the newest of them began."""


class PostgresMetrics:
    """Implements `pave.ports.Metrics`."""

    def __init__(self, engine: Engine, most_series: int = MOST_SERIES) -> None:
        self._engine, self._most = engine, most_series
        self._sources: dict[str, _Places] = {}
        self._lock = threading.Lock()

    def write(self, at: datetime, source: str, samples: Iterable[Sample]) -> int:
        """Keep what one source measured; at most one reading a source in ten seconds: a second one replaces it."""
        at = truncated(at, RAW.step)
        with self._lock:
            places = self._sources.get(source) or self._load(source)
            read: dict[Key, Sample] = {}
            for one in samples:
                if math.isfinite(one.value):
                    read[(one.name, tuple(sorted(one.labels.items())))] = one
            if at < places.newest:
                self._begin_earlier(at, source, places)
            unknown = [key for key in read if key not in places.of]
            if unknown:
                self._make_places(at, source, places, {key: read[key] for key in unknown})
            values: list[float | None] = [None] * places.size
            kept = 0
            for key, one in read.items():
                place = places.of.get(key)
                if place is not None:
                    values[place] = float(one.value)
                    places.seen[place] = at
                    kept += 1
            if kept < len(read):
                values = self._count_left_out(at, source, places, values, len(read) - kept)
            statement = insert(metric_values).values(source=source, at=at, last=values)
            statement = statement.on_conflict_do_update(index_elements=["source", "at"], set_={"last": values})
            with self._engine.begin() as connection:
                connection.execute(statement)
        return kept

    def ask(self, question: Question) -> Sequence[Line]:
        """The lines that answer, sorted by their labels. Steps are no finer than what is still kept of that time."""
        with self._engine.connect() as connection:
            found = connection.execute(_series_of(question.metric, question.where)).all()
            kind = Kind(found[0].kind) if found else None
            check(question, kind)
            if not found:
                return ()
            extents = {row.name: row for row in connection.execute(select(metric_extents))}
            resolution = _finest(question, extents)
            question = check(coarser(question, resolution.step), kind)
            by_source: defaultdict[str, list[Row[Any]]] = defaultdict(list)
            for row in found:
                by_source[row.source].append(row)
            readings = [
                one
                for source, series in by_source.items()
                for begin in range(0, len(series), _AT_ONCE)
                for one in _Reader(connection, question, source, series[begin : begin + _AT_ONCE]).read(
                    resolution, extents
                )
            ]
        return answer(question, readings)

    def names(self, where: Mapping[str, str | tuple[str, ...]], since: datetime) -> Sequence[str]:
        """The metrics that have series with these labels, sorted."""
        query = select(metric_series.c.name).distinct().where(*_where(where), metric_series.c.seen_at >= since - _SEEN)
        with self._engine.connect() as connection:
            return sorted(connection.execute(query).scalars())

    def tidy(self, now: datetime) -> None:
        """Fold what is old enough into coarser steps, and forget what was kept long enough."""
        self._tell_seen()
        with self._engine.begin() as connection:
            if not connection.execute(text("SELECT pg_try_advisory_xact_lock(7285)")).scalar_one():
                return  # another server is at it
            for resolution in RESOLUTIONS:
                ahead = resolution.table.c.at > now + _FUTURE + resolution.step
                oldest = now - resolution.kept
                connection.execute(delete(resolution.table).where(or_(resolution.table.c.at < oldest, ahead)))
            fold_due(connection, now)
            gone = metric_series.c.seen_at < now - RESOLUTIONS[-1].kept
            dropped = set(
                connection.execute(delete(metric_series).where(gone).returning(metric_series.c.source)).scalars()
            )
        with self._lock:
            for source in dropped:
                self._sources.pop(source, None)

    def _load(self, source: str) -> _Places:
        places = _Places()
        query = select(metric_series).where(metric_series.c.source == source)
        with self._engine.connect() as connection:
            for row in connection.execute(query):
                places.of[(row.name, tuple(sorted(row.labels.items())))] = row.place
                places.seen[row.place] = places.told[row.place] = row.seen_at.astimezone(UTC)
                places.size = max(places.size, row.place + 1)
                places.newest = max(places.newest, row.since.astimezone(UTC))
        self._sources[source] = places
        return places

    def _begin_earlier(self, at: datetime, source: str, places: _Places) -> None:
        """The clock was ahead and is right again: no series began later than now."""
        later = (metric_series.c.source == source, metric_series.c.since > at)
        with self._engine.begin() as connection:
            connection.execute(update(metric_series).where(*later).values(since=at, seen_at=at))
        places.newest = at
        places.seen = {place: min(seen, at) for place, seen in places.seen.items()}
        places.told = {place: min(told, at) for place, told in places.told.items()}

    def _make_places(self, at: datetime, source: str, places: _Places, new: Mapping[Key, Sample]) -> None:
        """Give new series a place each, as long as there are any: those of series long unseen are taken again."""
        free = list(range(places.size, self._most))
        taken = set(places.of.values())
        free += [place for place in range(min(places.size, self._most)) if place not in taken]
        if len(free) < len(new):
            abandoned = [key for key, place in places.of.items() if places.seen[place] < at - _ABANDONED]
            free += [places.of.pop(key) for key in abandoned]
        rows = []
        places.newest = at
        for key, place in zip(new, free, strict=False):
            places.of[key] = place
            places.seen[place] = places.told[place] = at
            places.size = max(places.size, place + 1)
            rows.append(_series_row(source, place, new[key], at))
        if rows:
            with self._engine.begin() as connection:
                given = [row["place"] for row in rows]
                connection.execute(
                    delete(metric_series).where(metric_series.c.source == source, metric_series.c.place.in_(given))
                )
                connection.execute(insert(metric_series), rows)

    def _count_left_out(
        self, at: datetime, source: str, places: _Places, values: list[float | None], number: int
    ) -> list[float | None]:
        key: Key = (LEFT_OUT, (("source", source),))
        if key not in places.of:  # it has a place of its own, behind all that are given away
            place = max(self._most, places.size)
            places.of[key], places.size = place, place + 1
            row = _series_row(source, place, Sample(LEFT_OUT, {"source": source}, 0.0), at)
            with self._engine.begin() as connection:
                connection.execute(insert(metric_series).values(row))
        place = places.of[key]
        places.seen[place] = at
        values += [None] * (places.size - len(values))
        values[place] = float(number)
        return values

    def _tell_seen(self) -> None:
        """Have the database know which series are still there; an hour late is early enough."""
        with self._lock:
            due = {
                source: [place for place, at in places.seen.items() if at - places.told.get(place, at) >= _SEEN]
                for source, places in self._sources.items()
            }
            newest = {source: max(places.seen.values()) for source, places in self._sources.items() if due[source]}
            for source, given in due.items():
                self._sources[source].told.update(dict.fromkeys(given, newest.get(source)))  # type: ignore[arg-type]
        with self._engine.begin() as connection:
            for source, at in newest.items():
                here = (metric_series.c.source == source, metric_series.c.place.in_(due[source]))
                connection.execute(update(metric_series).where(*here).values(seen_at=at))


class _Reader:
    """Reads the rows of one source for one question, from the coarsest that is needed to the newest."""

    def __init__(self, connection: Connection, question: Question, source: str, series: Sequence[Row[Any]]) -> None:
        self._connection, self._question, self._source, self._series = connection, question, source, series
        self._counted = question.aggregation in COUNTED
        self._column = "last" if self._counted else _COLUMN.get(question.aggregation, "mean")

    def read(self, resolution: Resolution, extents: Mapping[str, Row[Any]]) -> list[Readings]:
        times: list[float] = []
        columns: list[list[float | None]] = [[] for _ in self._series]
        since = self._question.since
        for one in reversed(RESOLUTIONS[: RESOLUTIONS.index(resolution) + 1]):
            until = self._question.until if one is RAW else min(_until(extents, one), self._question.until)
            if until <= since:
                continue
            found = self._raw(since, until) if one is RAW else self._folded(one.table, since, until)
            times += found[0]
            for held, more in zip(columns, found[1], strict=True):
                held.extend(more)
            since = until
        return [
            Readings(row.labels, times, _after(times, column, row.since.timestamp()))
            for row, column in zip(self._series, columns, strict=True)
        ]

    def _raw(self, since: datetime, until: datetime) -> tuple[list[float], list[list[float | None]]]:
        if not self._counted:
            return self._rows(metric_values, "last", since, until)
        times, columns = self._rows(metric_values, "last", since - _LOOKBACK, until)
        first = next((at for at, one in enumerate(times) if one > since.timestamp()), len(times))
        counted = []
        for row, column in zip(self._series, columns, strict=True):
            began = row.since.timestamp()
            # Others of its source were there before it: it began at 0, and all that it shows was counted since.
            born = 0.0 if any(one < began for one in times) else None
            counted.append(increases(_after(times, column, began), before=born)[first:])
        return times[first:], counted

    def _folded(self, table: Table, since: datetime, until: datetime) -> tuple[list[float], list[list[float | None]]]:
        """One value a step and series: the server puts rows together, which is what most of the time would go to."""
        together = "sum" if self._counted else _TOGETHER.get(self._question.aggregation)
        if together is None:
            return self._rows(table, self._column, since, until)
        chosen = ", ".join(self._chosen(together, row) for row in self._series)
        asked, step = self._question.until.timestamp(), self._question.step.total_seconds()
        query = text(
            f"SELECT :end - :step * floor((:end - extract(epoch FROM at)::float8) / :step) AS step, {chosen}"  # noqa: S608 — names of ours
            f" FROM {table.name} WHERE source = :source AND at > :since AND at <= :until GROUP BY step ORDER BY step"
        )
        return self._fetched(query, {"since": since, "until": until, "end": asked, "step": step})

    def _chosen(self, together: str, row: Row[Any]) -> str:
        value = f'{together}("{self._column}"[{int(row.place) + 1}])'  # PostgreSQL counts from 1
        if row.since <= self._question.since:
            return value
        return f"{value} FILTER (WHERE at >= to_timestamp({row.since.timestamp()}))"

    def _rows(
        self, table: Table, column: str, since: datetime, until: datetime
    ) -> tuple[list[float], list[list[float | None]]]:
        chosen = ", ".join(f'"{column}"[{int(row.place) + 1}]' for row in self._series)
        query = text(
            f"SELECT extract(epoch FROM at)::float8, {chosen} FROM {table.name}"  # noqa: S608 — names of ours
            " WHERE source = :source AND at > :since AND at <= :until ORDER BY at"
        )
        return self._fetched(query, {"since": since, "until": until})

    def _fetched(self, query: TextClause, given: Mapping[str, Any]) -> tuple[list[float], list[list[float | None]]]:
        rows = self._connection.execute(query, {"source": self._source, **given}).all()
        if not rows:
            return [], [[] for _ in self._series]
        times, *columns = (list(one) for one in zip(*rows, strict=True))
        return times, columns


def _after(times: Sequence[float], column: list[float | None], began: float) -> list[float | None]:
    """What was there before a series began is that of another one, which had its place."""
    if not times or times[0] >= began:
        return column
    return [value if at >= began else None for at, value in zip(times, column, strict=True)]


def _finest(question: Question, extents: Mapping[str, Row[Any]]) -> Resolution:
    """The finest that is no finer than needed and reaches back far enough, else the coarsest."""
    now = max((row.until for row in extents.values()), default=question.until)
    for one in RESOLUTIONS:
        nexts = RESOLUTIONS[RESOLUTIONS.index(one) + 1 :]
        reaches = question.since >= now - one.kept
        if reaches and not (nexts and question.step >= nexts[0].step and nexts[0].table.name in extents):
            return one
    return RESOLUTIONS[-1]


def _until(extents: Mapping[str, Row[Any]], resolution: Resolution) -> datetime:
    row = extents.get(resolution.table.name)
    return row.until.astimezone(UTC) if row is not None else _NEVER


def _series_of(name: str, where: Mapping[str, str | tuple[str, ...]]) -> Any:
    return select(metric_series).where(metric_series.c.name == name, *_where(where))


def _where(where: Mapping[str, str | tuple[str, ...]]) -> list[Any]:
    found = []
    for name, wanted in where.items():
        label = func.coalesce(metric_series.c.labels[name].astext, "")
        found.append(label == wanted if isinstance(wanted, str) else label.in_(wanted))
    return found


def _series_row(source: str, place: int, sample: Sample, at: datetime) -> dict[str, Any]:
    labels = dict(sample.labels)
    digest = hashlib.sha256(json.dumps([sample.name, labels], sort_keys=True).encode()).hexdigest()[:32]
    own = {"source": source, "place": place, "name": sample.name, "labels": labels, "kind": sample.kind.value}
    return own | {"digest": digest, "since": at, "seen_at": at}
