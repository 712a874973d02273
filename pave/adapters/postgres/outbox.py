"""What is to be said to people, on PostgreSQL: a row a message, unique by its key."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pave.adapters.postgres.alerting_schema import messages
from pave.adapters.postgres.schema import marks
from pave.model.names import Ref
from pave.ports import Delivered, Message

_MARK = "messages"
_MOST_PROBLEM = 500
_WAITING = messages.c.state == Delivered.WAITING.value


class PostgresOutbox:
    """Implements `pave.ports.Outbox`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, messages_: Iterable[Message]) -> int:
        """Have them said; how many are new."""
        rows = [_row(one) for one in messages_]
        if not rows:
            return 0
        statement = upsert(messages).on_conflict_do_nothing().returning(messages.c.key)
        with self._engine.begin() as connection:
            return len(connection.execute(statement, rows).all())

    def due(self, now: datetime, busy: Iterable[tuple[str, str]], limit: int = 100) -> Sequence[Message]:
        """Those whose time has come, oldest first."""
        there = select(messages).where(_WAITING, messages.c.due_at <= now)
        taken = list(busy)
        if taken:
            there = there.where(tuple_(messages.c.type, messages.c.address).not_in(taken))
        return self._read(there.order_by(messages.c.due_at, messages.c.key).limit(limit))

    def claim(self, keys: Sequence[str], now: datetime, until: datetime) -> frozenset[str]:
        """Take those that nobody took meanwhile."""
        free = select(messages.c.key).where(_WAITING, messages.c.key.in_(keys), messages.c.due_at <= now)
        mine = free.with_for_update(skip_locked=True).scalar_subquery()
        taken = update(messages).where(messages.c.key.in_(mine)).values(due_at=until).returning(messages.c.key)
        with self._engine.begin() as connection:
            return frozenset(connection.execute(taken).scalars())

    def sent(self, keys: Sequence[str], at: datetime) -> None:
        """They have arrived."""
        self._change(keys, state=Delivered.SENT.value, sent_at=at, problem="", attempts=messages.c.attempts + 1)

    def again(self, keys: Sequence[str], at: datetime, problem: str) -> None:
        """Try at a later time, with what else waits for the same places."""
        places = select(messages.c.type, messages.c.address).where(messages.c.key.in_(keys))
        others = update(messages).where(
            _WAITING, messages.c.due_at < at, tuple_(messages.c.type, messages.c.address).in_(places)
        )
        self._change(keys, due_at=at, problem=problem[:_MOST_PROBLEM], attempts=messages.c.attempts + 1)
        with self._engine.begin() as connection:
            connection.execute(others.values(due_at=at))

    def give_up(self, keys: Sequence[str], problem: str) -> None:
        """They will not arrive."""
        state = Delivered.GIVEN_UP.value
        self._change(keys, state=state, problem=problem[:_MOST_PROBLEM], attempts=messages.c.attempts + 1)

    def find(
        self, *, recipients: Sequence[Ref] = (), state: Delivered | None = None, subject: str = "", limit: int = 50
    ) -> Sequence[Message]:
        """Newest first."""
        query = select(messages).order_by(messages.c.created_at.desc(), messages.c.key).limit(limit)
        if recipients:
            query = query.where(messages.c.recipient.in_([str(one) for one in recipients]))
        if state is not None:
            query = query.where(messages.c.state == state.value)
        if subject:
            below = messages.c.subject.startswith(f"{subject}/", autoescape=True)
            query = query.where(or_(messages.c.subject == subject, below))
        return self._read(query)

    def mark(self) -> int | None:
        """The event up to which it was looked."""
        with self._engine.connect() as connection:
            return connection.execute(select(marks.c.event).where(marks.c.name == _MARK)).scalar_one_or_none()

    def set_mark(self, event: int) -> None:
        """Remember up to where; never back."""
        statement = upsert(marks).values(name=_MARK, event=event)
        newer = {"event": func.greatest(marks.c.event, event)}
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=newer))

    def forget(self, before: datetime) -> int:
        """Forget what was said, or given up, before that time."""
        over = delete(messages).where(messages.c.state != Delivered.WAITING.value, messages.c.created_at < before)
        with self._engine.begin() as connection:
            return connection.execute(over).rowcount

    def _read(self, query: Any) -> Sequence[Message]:
        with self._engine.connect() as connection:
            return tuple(_message(row) for row in connection.execute(query))

    def _change(self, keys: Sequence[str], **values: Any) -> None:
        with self._engine.begin() as connection:
            connection.execute(update(messages).where(messages.c.key.in_(keys), _WAITING).values(values))


_SAME = ("key", "channel", "type", "address", "topic", "event", "subject", "title", "text", "severity", "together")


def _row(one: Message) -> dict[str, Any]:
    return {
        **{name: getattr(one, name) for name in _SAME},
        "recipient": str(one.recipient),
        "facts": [list(pair) for pair in one.facts.items()],  # JSONB keeps no order of keys
        "links": [list(pair) for pair in one.links.items()],
        "data": dict(one.data),
        "state": one.state.value,
        "created_at": one.created_at,
        "due_at": one.due_at or one.created_at,
        "sent_at": one.sent_at,
    }


def _message(row: Row[Any]) -> Message:
    return Message(
        **{name: getattr(row, name) for name in _SAME},
        recipient=Ref.parse(row.recipient),
        facts=dict(row.facts),
        links=dict(row.links),
        data=row.data,
        created_at=row.created_at.astimezone(UTC),
        due_at=row.due_at.astimezone(UTC),
        state=Delivered(row.state),
        attempts=row.attempts,
        problem=row.problem,
        sent_at=row.sent_at.astimezone(UTC) if row.sent_at else None,
    )
