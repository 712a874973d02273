"""Approvals: what waits for a person, and the answers."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.judgement.approving import answer, approval_of, refusal_to_answer
from pave.engine.operations import Operation
from pave.ports import Approval, ApprovalState
from pave.request.roles import Verb


class ApprovalView(BaseModel):
    """A question to a person: whether a run may go on, in spite of what guardrails found."""

    id: str
    state: str = Field(description="open, approved, refused, expired or used.")
    subject: str = Field(description="What the run is about.")
    run: str
    requester: str
    approvers: list[str] = Field(description="Teams whose members may answer, the requester excepted.")
    findings: list[dict[str, Any]]
    plan: dict[str, Any] | None = Field(None, description="What would be done.")
    asked_at: datetime
    expires_at: datetime
    waited: float = Field(description="Seconds until it was answered, or up to now.")
    decided_by: str = ""
    reason: str = ""
    mine: str = Field("", description="Why whoever asks may not answer; empty where they may.")


class ApprovalList(BaseModel):
    """Approvals, newest first."""

    approvals: list[ApprovalView]


class ApprovalFilter(BaseModel):
    """Which approvals."""

    model_config = ConfigDict(extra="forbid")

    state: str = Field("open", description="open, approved, refused, expired, used or all.")
    limit: int = Field(50, ge=1, le=500)


class OneApproval(BaseModel):
    """Names an approval."""

    model_config = ConfigDict(extra="forbid")

    approval: str = Field(description="Its id.")


class Answer(OneApproval):
    """An answer."""

    reason: str = Field("", max_length=1000, description="Why, in a sentence; whoever asked sees it.")


def _view(context: Context, one: Approval) -> ApprovalView:
    refusal = refusal_to_answer(context.world, one, context.call.actor)
    until = one.decided_at or context.world.clock.now()
    run = context.world.runs.get(one.run)
    return ApprovalView(
        id=one.id,
        state=one.state.value,
        subject=one.subject,
        run=one.run,
        requester=str(one.requester),
        approvers=[str(team) for team in one.approvers],
        findings=[dict(finding) for finding in one.findings],
        plan=context.show(run).plan if run else None,
        asked_at=one.asked_at,
        expires_at=one.expires_at,
        waited=max((until - one.asked_at).total_seconds(), 0.0),
        decided_by=str(one.decided_by or ""),
        reason=one.reason,
        mine=refusal.summary if refusal else "",
    )


def _list(context: Context, given: ApprovalFilter) -> ApprovalList:
    state = None if given.state == "all" else ApprovalState(given.state)
    found = context.world.approvals.find(state=state, limit=given.limit)
    return ApprovalList(approvals=[_view(context, one) for one in found])


def _show(context: Context, given: OneApproval) -> ApprovalView:
    return _view(context, approval_of(context.world, given.approval))


def _approve(context: Context, given: Answer) -> ApprovalView:
    done = answer(context.world, given.approval, context.call.actor, approved=True, reason=given.reason)
    return _view(context, done)


def _refuse(context: Context, given: Answer) -> ApprovalView:
    done = answer(context.world, given.approval, context.call.actor, approved=False, reason=given.reason)
    return _view(context, done)


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="approval.list",
        summary="What waits for a person",
        rest="GET /approvals",
        cli="approval list",
        input=ApprovalFilter,
        output=ApprovalList,
        handler=_list,
        scopes=("catalog:read",),
        read_only=True,
        verb=Verb.READ,
    ),
    Operation(
        name="approval.show",
        summary="One question, with what would be done",
        rest="GET /approvals/{approval}",
        cli="approval show {approval}",
        input=OneApproval,
        output=ApprovalView,
        handler=_show,
        scopes=("catalog:read",),
        read_only=True,
        verb=Verb.READ,
    ),
    Operation(
        name="approval.approve",
        summary="Let a run go on with exactly the plan that was shown",
        rest="POST /approvals/{approval}/approve",
        cli="approval approve {approval}",
        input=Answer,
        output=ApprovalView,
        handler=_approve,
        scopes=("component:write",),
        verb=Verb.APPROVE,
    ),
    Operation(
        name="approval.refuse",
        summary="End a run that waits for an approval",
        rest="POST /approvals/{approval}/refuse",
        cli="approval refuse {approval}",
        input=Answer,
        output=ApprovalView,
        handler=_refuse,
        scopes=("component:write",),
        verb=Verb.APPROVE,
    ),
)
