"""Scores over time, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date

from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects.postgresql import insert

from pave.adapters.postgres.product_schema import scores
from pave.ports import Scored


class PostgresScores:
    """Implements `pave.ports.Scores`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, found: Iterable[Scored]) -> None:
        """Keep these; of one day, the newest."""
        rows = [asdict(one) for one in found]
        if not rows:
            return
        statement = insert(scores)
        changed = {name: statement.excluded[name] for name in ("level", "passed", "of")}
        with self._engine.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["component", "scorecard", "day"], set_=changed), rows
            )

    def since(self, day: date, *, component: str = "", scorecard: str = "") -> Sequence[Scored]:
        """What was kept from that day on, the oldest first."""
        query = select(scores).where(scores.c.day >= day)
        query = query.order_by(scores.c.day, scores.c.component, scores.c.scorecard)
        if component:
            query = query.where(scores.c.component == component)
        if scorecard:
            query = query.where(scores.c.scorecard == scorecard)
        with self._engine.connect() as connection:
            return tuple(Scored(**row._asdict()) for row in connection.execute(query))

    def forget(self, before: date) -> int:
        """Forget what is older; how many there were."""
        with self._engine.begin() as connection:
            return connection.execute(delete(scores).where(scores.c.day < before)).rowcount
