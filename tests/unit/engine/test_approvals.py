"""What an approval is bound to, and who may give it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from pave.engine.judgement.approving import refusal_to_answer
from pave.engine.judging import approval_digest
from pave.engine.world import World
from pave.model.entity import Entity
from pave.model.names import Address, Ref
from pave.model.people import People
from pave.plan.change import Action, Change, Plan
from pave.ports import Approval
from pave.request.access import SYSTEM
from pave.verdict.finding import Finding, Outcome, Verdict

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
STACK = Address("prod", "orders")
PAYMENTS = Ref.parse("group:payments")
DANA, KIM, LEE = (Ref.parse(f"user:{name}") for name in ("dana", "kim", "lee"))
FINDING = Finding("data-removal", "Two people", "soft", "reliability", "It holds data.", STACK.at("db"))
VERDICT = Verdict(Outcome.NEEDS_APPROVAL, (FINDING,), "rules")
PLAN = Plan(STACK, (Change(STACK.at("db"), Action.DELETE, "postgres"),), "inputs", 3, "rules", "engine")


@pytest.mark.parametrize(
    ("plan", "verdict"),
    [
        (replace(PLAN, changes=(Change(STACK.at("more"), Action.DELETE, "postgres"),)), VERDICT),
        (replace(PLAN, inputs="others"), VERDICT),
        (replace(PLAN, serial=4), VERDICT),
        (replace(PLAN, engine_digest="another"), VERDICT),
        (PLAN, replace(VERDICT, guardrails="other rules")),
        (PLAN, replace(VERDICT, findings=(FINDING, replace(FINDING, guardrail="blast-radius")))),
    ],
)
def test_a_plan_that_changed_after_approval_is_not_what_was_approved(plan: Plan, verdict: Verdict) -> None:
    assert approval_digest([PLAN], VERDICT) == approval_digest([replace(PLAN)], replace(VERDICT))
    assert approval_digest([plan], verdict) != approval_digest([PLAN], VERDICT)


def answered(by: Ref, requester: Ref = DANA) -> str:
    """Why somebody may not answer; empty where they may."""
    people = {
        one: Entity(one, "User", "backstage.io/v1alpha1", {"name": one.name}, {"memberOf": [team]})
        for one, team in ((DANA, "payments"), (KIM, "payments"), (LEE, "shop"))
    }
    snapshot = SimpleNamespace(entities=people, people=People(people))
    ports = {"snapshots": SimpleNamespace(current=lambda: snapshot), "runs": SimpleNamespace(get=lambda _: None)}
    world = cast("World", SimpleNamespace(**ports))
    ends = NOW + timedelta(hours=24)
    asked = Approval("a1", "run_1", str(STACK), "digest", requester, (PAYMENTS,), (), NOW, ends)
    refusal = refusal_to_answer(world, asked, by)
    return refusal.summary if refusal else ""


def test_an_approver_who_is_the_requester_is_refused() -> None:
    assert answered(DANA) == "user:dana asked for this, so somebody else has to approve it"
    assert answered(KIM) == ""
    assert answered(DANA, requester=KIM) == ""


def test_an_approval_is_a_persons_of_the_team() -> None:
    assert "in none of the teams" in answered(LEE)
    assert "is no person" in answered(Ref.parse("agent:helper"))
    assert "somebody else" in answered(SYSTEM, requester=SYSTEM)
