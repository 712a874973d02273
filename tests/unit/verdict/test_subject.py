"""What there is to judge in a plan: what changes, what gets another end, and an environment with nothing in it."""

from __future__ import annotations

from datetime import UTC, datetime

from pave.model.deployment import Deployment
from pave.model.environment import Environment
from pave.model.names import Address, Ref
from pave.plan.change import Action, Change, Plan
from pave.verdict.subject import FOREVER, Around, subjects_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
STACK = Address("try", "orders")
OWNER = Ref.parse("group:payments")
DEPLOYMENT = Deployment(STACK, Ref.parse("component:orders"), ends={"trial": "2026-11-25T12:00:00Z"})


def around(*, new: bool = False) -> Around:
    environment = Environment("try", "development", OWNER, until="2026-11-24T18:00:00Z")
    return Around(environment, DEPLOYMENT, OWNER, NOW, {}, {}, {}, {}, {}, {}, {}, new=new)


def plan(*changes: Change, stack: Address = STACK) -> Plan:
    return Plan(stack, changes, "", 0, "", "")


KEPT = Change(STACK.at("kept"), Action.NONE, "redis")
TRIAL = Change(STACK.at("trial"), Action.NONE, "redis")


def test_what_does_not_change_is_not_looked_at() -> None:
    assert subjects_of(plan(KEPT, TRIAL), around()) == ()


def test_another_end_of_a_resource_is_a_change_of_it() -> None:
    (found,) = subjects_of(plan(KEPT, TRIAL), around(), extended={"trial"})
    assert (found.address, found.data["change"]["hours_left"]) == (TRIAL.address, 24.0)
    assert found.data["environment"]["hours_left"] == 6.0


def test_what_stays_has_all_the_time_there_is() -> None:
    (found,) = subjects_of(plan(KEPT), around(), extended={"kept"})
    assert found.data["change"]["hours_left"] == FOREVER


def test_an_environment_with_nothing_in_it_is_looked_at_too() -> None:
    (found,) = subjects_of(plan(stack=Address("try", "")), around(new=True), moved=True)
    assert str(found.address) == "try"
    assert (found.data["change"]["action"], found.data["change"]["name"]) == ("none", "try")
    assert found.data["environment"]["new"] is True
