"""Answers to approvals: by a member of a team that may, who did not ask for it; then the run goes on, or ends."""

from __future__ import annotations

from pave.engine.judging import moment
from pave.engine.world import World
from pave.model.diagnostics import Diagnostic, Forbidden, Unknown, error
from pave.model.names import Ref
from pave.ports import Approval
from pave.request.access import standing


def approval_of(world: World, id_: str) -> Approval:
    """One approval. Raises `Unknown`."""
    found = world.approvals.get(id_)
    if found is None:
        raise Unknown(error(f"There is no approval {id_[:40]!r}", remedy="`pave approval list` names them."))
    return found


def refusal_to_answer(world: World, approval: Approval, by: Ref) -> Diagnostic | None:
    """Why somebody may not answer, or None."""
    if by == approval.requester:
        return error(
            f"{by.short} asked for this, so somebody else has to approve it",
            remedy=f"Ask a member of {', '.join(one.short for one in approval.approvers)}.",
        )
    if by.kind != "user":
        return error(f"{by.short} is no person, and only a person may approve", remedy="Ask a member of the team.")
    teams = standing(by, world.snapshots.current().entities).teams
    if teams & set(approval.approvers):
        return None
    names = ", ".join(one.short for one in approval.approvers)
    return error(f"{by.short} is in none of the teams that may approve this", remedy=f"Ask a member of {names}.")


def answer(world: World, id_: str, by: Ref, *, approved: bool, reason: str) -> Approval:
    """Answer an approval and let its run go on. Raises `Unknown`, `Forbidden` or `Conflict`."""
    approval = approval_of(world, id_)
    refusal = refusal_to_answer(world, approval, by)
    if refusal is not None:
        raise Forbidden(refusal)
    decided = world.approvals.decide(id_, by, approved=approved, reason=reason, at=moment(world))
    waited = (decided.decided_at - decided.asked_at).total_seconds() if decided.decided_at else 0.0
    subject = f"approval/{id_}"
    world.events.emit("approval.decided", subject, run=decided.run, actor=str(by), approved=approved, waited=waited)
    world.queue.push(decided.run, decided.subject)
    return decided
