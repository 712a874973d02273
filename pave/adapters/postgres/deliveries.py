"""The one record of delivery, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, select, update
from sqlalchemy.dialects.postgresql import insert

from pave.adapters.postgres.schema import deliveries
from pave.model.names import Address
from pave.ports import Delivery

_OWN = ("environment", "component", "created_at")


class PostgresDeliveries:
    """Implements `pave.ports.Deliveries`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, run: str, stack: Address, **changes: Any) -> None:
        """Record what changed about a delivery; one that is not there yet is made, if its `cause` is given."""
        here = (deliveries.c.run == run, deliveries.c.stack == str(stack))
        with self._engine.begin() as connection:
            if "cause" not in changes:
                connection.execute(update(deliveries).where(*here).values(changes))
                return
            place = {"environment": stack.environment, "component": stack.component}
            statement = insert(deliveries).values(run=run, stack=str(stack), **place, **changes)
            connection.execute(statement.on_conflict_do_update(index_elements=["run", "stack"], set_=changes))

    def get(self, run: str, stack: Address) -> Delivery | None:
        """One of them."""
        query = select(deliveries).where(deliveries.c.run == run, deliveries.c.stack == str(stack))
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return _delivery(row) if row is not None else None

    def find(
        self,
        *,
        stack: Address | None = None,
        environment: str = "",
        component: str = "",
        commit: str = "",
        limit: int = 100,
    ) -> Sequence[Delivery]:
        """Newest first."""
        query = select(deliveries).order_by(deliveries.c.created_at.desc(), deliveries.c.run.desc()).limit(limit)
        wanted = {"stack": str(stack or ""), "environment": environment, "component": component, "commit": commit}
        for name, value in wanted.items():
            if value:
                query = query.where(deliveries.c[name] == value)
        with self._engine.connect() as connection:
            return tuple(_delivery(row) for row in connection.execute(query))


def _delivery(row: Row[Any]) -> Delivery:
    columns: dict[str, Any] = {
        name: value.astimezone(UTC) if isinstance(value, datetime) else value
        for name, value in row._mapping.items()  # noqa: SLF001 — SQLAlchemy's documented way to a row's mapping
        if name not in _OWN
    }
    return Delivery(id=f"{row.run}:{row.stack}", **(columns | {"stack": Address.parse(row.stack)}))
