"""Traces that are worth a look, on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC

from sqlalchemy import Engine, select, text
from sqlalchemy.dialects.postgresql import insert

from pave.adapters.postgres.metrics_schema import traces
from pave.model.names import Address
from pave.ports import Trace

MOST_FAILED, MOST_SLOW = 50, 50
_SURPLUS = """\
DELETE FROM traces USING (
  SELECT stack, id,
         row_number() OVER (PARTITION BY stack, problem = '' ORDER BY
           CASE WHEN problem = '' THEN seconds ELSE extract(epoch FROM at) END DESC) AS place,
         CASE WHEN problem = '' THEN CAST(:slow AS int) ELSE CAST(:failed AS int) END AS most
  FROM traces
) AS ranked
WHERE traces.stack = ranked.stack AND traces.id = ranked.id
  AND (place > most OR at < now() - interval '7 days')
"""
"""Of each stack the newest failed ones and the slowest others stay, for a week."""


class PostgresTraces:
    """Implements `pave.ports.Traces`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def put(self, given: Sequence[Trace]) -> None:
        """Keep them; a trace that comes again with more spans has those of both."""
        rows = [
            {
                "stack": str(one.stack),
                "id": one.id,
                "at": one.at,
                "name": one.name,
                "seconds": one.seconds,
                "problem": one.problem,
                "spans": [dict(span) for span in one.spans],
            }
            for one in given
        ]
        statement = insert(traces)
        new = statement.excluded
        both = {
            "spans": traces.c.spans + new.spans,
            "problem": text("coalesce(nullif(traces.problem, ''), excluded.problem)"),
        }
        if rows:
            with self._engine.begin() as connection:
                connection.execute(statement.on_conflict_do_update(index_elements=["stack", "id"], set_=both), rows)

    def find(self, stack: Address, *, failed: bool = False, limit: int = 20) -> Sequence[Trace]:
        """Of one stack, newest first."""
        query = select(traces).where(traces.c.stack == str(stack)).order_by(traces.c.at.desc()).limit(limit)
        if failed:
            query = query.where(traces.c.problem != "")
        with self._engine.connect() as connection:
            return tuple(
                Trace(row.id, stack, row.at.astimezone(UTC), row.name, row.seconds, row.problem, tuple(row.spans))
                for row in connection.execute(query)
            )

    def tidy(self) -> None:
        """Forget those that are more than a stack may have."""
        with self._engine.begin() as connection:
            connection.execute(text(_SURPLUS), {"slow": MOST_SLOW, "failed": MOST_FAILED})
