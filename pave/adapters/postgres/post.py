"""What came from the forges and what is to go there, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Select, and_, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from pave.adapters.postgres.schema import letters, marks, notes
from pave.ports import CommitStatus, ForgeEvent, Letter, Note

_MARK = "statuses"
_MOST_PROBLEM = 500


class PostgresPost:
    """Implements `pave.ports.Post`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def take(self, repository: str, event: ForgeEvent, twin: str = "") -> bool:
        """Take an event in, once. The row is the memory of it, too, so there is nothing between the two."""
        values = {
            "id": f"{event.forge}/{event.delivery}",
            "twin": twin or None,
            "repository": repository,
            "event": asdict(event),
        }
        statement = insert(letters).values(values).on_conflict_do_nothing().returning(letters.c.id)
        with self._engine.begin() as connection:
            return connection.execute(statement).one_or_none() is not None

    def letters(self, now: datetime, limit: int = 100) -> Sequence[Letter]:
        """Events that are due to be acted on, oldest first."""
        due = select(letters).where(letters.c.handled_at.is_(None), letters.c.due_at <= now)
        with self._engine.connect() as connection:
            return tuple(
                Letter(row.id, row.repository, _event(row.event), row.attempts, row.received_at.astimezone(UTC))
                for row in connection.execute(due.order_by(letters.c.received_at, letters.c.id).limit(limit))
            )

    def handled(self, letter: str, problem: str = "") -> None:
        """An event was acted on, or given up."""
        self._change(letter, handled_at=func.now(), problem=problem[:_MOST_PROBLEM])

    def again(self, letter: str, at: datetime, problem: str) -> None:
        """Act on an event once more at a later time."""
        self._change(letter, due_at=at, attempts=letters.c.attempts + 1, problem=problem[:_MOST_PROBLEM])

    def want(self, repository: str, status: CommitStatus, run: str = "") -> None:
        """Have a forge told; the same status as before is no news."""
        said = {"state": status.state, "description": status.description, "link": status.link}
        fresh = {
            **said,
            "run": run,
            "attempts": 0,
            "problem": "",
            "updated_at": func.now(),
            "due_at": func.now(),
            "told_at": None,
        }
        statement = insert(notes).values(
            repository=repository, commit=status.commit, context=status.context, run=run, **said
        )
        news = or_(*(notes.c[name] != value for name, value in said.items()))
        with self._engine.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(
                    index_elements=["repository", "commit", "context"], set_=fresh, where=news
                )
            )

    def notes(self, now: datetime, limit: int = 50) -> Sequence[Note]:
        """Statuses that are due to be told, oldest first."""
        due = select(notes).where(notes.c.told_at.is_(None), notes.c.due_at <= now)
        return self._notes(due, limit)

    def pending(self, before: datetime, limit: int = 200) -> Sequence[Note]:
        """Statuses of runs that have said pending since before that time."""
        open_ = (notes.c.state == "pending", notes.c.run != "", notes.c.updated_at < before)
        return self._notes(select(notes).where(*open_), limit)

    def told(self, note: Note, problem: str = "") -> None:
        """A status was told, or refused."""
        self._settle(note, told_at=func.now(), problem=problem[:_MOST_PROBLEM])

    def retell(self, note: Note, at: datetime, problem: str) -> None:
        """Tell a status at a later time."""
        self._settle(note, due_at=at, attempts=notes.c.attempts + 1, problem=problem[:_MOST_PROBLEM])

    def mark(self) -> int | None:
        """The event up to which runs were looked at."""
        with self._engine.connect() as connection:
            return connection.execute(select(marks.c.event).where(marks.c.name == _MARK)).scalar_one_or_none()

    def set_mark(self, event: int) -> None:
        """Remember up to where."""
        statement = insert(marks).values(name=_MARK, event=event)
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"event": event}))

    def forget(self, before: datetime) -> int:
        """Forget what was handled and told before that time."""
        with self._engine.begin() as connection:
            gone = connection.execute(delete(letters).where(letters.c.handled_at < before)).rowcount
            return gone + connection.execute(delete(notes).where(notes.c.told_at < before)).rowcount

    def _notes(self, query: Select[Any], limit: int) -> Sequence[Note]:
        with self._engine.connect() as connection:
            return tuple(
                Note(
                    row.repository,
                    CommitStatus(row.commit, row.state, row.description, row.link, row.context),
                    row.run,
                    row.attempts,
                    row.updated_at.astimezone(UTC),
                )
                for row in connection.execute(query.order_by(notes.c.updated_at, notes.c.commit).limit(limit))
            )

    def _change(self, letter: str, **changes: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(letters).where(letters.c.id == letter).values(**changes))

    def _settle(self, note: Note, **changes: Any) -> None:
        """Change a note that still says what was told; a newer word of it stays as it is."""
        status, c = note.status, notes.c
        here = and_(c.repository == note.repository, c.commit == status.commit, c.context == status.context)
        same = and_(c.state == status.state, c.description == status.description, c.link == status.link)
        with self._engine.begin() as connection:
            connection.execute(update(notes).where(here, same).values(**changes))


def _event(data: Mapping[str, Any]) -> ForgeEvent:
    return ForgeEvent(**{**data, "urls": tuple(data["urls"])})
