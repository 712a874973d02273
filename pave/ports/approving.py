"""The records of judging: who was asked to approve what, and what was judged how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from pave.model.names import Ref


class ApprovalState(str, Enum):
    """Where an approval is. USED is an approved one that a run went on with; it is good for nothing else."""

    OPEN = "open"
    APPROVED = "approved"
    REFUSED = "refused"
    EXPIRED = "expired"
    USED = "used"


@dataclass(frozen=True)
class Approval:
    """A question to a person: whether a run may go on, with exactly these plans (`digest`), in spite of the findings.

    A member of one of the `approvers` may answer, but never the `requester`.
    """

    id: str
    run: str
    subject: str
    digest: str
    requester: Ref
    approvers: tuple[Ref, ...]
    findings: tuple[Mapping[str, Any], ...]
    asked_at: datetime
    expires_at: datetime
    state: ApprovalState = ApprovalState.OPEN
    decided_by: Ref | None = None
    decided_at: datetime | None = None
    reason: str = ""


class Approvals(Protocol):
    """Questions to people, and their answers."""

    def ask(self, approval: Approval) -> tuple[Approval, bool]:
        """Ensure the question for its run and digest; returns it, and whether it is new. `id` is ignored.

        Questions of the same run about other plans, that nobody answered, are over with that.
        """

    def get(self, approval: str) -> Approval | None:
        """One of them."""

    def find(self, *, state: ApprovalState | None = None, run: str = "", limit: int = 100) -> Sequence[Approval]:
        """Newest first."""

    def decide(self, approval: str, by: Ref, *, approved: bool, reason: str, at: datetime) -> Approval:
        """Answer an open one that has not ended. Raises `Conflict` where it was answered, or is over."""

    def settle(self, approval: str, state: ApprovalState) -> Approval:
        """Note that it was used, or that its time is over."""


@dataclass(frozen=True)
class Judgement:
    """What was judged: the verdict (JSON) on `subjects` (their data) of a run, or, without a run, of what is there."""

    run: str
    stage: str
    verdict: Mapping[str, Any]
    at: datetime
    subjects: tuple[Mapping[str, Any], ...] = ()
    subject: str = ""


class Judgements(Protocol):
    """What was judged in the last 30 days."""

    def keep(self, judgement: Judgement) -> None:
        """Keep one; of the same run and stage, the newest."""

    def since(self, at: datetime, limit: int = 10_000) -> Sequence[Judgement]:
        """Newest first."""

    def of(self, subject: str, stage: str) -> Judgement | None:
        """The one of what is there (without a run), by subject and stage."""

    def latest(self) -> datetime | None:
        """When something was judged last."""

    def forget(self, before: datetime) -> int:
        """Forget what is older; how many there were."""
