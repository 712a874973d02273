"""What was charged and what is expected, on PostgreSQL: one row a resource, SKU and charge period."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Row, func, select, text
from sqlalchemy.dialects.postgresql import insert

from pave.adapters.postgres.cost_schema import charges
from pave.observe.charges import ACTUAL, LONGEST_GAP, METERED, Charge, Sample, counted, day_of, hours_to_count

_KEY = ("scenario", "origin", "resource", "sku", "price", "starts_at", "line")
_FIELDS = tuple(one.name for one in fields(Charge))
_TOGETHER = 500
"""Rows that are written with one statement."""


class PostgresCharges:
    """Implements `pave.ports.Charges`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def meter(self, samples: Sequence[Sample], hour: datetime) -> int:
        """Count the hour that begins at `hour` for what is there; how many hours were new."""
        with self._engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(7284)"))  # one meter at a time, whoever else runs one
            last = _counted_last(connection)
            recent = last is not None and timedelta(0) <= hour - last <= LONGEST_GAP
            known = _metered_since(connection, day_of(last if last is not None and recent else hour))
            then = {key[:3] for key, (_, at) in known.items() if at == last}
            new, rows = 0, list[Charge]()
            for sample in samples:
                name = (str(sample.place.address), sample.price.sku, sample.price.id)
                by_day: dict[datetime, dict[str, str]] = {}
                for one in hours_to_count(last, hour, there_then=name in then):
                    by_day.setdefault(day_of(one), {})[str(one.hour)] = format(sample.per_hour, "f")
                for day, hours in by_day.items():
                    before = known.get((*name, day), (None, None))[0]
                    row = counted(before, sample, day, hours)
                    new += len(row.hours) - len(before.hours if before else ())
                    rows.append(row)
            _put(connection, rows, hour)
        return new

    def put(self, rows: Sequence[Charge]) -> int:
        """Keep rows, each in place of the one of the same key; how many there are."""
        with self._engine.begin() as connection:
            _put(connection, rows, func.now())
        return len(rows)

    def find(
        self, since: datetime, until: datetime, scenarios: Collection[str] = (), resource: str = ""
    ) -> Sequence[Charge]:
        """Rows whose period begins from `since` on and before `until`, by resource, SKU and period."""
        query = select(charges).where(charges.c.starts_at >= since, charges.c.starts_at < until)
        if scenarios:
            query = query.where(charges.c.scenario.in_(list(scenarios)))
        if resource:
            query = query.where(charges.c.resource == resource)
        query = query.order_by(
            *(charges.c[one] for one in ("resource", "sku", "price", "starts_at", "scenario", "line"))
        )
        with self._engine.connect() as connection:
            return tuple(_charge(row) for row in connection.execute(query))


def _counted_last(connection: Connection) -> datetime | None:
    """The newest hour that was counted of anything."""
    metered = (charges.c.scenario == ACTUAL, charges.c.origin == METERED)
    found = connection.execute(select(func.max(charges.c.updated_at)).where(*metered)).scalar_one()
    return found.astimezone(UTC) if found else None


def _metered_since(
    connection: Connection, day: datetime
) -> dict[tuple[str, str, str, datetime], tuple[Charge, datetime]]:
    metered = (charges.c.scenario == ACTUAL, charges.c.origin == METERED, charges.c.starts_at >= day)
    rows = (
        (_charge(row), row.updated_at.astimezone(UTC)) for row in connection.execute(select(charges).where(*metered))
    )
    return {(one.resource, one.sku, one.price, one.starts_at): (one, at) for one, at in rows}


def _put(connection: Connection, rows: Iterable[Charge], at: Any) -> None:
    # One statement may not write the same row twice: of equal keys the last one counts.
    values = list(
        {_key(one): {**{name: getattr(one, name) for name in _FIELDS}, "updated_at": at} for one in rows}.values()
    )
    for start in range(0, len(values), _TOGETHER):
        statement = insert(charges).values([_plain(one) for one in values[start : start + _TOGETHER]])
        changed = {one: statement.excluded[one] for one in (*_FIELDS, "updated_at") if one not in _KEY}
        connection.execute(statement.on_conflict_do_update(index_elements=list(_KEY), set_=changed))


def _key(one: Charge) -> tuple[Any, ...]:
    return tuple(getattr(one, name) for name in _KEY)


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "said": dict(values["said"]), "hours": dict(values["hours"])}


def _charge(row: Row[Any]) -> Charge:
    found: dict[str, Any] = {name: getattr(row, name) for name in _FIELDS}
    return Charge(**{**found, **{one: found[one].astimezone(UTC) for one in ("starts_at", "ends_at")}})
