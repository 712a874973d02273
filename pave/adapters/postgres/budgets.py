"""What runs have reserved of budgets, on PostgreSQL.

A reservation is made under a lock of its budget and only if nobody reserved anything of it since it was looked at, so
two runs side by side cannot both take the last of it: the second one is judged again, with the first one counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, delete, func, insert, select, text, update

from pave.adapters.postgres.cost_schema import reservations
from pave.adapters.postgres.schema import runs
from pave.apply.retry import Stale
from pave.apply.run import Run, State
from pave.model.diagnostics import error
from pave.ports.spending import Reserved, Wish


class PostgresBudgets:
    """Implements `pave.ports.Budgets`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def look(self, scopes: Collection[str], run: str = "") -> Mapping[str, Reserved]:
        """What runs other than `run` have reserved of each."""
        with self._engine.connect() as connection:
            found = _others(connection, scopes, run)
        return {scope: found.get(scope, Reserved()) for scope in scopes}

    def reserve(self, run: Run, wishes: Sequence[Wish]) -> bool:
        """Reserve all of it in place of what the run had reserved, or nothing; fenced by the run's epoch."""
        scopes = sorted({one.scope for one in wishes})
        held = select(runs.c.id).where(runs.c.id == run.id, runs.c.epoch == run.epoch, runs.c.finished_at.is_(None))
        with self._engine.begin() as connection:
            if connection.execute(held.with_for_update()).one_or_none() is None:
                raise Stale(error(f"Run {run.id} is carried out by somebody else now", remedy="Nothing is to be done."))
            for scope in scopes:  # in one order for all, so that nobody waits for whoever waits for them
                lock = text("SELECT pg_advisory_xact_lock(hashtextextended(:scope, 7283))")
                connection.execute(lock, {"scope": scope})
            now = _others(connection, scopes, run.id)
            if any(now.get(one.scope, Reserved()).version > one.version for one in wishes):
                return False
            # What is settled stays: whoever looked before it can tell by its number.
            own = (reservations.c.run == run.id, reservations.c.state == "reserved")
            connection.execute(delete(reservations).where(*own))
            rows = [
                {
                    "run": run.id,
                    "scope": one.scope,
                    "stack": one.stack,
                    "amount": one.amount,
                    "currency": one.currency,
                }
                for one in wishes
            ]
            if rows:
                connection.execute(insert(reservations), rows)
        return True

    def forget(self, before: datetime) -> int:
        """Forget what ended earlier; how many there were."""
        with self._engine.begin() as connection:
            return connection.execute(delete(reservations).where(reservations.c.ended_at < before)).rowcount


def _others(connection: Connection, scopes: Collection[str], run: str) -> dict[str, Reserved]:
    open_ = func.coalesce(func.sum(reservations.c.amount).filter(reservations.c.state == "reserved"), 0)
    query = (
        select(reservations.c.scope, open_.label("amount"), func.max(reservations.c.id).label("version"))
        .where(reservations.c.scope.in_(list(scopes)), reservations.c.run != run)
        .group_by(reservations.c.scope)
    )
    return {row.scope: Reserved(row.amount, row.version) for row in connection.execute(query)}


def settle_stack(connection: Connection, run: str, stack: str) -> None:
    """Settle what a run had reserved for a stack (empty: for all), in the transaction that says it is applied."""
    open_ = update(reservations).where(reservations.c.run == run, reservations.c.state == "reserved")
    settled = open_.values(state="settled", ended_at=func.now())
    connection.execute(settled.where(reservations.c.stack == stack) if stack else settled)


def end_reservations(connection: Connection, state: State, *of: Any) -> None:
    """Settle or release what runs had reserved, in the transaction that ends them; `of` are conditions on `runs`."""
    ended = "settled" if state is State.SUCCEEDED else "released"
    which = reservations.c.run.in_(select(runs.c.id).where(*of))
    values = {"state": ended, "ended_at": func.now()}
    connection.execute(update(reservations).where(which, reservations.c.state == "reserved").values(values))
