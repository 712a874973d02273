"""Events on PostgreSQL: an append-only table, and NOTIFY to wake whoever waits for the next one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
from sqlalchemy import ColumnElement, Engine, Select, func, insert, or_, select, text

from pave.adapters.postgres.database import libpq_url
from pave.adapters.postgres.schema import events
from pave.ports import Event

_CHANNEL = "pave_events"


class PostgresEvents:
    """Implements `pave.ports.Events`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def emit(self, type_: str, subject: str, *, run: str = "", actor: str = "", **data: Any) -> None:
        """Append one and wake whoever waits.

        Writers take turns for the length of one insert, so that ids become visible in their order: a
        follower that has seen 7 can rely on never having missed a 6.
        """
        values = {"type": type_, "subject": subject, "run": run or None, "actor": actor, "data": data}
        with self._engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(7284)"))
            connection.execute(insert(events).values(values))
            connection.execute(text(f"NOTIFY {_CHANNEL}"))

    def read(self, after: int, *, subject: str = "", run: str = "", limit: int = 500) -> Sequence[Event]:
        """Events with an id above `after`, oldest first."""
        query = select(events).where(events.c.id > after).order_by(events.c.id).limit(limit)
        if subject:
            query = query.where(_about(subject))
        if run:
            query = query.where(events.c.run == run)
        return self._found(query)

    def between(
        self, since: datetime, until: datetime, *, subject: str, kind: str = "", limit: int = 500
    ) -> Sequence[Event]:
        """What happened to a subject and below it in this time, newest first."""
        query = select(events).where(events.c.at.between(since, until), _about(subject))
        if kind:
            query = query.where(events.c.type.startswith(kind, autoescape=True))
        return self._found(query.order_by(events.c.id.desc()).limit(limit))

    def _found(self, query: Select[Any]) -> Sequence[Event]:
        with self._engine.connect() as connection:
            return tuple(
                Event(row.id, row.at.astimezone(UTC), row.type, row.subject, row.run or "", row.actor, row.data)
                for row in connection.execute(query)
            )

    def last(self) -> int:
        """The newest id, or 0."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.coalesce(func.max(events.c.id), 0))).scalar_one())

    def wait(self, after: int, seconds: float) -> bool:
        """Block until there is an event above `after`, at most `seconds`."""
        with psycopg.connect(libpq_url(self._engine), autocommit=True) as connection:
            connection.execute(f"LISTEN {_CHANNEL}")
            if self.last() > after:
                return True
            return any(True for _ in connection.notifies(timeout=seconds, stop_after=1))


def _about(subject: str) -> ColumnElement[bool]:
    return or_(events.c.subject == subject, events.c.subject.startswith(subject + "/", autoescape=True))
