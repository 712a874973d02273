"""Questions to people and what was judged, on PostgreSQL."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from pave.adapters.postgres.schema import approvals, judgements
from pave.model.diagnostics import Conflict, Unknown, error
from pave.model.names import Ref
from pave.ports import Approval, ApprovalState, Judgement


class PostgresApprovals:
    """Implements `pave.ports.Approvals`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ask(self, approval: Approval) -> tuple[Approval, bool]:
        """Ensure the question for its run and digest; returns it, and whether it is new."""
        values = {
            "id": f"apr_{secrets.token_hex(6)}",
            "run": approval.run,
            "subject": approval.subject,
            "digest": approval.digest,
            "requester": str(approval.requester),
            "approvers": [str(one) for one in approval.approvers],
            "findings": [dict(one) for one in approval.findings],
            "state": ApprovalState.OPEN.value,
            "asked_at": approval.asked_at,
            "expires_at": approval.expires_at,
        }
        others = update(approvals).where(
            approvals.c.run == approval.run,
            approvals.c.digest != approval.digest,
            approvals.c.state.in_([ApprovalState.OPEN.value, ApprovalState.APPROVED.value]),
        )
        with self._engine.begin() as connection:
            connection.execute(others.values(state=ApprovalState.EXPIRED.value))
            made = upsert(approvals).values(values).on_conflict_do_nothing(index_elements=["run", "digest"])
            row = connection.execute(made.returning(approvals)).one_or_none()
            if row is not None:
                return _approval(row), True
            same = (approvals.c.run == approval.run, approvals.c.digest == approval.digest)
            return _approval(connection.execute(select(approvals).where(*same)).one()), False

    def get(self, approval: str) -> Approval | None:
        """One of them."""
        with self._engine.connect() as connection:
            row = connection.execute(select(approvals).where(approvals.c.id == approval)).one_or_none()
        return _approval(row) if row is not None else None

    def find(self, *, state: ApprovalState | None = None, run: str = "", limit: int = 100) -> Sequence[Approval]:
        """Newest first."""
        query = select(approvals).order_by(approvals.c.asked_at.desc(), approvals.c.id).limit(limit)
        if state is not None:
            query = query.where(approvals.c.state == state.value)
        if run:
            query = query.where(approvals.c.run == run)
        with self._engine.connect() as connection:
            return tuple(_approval(row) for row in connection.execute(query))

    def decide(self, approval: str, by: Ref, *, approved: bool, reason: str, at: datetime) -> Approval:
        """Answer an open one that has not ended, once."""
        state = ApprovalState.APPROVED if approved else ApprovalState.REFUSED
        answer = {"state": state.value, "decided_by": str(by), "decided_at": at, "reason": reason}
        open_ = (approvals.c.id == approval, approvals.c.state == ApprovalState.OPEN.value, approvals.c.expires_at > at)
        with self._engine.begin() as connection:
            row = connection.execute(update(approvals).where(*open_).values(answer).returning(approvals)).one_or_none()
        if row is not None:
            return _approval(row)
        found = self.get(approval)
        if found is None:
            raise Unknown(error(f"There is no approval {approval[:40]!r}", remedy="`pave approval list` names them."))
        said = f"{found.state.value} by {found.decided_by.short}" if found.decided_by else "over"
        raise Conflict(error(f"The approval {approval} is {said} already", remedy="Ask again for what is wanted."))

    def settle(self, approval: str, state: ApprovalState) -> Approval:
        """Note that it was used, or that its time is over."""
        one = update(approvals).where(approvals.c.id == approval).values(state=state.value).returning(approvals)
        with self._engine.begin() as connection:
            return _approval(connection.execute(one).one())


class PostgresJudgements:
    """Implements `pave.ports.Judgements`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, judgement: Judgement) -> None:
        """Keep one; of the same run (or, without one, of the same subject) and stage, the newest."""
        values: dict[str, Any] = {
            "run": judgement.run,
            "subject": judgement.subject,
            "stage": judgement.stage,
            "verdict": dict(judgement.verdict),
            "subjects": [dict(one) for one in judgement.subjects],
            "at": judgement.at,
        }
        same = ["run", "subject", "stage"]
        statement = upsert(judgements).values(values)
        changed = {key: value for key, value in values.items() if key not in same}
        with self._engine.begin() as connection:
            connection.execute(statement.on_conflict_do_update(index_elements=same, set_=changed))

    def since(self, at: datetime, limit: int = 10_000) -> Sequence[Judgement]:
        """Newest first."""
        query = select(judgements).where(judgements.c.at >= at).order_by(judgements.c.at.desc()).limit(limit)
        with self._engine.connect() as connection:
            return tuple(_judgement(row) for row in connection.execute(query))

    def of(self, subject: str, stage: str) -> Judgement | None:
        """The one of what is there (without a run), by subject and stage."""
        same = (judgements.c.run == "", judgements.c.subject == subject, judgements.c.stage == stage)
        with self._engine.connect() as connection:
            row = connection.execute(select(judgements).where(*same)).one_or_none()
        return _judgement(row) if row is not None else None

    def latest(self) -> datetime | None:
        """When something was judged last."""
        with self._engine.connect() as connection:
            found = connection.execute(select(func.max(judgements.c.at))).scalar_one()
        return found.astimezone(UTC) if found else None

    def forget(self, before: datetime) -> int:
        """Forget what is older; how many there were."""
        with self._engine.begin() as connection:
            return connection.execute(delete(judgements).where(judgements.c.at < before)).rowcount


def _judgement(row: Row[Any]) -> Judgement:
    return Judgement(row.run, row.stage, row.verdict, row.at.astimezone(UTC), tuple(row.subjects), row.subject)


def _approval(row: Row[Any]) -> Approval:
    return Approval(
        id=row.id,
        run=row.run,
        subject=row.subject,
        digest=row.digest,
        requester=Ref.parse(row.requester),
        approvers=tuple(map(Ref.parse, row.approvers)),
        findings=tuple(row.findings),
        asked_at=row.asked_at.astimezone(UTC),
        expires_at=row.expires_at.astimezone(UTC),
        state=ApprovalState(row.state),
        decided_by=Ref.parse(row.decided_by) if row.decided_by else None,
        decided_at=row.decided_at.astimezone(UTC) if row.decided_at else None,
        reason=row.reason,
    )
