"""Terraform state in PostgreSQL: versioned, sealed, and locked with a lease.

A lock is a lease with a fencing epoch: it ends by itself when its holder dies, and it is taken over
at once when the same run comes back. A write without the lock is refused, whoever asks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Engine, and_, delete, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pave.adapters.postgres.schema import terraform_locks as locks
from pave.adapters.postgres.schema import terraform_states as states
from pave.apply.retry import Stale
from pave.model.diagnostics import Refused, error
from pave.model.names import Address
from pave.ports import Cipher, Holder, StateLock, StateVersion

KEPT_VERSIONS = 50


class PostgresStates:
    """Implements `pave.ports.States`."""

    def __init__(self, engine: Engine, cipher: Cipher) -> None:
        self._engine = engine
        self._cipher = cipher

    def read(self, stack: Address, serial: int | None = None) -> bytes | None:
        """The newest state, or the one with `serial`; None where there is none."""
        wanted = states.c.stack == str(stack)
        if serial is not None:
            wanted = and_(wanted, states.c.serial == serial)
        with self._engine.connect() as connection:
            body = connection.execute(
                select(states.c.body).where(wanted).order_by(states.c.id.desc()).limit(1)
            ).scalar_one_or_none()
        return self._cipher.open(body, _context(stack)) if body is not None else None

    def write(self, stack: Address, body: bytes, lock: str, holder: Holder) -> None:
        """Keep a new version. Raises `Stale` unless `holder` has the lock with that id and the serial does not fall."""
        serial, resources = _look_at(stack, body)
        sealed = self._cipher.seal(body, _context(stack))
        held = and_(_of(stack), locks.c.lock == lock, locks.c.holder == holder.name, locks.c.epoch == holder.epoch)
        with self._engine.begin() as connection:
            # The lock's row is held until the commit, so nobody takes it over between this look and the write.
            if connection.execute(select(locks.c.stack).where(held).with_for_update()).one_or_none() is None:
                raise Stale(
                    error(
                        f"The state of {stack} was not written",
                        detail="Its lock is not held any more: another run has taken it over.",
                        remedy="Plan again.",
                        address=str(stack),
                    )
                )
            newest = connection.execute(_newest_serial(stack)).scalar() or 0
            if serial < newest:
                raise Stale(
                    error(
                        f"The state of {stack} was not written",
                        detail=f"Its serial is {newest} already, the one to write is {serial}.",
                        remedy="Plan again.",
                        address=str(stack),
                    )
                )
            values = {"stack": str(stack), "serial": serial, "resources": resources, "size": len(body), "body": sealed}
            connection.execute(insert(states).values(values))
            kept = (
                select(states.c.id)
                .where(states.c.stack == str(stack))
                .order_by(states.c.id.desc())
                .offset(KEPT_VERSIONS - 1)
                .limit(1)
            ).scalar_subquery()
            connection.execute(delete(states).where(states.c.stack == str(stack), states.c.id < kept))

    def serial(self, stack: Address) -> int:
        """The newest state's serial; 0 where there is none."""
        with self._engine.connect() as connection:
            return int(connection.execute(_newest_serial(stack)).scalar() or 0)

    def versions(self, stack: Address, limit: int = KEPT_VERSIONS) -> Sequence[StateVersion]:
        """The kept versions, newest first."""
        wanted = select(states.c.serial, states.c.created_at, states.c.size).where(states.c.stack == str(stack))
        with self._engine.connect() as connection:
            rows = connection.execute(wanted.order_by(states.c.id.desc()).limit(limit)).all()
        return tuple(StateVersion(row.serial, row.created_at, row.size) for row in rows)

    def delete(self, stack: Address) -> None:
        """Ensure that there is no state. Raises `Refused` where the newest one still has resources."""
        newest = select(states.c.resources).where(states.c.stack == str(stack)).order_by(states.c.id.desc()).limit(1)
        with self._engine.begin() as connection:
            left = connection.execute(newest).scalar() or 0
            if left:
                raise Refused(
                    error(
                        f"The state of {stack} still has {left} resources",
                        detail="Without the state nobody could remove them any more.",
                        remedy="Remove the stack's resources first.",
                        address=str(stack),
                    )
                )
            connection.execute(delete(states).where(states.c.stack == str(stack)))
            connection.execute(delete(locks).where(_of(stack)))

    def lock(self, stack: Address, info: Mapping[str, Any], holder: Holder, seconds: float) -> StateLock | None:
        """Take the lock for `seconds`. None once it is ours, else the lock that stands in the way."""
        values = {
            "stack": str(stack),
            "lock": str(info.get("ID", "")),
            "info": dict(info),
            "holder": holder.name,
            "epoch": holder.epoch,
            "lease_until": _in(seconds),
        }
        same_run_again = and_(locks.c.holder == holder.name, locks.c.epoch < holder.epoch)
        asked_twice = and_(locks.c.lock == values["lock"], locks.c.holder == holder.name)
        take = upsert(locks).values(values)
        take = take.on_conflict_do_update(
            index_elements=[locks.c.stack],
            set_={name: take.excluded[name] for name in values if name != "stack"},
            where=or_(locks.c.lease_until < func.clock_timestamp(), same_run_again, asked_twice),
        )
        with self._engine.begin() as connection:
            if connection.execute(take.returning(locks.c.stack)).one_or_none() is not None:
                return None
            row = connection.execute(select(locks).where(_of(stack))).one_or_none()
        # Released between the two: the next try gets it.
        return _lock(row) if row is not None else self.lock(stack, info, holder, seconds)

    def renew(self, stack: Address, holder: Holder, seconds: float) -> bool:
        """Hold it longer; False where somebody else has it now. Not being locked at all is fine."""
        with self._engine.begin() as connection:
            ours = and_(_of(stack), locks.c.holder == holder.name, locks.c.epoch == holder.epoch)
            if connection.execute(update(locks).where(ours).values(lease_until=_in(seconds))).rowcount:
                return True
            return connection.execute(select(locks.c.stack).where(_of(stack))).one_or_none() is None

    def unlock(self, stack: Address, lock: str = "", holder: Holder | None = None) -> None:
        """Ensure that no lock is left with that id, of that holder, or (neither given) at all."""
        which = _of(stack)
        if lock:
            which = and_(which, locks.c.lock == lock)
        if holder is not None:
            which = and_(which, locks.c.holder == holder.name, locks.c.epoch == holder.epoch)
        with self._engine.begin() as connection:
            connection.execute(delete(locks).where(which))

    def locks(self) -> Sequence[StateLock]:
        """Every lock whose lease runs, sorted by stack."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(locks).where(locks.c.lease_until >= func.clock_timestamp()).order_by(locks.c.stack)
            ).all()
        return tuple(_lock(row) for row in rows)

    def free(self, holder_prefix: str) -> int:
        """Drop the locks of holders that are known to be dead; how many."""
        with self._engine.begin() as connection:
            dead = delete(locks).where(locks.c.holder.startswith(holder_prefix, autoescape=True))
            return int(connection.execute(dead).rowcount)


def _look_at(stack: Address, body: bytes) -> tuple[int, int]:
    try:
        state = json.loads(body)
        return int(state["serial"]), len(state.get("resources") or ())
    except (ValueError, KeyError, TypeError, AttributeError) as problem:
        raise Refused(error(f"What was sent as the state of {stack} is not a Terraform state")) from problem


def _of(stack: Address) -> ColumnElement[bool]:
    return locks.c.stack == str(stack)


def _newest_serial(stack: Address) -> Any:
    return select(states.c.serial).where(states.c.stack == str(stack)).order_by(states.c.id.desc()).limit(1)


def _in(seconds: float) -> Any:
    # The statement's own time, not the transaction's: a lease begins when it is given.
    return func.clock_timestamp() + text("make_interval(secs => :lease_seconds)").bindparams(lease_seconds=seconds)


def _context(stack: Address) -> str:
    return f"state/{stack}"


def _lock(row: Any) -> StateLock:
    holder = Holder(row.holder, row.epoch)
    return StateLock(Address.parse(row.stack), row.lock, holder, row.lease_until, row.info)
