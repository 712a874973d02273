"""Alert states, silences and the lease of whoever evaluates, on PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pave.adapters.postgres.alerting_schema import alert_states, leases, silences
from pave.model.diagnostics import Conflict, Unknown, error
from pave.model.names import Ref
from pave.observe.alert_rules import Seen
from pave.observe.alert_state import Instance, State
from pave.ports import Silence

_LEASE = "alerts"
_ON = (State.FIRING.value, State.RECOVERING.value)
_TIMES = ("seen_at", "began_at", "fired_at", "resolved_at", "told_at")


class PostgresAlerts:
    """Implements `pave.ports.Alerts`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def lead(self, holder: str, seconds: float) -> bool:
        """Hold the lease, by the database's clock."""
        until = func.now() + text("make_interval(secs => :seconds)").bindparams(seconds=seconds)
        statement = upsert(leases).values(name=_LEASE, holder=holder, until=until)
        free = or_(leases.c.holder == holder, leases.c.until < func.now())
        mine = statement.on_conflict_do_update(
            index_elements=["name"], set_={"holder": holder, "until": until}, where=free
        ).returning(leases.c.name)
        with self._engine.begin() as connection:
            return connection.execute(mine).one_or_none() is not None

    def all(self) -> Sequence[Instance]:
        """Every alert there is, by fingerprint."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(alert_states).order_by(alert_states.c.fingerprint))
            return tuple(_instance(row) for row in rows)

    def get(self, fingerprint: str) -> Instance | None:
        """One of them."""
        with self._engine.connect() as connection:
            one = select(alert_states).where(alert_states.c.fingerprint == fingerprint)
            row = connection.execute(one).one_or_none()
        return _instance(row) if row is not None else None

    def save(self, instances: Iterable[Instance]) -> None:
        """Keep alerts as they are after a look."""
        rows = [_row(one) for one in instances]
        if not rows:
            return
        statement = upsert(alert_states)
        newest = {name: statement.excluded[name] for name in rows[0]}
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=["fingerprint"], set_=newest), rows)

    def acknowledge(self, fingerprint: str, by: Ref, reason: str, at: datetime) -> Instance:
        """Somebody takes care of this firing."""
        c = alert_states.c
        values = {
            "acknowledged_episode": c.episode,
            "acknowledged_by": str(by),
            "acknowledged_at": at,
            "reason": reason,
        }
        on = update(alert_states).where(c.fingerprint == fingerprint, c.state.in_(_ON))
        with self._engine.begin() as connection:
            row = connection.execute(on.values(values).returning(alert_states)).one_or_none()
        if row is not None:
            return _instance(row)
        if self.get(fingerprint) is None:
            raise Unknown(error(f"There is no alert {fingerprint[:40]!r}", remedy="`pave alert list` names them."))
        raise Conflict(error(f"The alert {fingerprint} does not fire", remedy="There is nothing to take care of."))

    def silence(self, silence: Silence) -> Silence:
        """Begin a silence."""
        values = {
            "id": f"sil_{secrets.token_hex(5)}",
            "rule": silence.rule,
            "subject": silence.subject,
            "by": str(silence.by),
            "reason": silence.reason,
            "since": silence.since,
            "until": silence.until,
        }
        with self._engine.begin() as connection:
            return _silence(connection.execute(upsert(silences).values(values).returning(silences)).one())

    def unsilence(self, id_: str, by: Ref, at: datetime) -> Silence:
        """End one early."""
        one = update(silences).where(silences.c.id == id_).values(until=at, ended_by=str(by)).returning(silences)
        with self._engine.begin() as connection:
            row = connection.execute(one).one_or_none()
        if row is None:
            raise Unknown(error(f"There is no silence {id_[:40]!r}", remedy="`pave alert list` names them."))
        return _silence(row)

    def silences(self, now: datetime) -> Sequence[Silence]:
        """Those in force."""
        there = select(silences).where(silences.c.until > now).order_by(silences.c.until, silences.c.id)
        with self._engine.connect() as connection:
            return tuple(_silence(row) for row in connection.execute(there))

    def forget(self, before: datetime) -> int:
        """Forget what ended before that time."""
        c = alert_states.c
        over = delete(alert_states).where(c.state == State.RESOLVED.value, c.seen_at < before)
        with self._engine.begin() as connection:
            gone = connection.execute(over).rowcount
            return gone + connection.execute(delete(silences).where(silences.c.until < before)).rowcount


def _row(instance: Instance) -> dict[str, Any]:
    return {
        "fingerprint": instance.fingerprint,
        "rule": instance.rule,
        "subject": instance.subject,
        "severity": instance.severity,
        "title": instance.title,
        "labels": dict(instance.labels),
        "state": instance.state.value,
        "held": instance.held,
        "seen": instance.seen.value,
        "episode": instance.episode,
        "flaps": instance.flaps,
        "message": instance.message,
        "values": dict(instance.values),
        "told": instance.told,
        "escalated": instance.escalated,
        "context": dict(instance.context),
        **{name: getattr(instance, name) for name in _TIMES},
    }


def _instance(row: Row[Any]) -> Instance:
    mine = row.acknowledged_episode == row.episode
    return Instance(
        fingerprint=row.fingerprint,
        rule=row.rule,
        subject=row.subject,
        severity=row.severity,
        title=row.title,
        labels=row.labels,
        state=State(row.state),
        held=row.held,
        seen=Seen(row.seen),
        episode=row.episode,
        flaps=row.flaps,
        message=row.message,
        values=row._mapping["values"],  # noqa: SLF001 — a row's own `values` is a method
        told=row.told,
        escalated=row.escalated,
        context=row.context,
        acknowledged_by=(row.acknowledged_by or "") if mine else "",
        acknowledged_at=_utc(row.acknowledged_at) if mine else None,
        reason=row.reason if mine else "",
        **{name: _utc(getattr(row, name)) for name in _TIMES},
    )


def _silence(row: Row[Any]) -> Silence:
    return Silence(
        row.id, row.rule, row.subject, Ref.parse(row.by), row.reason, _aware(row.since), _aware(row.until), row.ended_by
    )


def _utc(at: datetime | None) -> datetime | None:
    return None if at is None else _aware(at)


def _aware(at: datetime) -> datetime:
    return at.astimezone(UTC)
