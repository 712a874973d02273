"""Change requests, what was said about them, and the heads that were acted on, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert

from pave.adapters.postgres.schema import change_requests, comments, heads
from pave.model.diagnostics import Unknown, error
from pave.model.names import Ref
from pave.ports import ChangeRequest, Comment

_c = change_requests.c


class PostgresChanges:
    """Implements `pave.ports.Changes`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def open(self, change: ChangeRequest) -> tuple[ChangeRequest, bool]:
        """Ensure an open change request for the branch, numbered from 1 without gaps."""
        fresh = {"head": change.head, "title": change.title, "updated_at": func.now()}
        with self._engine.begin() as connection:
            # One at a time per repository: numbers have no gaps, and a branch has one.
            connection.execute(
                text("SELECT pg_advisory_xact_lock(hashtextextended('changes/' || :name, 0))"),
                {"name": change.repository},
            )
            there = connection.execute(
                update(change_requests)
                .where(_c.repository == change.repository, _c.branch == change.branch, _c.state == "open")
                .values(fresh)
                .returning(change_requests)
            ).one_or_none()
            if there is not None:
                return _change(there), False
            newest = connection.execute(
                select(func.coalesce(func.max(_c.number), 0)).where(_c.repository == change.repository)
            ).scalar_one()
            values = {
                "repository": change.repository,
                "number": newest + 1,
                "branch": change.branch,
                "target": change.target,
                "head": change.head,
                "title": change.title,
                "author": str(change.author),
                "auto": change.auto,
                "forge": change.forge,
            }
            return _change(
                connection.execute(insert(change_requests).values(values).returning(change_requests)).one()
            ), True

    def get(self, repository: str, number: int) -> ChangeRequest | None:
        """One of them."""
        return next(
            iter(self._many(select(change_requests).where(_c.repository == repository, _c.number == number))), None
        )

    def of_branch(self, repository: str, branch: str) -> ChangeRequest | None:
        """The open one of a branch."""
        query = select(change_requests).where(_c.repository == repository, _c.branch == branch, _c.state == "open")
        return next(iter(self._many(query)), None)

    def find(
        self, *, repository: str = "", state: str = "", author: str = "", limit: int = 50
    ) -> Sequence[ChangeRequest]:
        """Newest first."""
        query = select(change_requests).order_by(_c.created_at.desc(), _c.number.desc()).limit(limit)
        for column, value in ((_c.repository, repository), (_c.state, state), (_c.author, author)):
            if value:
                query = query.where(column == value)
        return self._many(query)

    def update(self, repository: str, number: int, **changes: Any) -> ChangeRequest:
        """Change some of its fields. Raises `Unknown`."""
        with self._engine.begin() as connection:
            row = connection.execute(
                update(change_requests)
                .where(_c.repository == repository, _c.number == number)
                .values(**changes, updated_at=func.now())
                .returning(change_requests)
            ).one_or_none()
        if row is None:
            raise Unknown(error(f"There is no change request {repository}/{number}", remedy="See: pave change list."))
        return _change(row)

    def comment(self, repository: str, number: int, author: Ref, text: str) -> Comment:
        """Say something about it."""
        values = {"repository": repository, "number": number, "author": str(author), "text": text.replace("\0", "")}
        with self._engine.begin() as connection:
            row = connection.execute(insert(comments).values(values).returning(comments)).one()
        return _comment(row)

    def comments(self, repository: str, number: int) -> Sequence[Comment]:
        """What was said, oldest first."""
        here = (comments.c.repository == repository, comments.c.number == number)
        with self._engine.connect() as connection:
            return tuple(
                _comment(row) for row in connection.execute(select(comments).where(*here).order_by(comments.c.id))
            )

    def seen(self, repository: str) -> Mapping[str, str]:
        """The heads that were acted on."""
        query = select(heads.c.branch, heads.c.commit).where(heads.c.repository == repository)
        with self._engine.connect() as connection:
            return {row.branch: row.commit for row in connection.execute(query)}

    def see(self, repository: str, branch: str, commit: str) -> None:
        """Remember that a head was acted on; an empty commit forgets it."""
        here = (heads.c.repository == repository, heads.c.branch == branch)
        with self._engine.begin() as connection:
            if not commit:
                connection.execute(delete(heads).where(*here))
                return
            values = {"commit": commit, "seen_at": func.now()}
            statement = insert(heads).values(repository=repository, branch=branch, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=["repository", "branch"], set_=values))

    def _many(self, query: Any) -> Sequence[ChangeRequest]:
        with self._engine.connect() as connection:
            return tuple(_change(row) for row in connection.execute(query))


def _change(row: Row[Any]) -> ChangeRequest:
    times = {name: _utc(getattr(row, name)) for name in ("created_at", "updated_at", "closed_at")}
    return ChangeRequest(**{**row._mapping, "author": Ref.parse(row.author), **times})  # noqa: SLF001 — SQLAlchemy's documented way to a row's mapping


def _comment(row: Row[Any]) -> Comment:
    return Comment(Ref.parse(row.author), row.text, row.at.astimezone(UTC))


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at else None
