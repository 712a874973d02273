"""Answers to approvals: by a member of a team that may, who did not ask for it; then the run goes on, or ends."""

from __future__ import annotations

from collections.abc import Iterator

from pave.engine.judgement.waiving import authors_of
from pave.engine.judging import moment
from pave.engine.world import World
from pave.model.diagnostics import Diagnostic, Forbidden, Unknown, error
from pave.model.names import Ref
from pave.ports import Approval
from pave.request.access import Denied, decide
from pave.request.intent import MergeChange
from pave.request.places import SOMEWHERE
from pave.request.roles import Verb


def approval_of(world: World, id_: str) -> Approval:
    """One approval. Raises `Unknown`."""
    found = world.approvals.get(id_)
    if found is None:
        raise Unknown(error(f"There is no approval {id_[:40]!r}", remedy="`pave approval list` names them."))
    return found


def refusal_to_answer(world: World, approval: Approval, by: Ref) -> Diagnostic | None:
    """Why somebody may not answer, or None.

    Neither who asked, nor who wrote the change that is to be merged, nor who is no person; and only a member of one
    of the teams, whose role lets them.
    """
    names = ", ".join(one.short for one in approval.approvers)
    if by in _asked_by(world, approval):
        return error(
            f"{by.short} asked for this, so somebody else has to approve it", remedy=f"Ask a member of {names}."
        )
    if by.kind != "user":
        return error(f"{by.short} is no person, and only a person may approve", remedy="Ask a member of the team.")
    who = world.snapshots.current().people.standing(by)
    if who.teams & set(approval.approvers):
        decision = decide(who, Verb.APPROVE, SOMEWHERE)
        return decision.diagnostic() if isinstance(decision, Denied) else None
    return error(f"{by.short} is in none of the teams that may approve this", remedy=f"Ask a member of {names}.")


def _asked_by(world: World, approval: Approval) -> Iterator[Ref]:
    """Who asked: whose run it is, and who wrote the change that it merges."""
    yield approval.requester
    run = world.runs.get(approval.run)
    intent = run.request.intent if run else None
    if isinstance(intent, MergeChange):
        change = world.changes.get(intent.repository, intent.number)
        yield from authors_of(world, change) if change else ()


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
