"""The stage `judge`: one verdict over all that a run plans, and what becomes of one that needs a person.

The same question is asked of a request, of a change request's plan, right before a run is recorded, and of what is
there already. What was looked at is kept, so that a rule that is to be changed can be tried on it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pave.apply.retry import Stale, Transient
from pave.engine.judgement.facts import Asking, Facts, whole_of
from pave.engine.judgement.policies import changed_policies, policy_findings, tried_on
from pave.engine.judgement.spending import Bill
from pave.engine.judgement.trying import changed, lately, tried
from pave.engine.planning import Candidate, candidate_of, only_checked
from pave.engine.work import Asked, Denied, Work
from pave.engine.world import World
from pave.model.diagnostics import error
from pave.model.environment import Environment
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.plan.change import Plan
from pave.plan.wanted import owner_of
from pave.ports import Approval, ApprovalState, Judgement
from pave.request.access import PLATFORM, SYSTEM
from pave.request.intent import CheckChange, Request
from pave.verdict.finding import MOST_SHOWN, Outcome, Verdict
from pave.verdict.guardrail import Subject, compile_all
from pave.verdict.judge import Rules
from pave.verdict.judge import judge as give_verdict
from pave.verdict.subject import at_the_door as door_subject
from pave.verdict.subject import subjects_of

STAGES = ("plan", "deploy")
"""What is judged right before a run is recorded; of what is only checked, the first."""
PATIENCE = timedelta(hours=24)
"""How long an approval is waited for."""
_MOST_TRIED = 50
_MOST_TRIES = 20
_MOST_GOING_BACK = timedelta(days=31)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Judged:
    """A verdict, what it is about, and what that costs."""

    verdict: Verdict
    subjects: tuple[Subject, ...]
    bill: Bill


def judge(work: Work) -> dict[str, Any]:
    """One verdict over all planned changes; what it does not allow ends the run here, or has it wait for a person."""
    world, run = work.world, work.run
    found = candidate_of(work)
    stored = [world.plans.get(run.id, Address.parse(one)) for one in work.output("plan").get("stacks", ())]
    plans = [one[0] for one in stored if one]
    noted = {
        name: Environment(name, str(one["kind"]), Ref.parse(str(one["owner"]), kind="group"))
        for name, one in run.result.get("environments", {}).items()
    }
    checked = only_checked(run.request.intent)
    stages = STAGES[:1] if checked else STAGES
    now = moment(world)
    give = partial(verdict_on, world, found, plans, stages=stages, noted=noted)
    for _ in range(_MOST_TRIES):
        judged, approval = give(Asking.of(run.request, run=run.id)), None
        if _needs_one(judged.verdict) and not checked:
            approval = _approval_for(work, plans, judged.verdict, now)
        if approval is not None and approval.state is ApprovalState.APPROVED:
            _check_fresh(plans, found.snapshot)
            judged = give(Asking.of(run.request, str(approval.decided_by), run.id))
        # What may not go on gives back what an earlier verdict had reserved for it.
        wishes = judged.bill.wishes if _goes_on(judged.verdict, approval) else ()
        if checked or world.budgets.reserve(run, wishes):
            break  # else another run took some of a budget meanwhile: it is judged again with that
    else:
        raise Transient(error(f"Many runs want the same budget as {run.subject}", remedy="It is tried again."))
    world.judgements.keep(Judgement(run.id, "plan", judged.verdict.as_data(), now, _kept(judged.subjects)))
    work.run = world.runs.note(run, verdict=judged.verdict.as_data())
    trials = _trials(work, found)
    _decide(work, judged.verdict, approval, checked=checked)
    told = {"approved_by": str(approval.decided_by)} if approval else {}
    verdict = judged.verdict
    return {
        "outcome": verdict.outcome.value,
        "findings": len(verdict.findings),
        "guardrails": verdict.guardrails,
        **({"trials": trials} if trials else {}),
        **told,
    }


def _trials(work: Work, found: Candidate) -> list[str]:
    """Of a change to guardrails or policies: how often each would have fired lately; said on the change request too."""
    rules = changed(found.base, found.snapshot)
    policies = changed_policies(found.base.policies, found.snapshot.policies)[:_MOST_TRIED]
    if not rules and not policies:
        return []
    judged = [one for one in lately(work.world) if one.run and one.run != work.run.id]
    said = [tried(rule, judged).text for rule in rules[:_MOST_TRIED]]
    said += [one.text for one in tried_on(work.world, found.snapshot.policies, policies, judged)]
    intent = work.run.request.intent
    if isinstance(intent, CheckChange):
        text = "\n".join(said)
        if text not in {one.text for one in work.world.changes.comments(intent.repository, intent.number)}:
            work.world.changes.comment(intent.repository, intent.number, SYSTEM, text)
    return said


def _needs_one(verdict: Verdict) -> bool:
    return verdict.outcome is Outcome.NEEDS_APPROVAL


def _goes_on(verdict: Verdict, approval: Approval | None) -> bool:
    """Whether a run may be carried out with this verdict."""
    approved = approval is not None and approval.state is ApprovalState.APPROVED
    return verdict.passes or (approved and _needs_one(verdict))


def _decide(work: Work, verdict: Verdict, approval: Approval | None, *, checked: bool) -> None:
    """Let the run go on, or raise `Denied` or `Asked`."""
    if verdict.passes or (checked and _needs_one(verdict)):
        return
    if approval is None or not _needs_one(verdict):
        raise Denied(verdict)
    match approval.state:
        case ApprovalState.APPROVED:
            work.world.approvals.settle(approval.id, ApprovalState.USED)
            work.emit("approval.used", f"approval/{approval.id}", by=str(approval.decided_by))
        case ApprovalState.OPEN:
            raise Asked(verdict, approval.id, (approval.expires_at - moment(work.world)).total_seconds())
        case _:
            raise Denied(verdict, _why_not(approval))


def _why_not(approval: Approval) -> str:
    if approval.state is ApprovalState.REFUSED:
        return f"{approval.decided_by.short if approval.decided_by else 'Somebody'} refused it: {approval.reason}"
    return f"Nobody approved it until {approval.expires_at:%Y-%m-%d %H:%M} UTC"


def _approval_for(work: Work, plans: Sequence[Plan], verdict: Verdict, now: datetime) -> Approval:
    """The approval of exactly these plans: the one there is, or a new one that is asked for."""
    world, run = work.world, work.run
    digest = approval_digest(plans, verdict)
    soft = [one for one in verdict.findings if one.level == "soft" and not one.waiver]
    approval, new = world.approvals.ask(
        Approval(
            id="",
            run=run.id,
            subject=run.subject,
            digest=digest,
            requester=run.request.actor,
            approvers=approvers_of(verdict, plans, work.world.snapshots.current()),
            findings=tuple(one.as_data() for one in soft[:MOST_SHOWN]),
            asked_at=now,
            expires_at=now + PATIENCE,
        )
    )
    if new:
        names = ", ".join(one.short for one in approval.approvers)
        work.report(f"It waits for an approval by a member of {names}: pave approval approve {approval.id}")
        approvers = [str(one) for one in approval.approvers]
        work.emit("approval.asked", f"approval/{approval.id}", approvers=approvers)
    if approval.state is ApprovalState.OPEN and approval.expires_at <= now:
        approval = world.approvals.settle(approval.id, ApprovalState.EXPIRED)
        work.emit("approval.expired", f"approval/{approval.id}")
    return approval


def approval_digest(plans: Iterable[Plan], verdict: Verdict) -> str:
    """What an approval is bound to: the plans, the rules, and what they found. Anything else needs another one."""
    said = sorted((one.guardrail, str(one.address or "")) for one in verdict.findings if not one.waiver)
    bound = [sorted(one.digest for one in plans), verdict.guardrails, said]
    return hashlib.sha256(json.dumps(bound).encode()).hexdigest()


def approvers_of(verdict: Verdict, plans: Iterable[Plan], snapshot: Snapshot) -> tuple[Ref, ...]:
    """Whose members may approve: the owners of the guardrails, and of what is changed, as a second person."""
    rules = {Ref.parse(one.owner, kind="group") for one in verdict.findings if one.level == "soft" and one.owner}
    owners = {owner for one in plans if (owner := owner_of(snapshot, one.stack.component)) is not None}
    return tuple(sorted(rules | owners | {PLATFORM}))


def _check_fresh(plans: Iterable[Plan], snapshot: Snapshot) -> None:
    """Raise `Stale` where a plan that was approved is not what would be done now."""
    for one in plans:
        if not one.destroy and snapshot.inputs.get(one.stack, "") != one.inputs:
            raise Stale(
                error(
                    f"{one.stack} changed since it was planned, so what was approved is not what would be done",
                    remedy="It is planned and judged again.",
                    address=str(one.stack),
                )
            )


def moment(world: World) -> datetime:
    """What the judge takes for now: never before what it judged last, so that a clock moved back revives nothing.

    A clock that was wrong by more than a month in the other direction is not held against the right one.
    """
    now, latest = world.clock.now(), world.judgements.latest()
    if latest is None or latest <= now or latest - now > _MOST_GOING_BACK:
        return now
    if latest - now > timedelta(minutes=1):
        _log.warning("The clock moved back: it says %s, and something was judged at %s", now, latest)
    return latest


def rules_of(snapshot: Snapshot) -> Rules:
    """What a candidate says is to be judged by."""
    return Rules(
        compile_all(snapshot.guardrails.values()), tuple(snapshot.waivers.values()), snapshot.guardrails_digest
    )


def verdict_on(
    world: World,
    found: Candidate,
    plans: Sequence[Plan],
    asking: Asking,
    *,
    stages: Collection[str] = STAGES,
    noted: Mapping[str, Environment] | None = None,
) -> Judged:
    """The judge's answer on plans, by the guardrails that the candidate says.

    `noted` are environments as they were when the run began: it may have removed one since. One that
    nobody knows any more is judged as strictly as there is, as production.
    """
    bill = Bill(world, found.base, found.snapshot, tuple(plans), asking.run)
    facts = Facts(bill, asking, moment(world))
    whole = whole_of(plans)
    subjects: list[Subject] = []
    for one in plans:
        name = one.stack.environment
        environment = found.environment(name) or (noted or {}).get(name) or Environment(name, "production", PLATFORM)
        before, after = (each.environments.get(name) for each in (found.base, found.snapshot))
        moved = after is not None and before != after
        around = replace(facts.around(one, environment, whole), new=before is None)
        subjects += subjects_of(one, around, moved=moved, extended=_extended(found, one.stack))
    subjects += _of_environments(found, facts, {one.stack.environment for one in plans})
    resources = {one.stack: one.resources for one in plans}
    more = policy_findings(world, found.snapshot, subjects, stages, resources)
    given = give_verdict(subjects, rules_of(found.snapshot), stages, facts.now, more)
    return Judged(replace(given, plans={str(one.stack): one.digest for one in plans}), tuple(subjects), bill)


def _of_environments(found: Candidate, facts: Facts, planned: Collection[str]) -> Iterator[Subject]:
    """What there is to judge of environments themselves: each that is new, and each that moved with nothing in it."""
    for name, environment in sorted(found.snapshot.environments.items()):
        before = found.base.environments.get(name)
        if environment == before or environment.is_pattern or (before is not None and name in planned):
            continue
        nothing = Plan(Address(name, ""), (), "", 0, found.snapshot.guardrails_digest, "")
        around = replace(facts.around(nothing, environment, whole_of([])), new=before is None)
        yield from subjects_of(nothing, around, moved=True)


def _extended(found: Candidate, stack: Address) -> Collection[str]:
    """The resources of a stack that get another end, or lose it."""
    before, after = (
        dict(there.ends) if (there := each.deployments.get(stack)) else {} for each in (found.base, found.snapshot)
    )
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def at_the_door(world: World, request: Request, stack: Address, snapshot: Snapshot) -> Verdict:
    """The judge's answer on a request for a stack before anything is planned: by the rules of the stage `request`."""
    environment = snapshot.environments.get(stack.environment)
    if environment is None:
        return Verdict(Outcome.ALLOWED)
    facts = Facts(Bill(world, snapshot, snapshot), Asking.of(request), moment(world))
    subject = door_subject(stack, facts.at_the_door(stack, environment))
    more = policy_findings(world, snapshot, [subject], ["request"])
    return give_verdict([subject], rules_of(snapshot), ["request"], facts.now, more)


def _kept(subjects: Iterable[Subject]) -> tuple[Mapping[str, Any], ...]:
    return tuple(one.data for one in subjects)
