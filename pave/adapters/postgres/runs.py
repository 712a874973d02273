"""Runs and their journal on PostgreSQL. Every write of a worker carries the epoch it claimed with."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import CursorResult, Engine, Row, Select, and_, delete, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert

from pave.adapters.postgres.budgets import end_reservations, settle_stack
from pave.adapters.postgres.schema import approvals, runs, steps
from pave.apply.retry import Stale
from pave.apply.run import TERMINAL, Run, State, Step, StepState, sources
from pave.model.diagnostics import error
from pave.model.names import Ref
from pave.request.intent import KINDS, Request

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_ADAPTERS = {kind: TypeAdapter(type_) for kind, type_ in KINDS.items()}


def new_id(now: datetime) -> str:
    """A run id that sorts by time: 48 bits of milliseconds and 40 random bits, in Crockford's base 32."""
    number = (int(now.timestamp() * 1000) << 40) | secrets.randbits(40)
    return "run_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(85, -1, -5))


class PostgresRuns:
    """Implements `pave.ports.Runs`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(
        self, request: Request, kind: str, subject: str, *, owner: str = "", not_before: datetime | None = None
    ) -> tuple[Run, bool]:
        """Record a request as a pending run; the same actor and key give the run there is, and False."""
        values = {
            "id": new_id(request.at),
            "kind": kind,
            "subject": subject,
            "state": State.PENDING.value,
            "actor": str(request.actor),
            "door": request.door,
            "intent": _ADAPTERS[kind].dump_python(request.intent, mode="json"),
            "key": request.key or None,
            "owner": owner,
            "not_before": not_before,
            "created_at": request.at,
        }
        with self._engine.begin() as connection:
            row = connection.execute(
                insert(runs).values(values).on_conflict_do_nothing(index_elements=["actor", "key"]).returning(runs)
            ).one_or_none()
            if row is not None:
                return _run(row), True
            return _run(connection.execute(select(runs).where(_same(request.actor, request.key))).one()), False

    def asked(self, actor: Ref, key: str) -> Run | None:
        """The run that `actor` asked for with `key`."""
        return self._one(select(runs).where(_same(actor, key)))

    def get(self, run: str) -> Run | None:
        """One run."""
        return self._one(select(runs).where(runs.c.id == run))

    def find(
        self, *, subject: str = "", actor: str = "", states: Sequence[State] = (), limit: int = 50
    ) -> Sequence[Run]:
        """Runs, newest first."""
        query = select(runs).order_by(runs.c.id.desc()).limit(limit)
        if subject:
            below = runs.c.subject.startswith(subject + "/", autoescape=True)
            query = query.where(or_(runs.c.subject == subject, below, runs.c.stacks.contains([subject])))
        if actor:
            query = query.where(runs.c.actor == actor)
        if states:
            query = query.where(runs.c.state.in_([state.value for state in states]))
        return self._many(query)

    def claim(self, run: str, holder: str, seconds: float) -> Run | None:
        """Take a run that nobody holds: state RUNNING, a new epoch, a lease."""
        claimable = and_(
            runs.c.id == run,
            runs.c.state.in_([state.value for state in sources(State.RUNNING)]),
            or_(runs.c.lease_until.is_(None), runs.c.lease_until < func.now()),
        )
        with self._engine.begin() as connection:
            row = connection.execute(
                update(runs)
                .where(claimable)
                .values(
                    state=State.RUNNING.value,
                    epoch=runs.c.epoch + 1,
                    attempt=runs.c.attempt + 1,
                    holder=holder,
                    lease_until=_after(seconds),
                    not_before=None,
                    started_at=func.coalesce(runs.c.started_at, func.now()),
                )
                .returning(runs)
            ).one_or_none()
        return _run(row) if row is not None else None

    def renew(self, run: Run, seconds: float) -> bool:
        """Hold it longer; False means that somebody else has it now."""
        with self._engine.begin() as connection:
            done = connection.execute(update(runs).where(_held(run)).values(lease_until=_after(seconds)))
        return done.rowcount == 1

    def move(self, run: Run, state: State, **changes: Any) -> Run:
        """Change the state by the transition table; ends the lease of a run that stops running."""
        values: dict[str, Any] = {"state": state.value, **_values(changes)}
        if state is not State.RUNNING:
            values |= {"lease_until": None, "holder": None}
        if state in TERMINAL:
            values["finished_at"] = func.now()
        allowed = runs.c.state.in_([before.value for before in sources(state)])
        return self._fenced(run, allowed, values, ended=state if state in TERMINAL else None)

    def note(self, run: Run, **changes: Any) -> Run:
        """Change verdict, result or stacks without changing the state."""
        return self._fenced(run, runs.c.state == State.RUNNING.value, _values(changes))

    def ask_cancel(self, run: str) -> Run | None:
        """Ask the worker to stop; one that has not begun, or waits, is cancelled at once."""
        idle = and_(runs.c.id == run, runs.c.state.in_([State.PENDING.value, State.WAITING.value]))
        with self._engine.begin() as connection:
            connection.execute(
                update(runs).where(idle).values(state=State.CANCELLED.value, finished_at=func.now(), lease_until=None)
            )
            cancelled = (runs.c.id == run, runs.c.state == State.CANCELLED.value)
            end_reservations(connection, State.CANCELLED, *cancelled)
            asked = and_(approvals.c.run == run, approvals.c.state.in_(["open", "approved"]))
            connection.execute(update(approvals).where(asked).values(state="expired"))  # nobody needs an answer now
            open_ = and_(runs.c.id == run, runs.c.finished_at.is_(None))
            connection.execute(update(runs).where(open_).values(cancel_asked=True))
        return self.get(run)

    def waiting(self, owner: str) -> int:
        """How many runs of an owner have not begun."""
        query = select(func.count()).where(
            runs.c.owner == owner, runs.c.state == State.PENDING.value, runs.c.finished_at.is_(None)
        )
        with self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def steps(self, run: str) -> Sequence[Step]:
        """The journal in order."""
        with self._engine.connect() as connection:
            rows = connection.execute(
                select(steps).where(steps.c.run == run).order_by(steps.c.position, steps.c.subject)
            ).all()
        return tuple(
            Step(
                row.name,
                row.subject,
                StepState(row.state),
                row.detail,
                row.output,
                row.started_at,
                row.finished_at,
            )
            for row in rows
        )

    def journal(self, run: Run, name: str, subject: str, state: StepState, **parts: Any) -> None:
        """Record a step's beginning or end, if the run is still this worker's."""
        ended = state is not StepState.RUNNING
        values = {
            "state": state.value,
            "detail": parts.get("detail", ""),
            "output": parts.get("output", {}),
            "finished_at": func.clock_timestamp() if ended else None,
        }
        position = parts.get("position", 0)
        with self._engine.begin() as connection:
            self._lock(connection, run)
            row = insert(steps).values(
                run=run.id, name=name, subject=subject, position=position, started_at=func.clock_timestamp(), **values
            )
            if not ended:
                values["started_at"] = func.clock_timestamp()
            connection.execute(row.on_conflict_do_update(index_elements=["run", "name", "subject"], set_=values))
            if name == "apply" and state is StepState.DONE:
                settle_stack(connection, run.id, subject)

    def forget_steps(self, run: Run, names: Sequence[str]) -> None:
        """Take steps out of the journal so that they are done again."""
        with self._engine.begin() as connection:
            self._lock(connection, run)
            connection.execute(delete(steps).where(steps.c.run == run.id, steps.c.name.in_(names)))

    def abandoned(self) -> Sequence[Run]:
        """Runs that have not ended, that nobody holds, and whose time to wait is over."""
        return self._many(
            select(runs)
            .where(
                runs.c.finished_at.is_(None),
                or_(runs.c.lease_until.is_(None), runs.c.lease_until < func.now()),
                or_(runs.c.not_before.is_(None), runs.c.not_before <= func.now()),
            )
            .order_by(runs.c.id)
        )

    def free(self, holder_prefix: str) -> int:
        """Drop the leases of holders that are known to be dead."""
        with self._engine.begin() as connection:
            done = connection.execute(
                update(runs)
                .where(runs.c.holder.startswith(holder_prefix, autoescape=True), runs.c.finished_at.is_(None))
                .values(lease_until=None, holder=None)
            )
        return done.rowcount

    def _fenced(self, run: Run, allowed: Any, values: dict[str, Any], ended: State | None = None) -> Run:
        with self._engine.begin() as connection:
            row = connection.execute(
                update(runs).where(_held(run), allowed).values(values).returning(runs)
            ).one_or_none()
            if row is not None and ended is not None:
                end_reservations(connection, ended, runs.c.id == run.id)
        if row is None:
            raise Stale(error(f"Run {run.id} is carried out by somebody else now", remedy="Nothing is to be done."))
        return _run(row)

    @staticmethod
    def _lock(connection: Any, run: Run) -> None:
        held: CursorResult[Any] = connection.execute(select(runs.c.id).where(_held(run)).with_for_update(read=True))
        if held.one_or_none() is None:
            raise Stale(error(f"Run {run.id} is carried out by somebody else now", remedy="Nothing is to be done."))

    def _one(self, query: Select[Any]) -> Run | None:
        with self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return _run(row) if row is not None else None

    def _many(self, query: Select[Any]) -> Sequence[Run]:
        with self._engine.connect() as connection:
            return tuple(_run(row) for row in connection.execute(query))


def _same(actor: Ref, key: str) -> Any:
    return and_(runs.c.actor == str(actor), runs.c.key == key)


def _held(run: Run) -> Any:
    return and_(runs.c.id == run.id, runs.c.epoch == run.epoch)


def _after(seconds: float) -> Any:
    return func.now() + text("make_interval(secs => :seconds)").bindparams(seconds=seconds)


def _values(changes: dict[str, Any]) -> dict[str, Any]:
    return {key: list(value) if key == "stacks" else value for key, value in changes.items()}


def _run(row: Row[Any]) -> Run:
    request = Request(
        Ref.parse(row.actor), row.door, _ADAPTERS[row.kind].validate_python(row.intent), row.created_at, row.key or ""
    )
    return Run(
        id=row.id,
        kind=row.kind,
        subject=row.subject,
        state=State(row.state),
        request=request,
        stacks=tuple(row.stacks),
        attempt=row.attempt,
        epoch=row.epoch,
        cancel_asked=row.cancel_asked,
        verdict=row.verdict,
        error=row.error,
        result=row.result,
        created_at=_utc(row.created_at),
        started_at=_utc(row.started_at),
        finished_at=_utc(row.finished_at),
    )


def _utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at else None
