from __future__ import annotations

import pytest

from pave.model.entity import Entity
from pave.model.names import Address, Ref
from pave.request.access import SYSTEM, Standing, refusal, standing
from pave.request.intent import KINDS, AddResource, CreateComponent, DeleteEnvironment, Deploy, kind_of, subject_of

PAYMENTS, PLATFORM, SHOP = (Ref.parse(f"group:{name}") for name in ("payments", "platform", "shop"))
DANA, SAM, NOBODY = (Ref.parse(f"user:{name}") for name in ("dana", "sam", "nobody"))


def entity(text: str, **spec: object) -> tuple[Ref, Entity]:
    ref = Ref.parse(text)
    return ref, Entity(ref, ref.kind.title(), "backstage.io/v1alpha1", {"name": ref.name}, spec)


CATALOG = dict(
    [
        entity("user:dana", memberOf=["payments"]),
        entity("user:sam"),
        entity("group:payments", parent="shop"),
        entity("group:shop"),
        entity("group:platform", members=["sam"]),
    ]
)
ADD = AddResource(Address("dev", "orders", "db"), "postgres")


def test_membership_is_read_from_both_sides_and_up() -> None:
    assert standing(DANA, CATALOG).teams == {PAYMENTS, SHOP}
    assert standing(SAM, CATALOG).teams == {PLATFORM}
    assert standing(NOBODY, CATALOG).teams == frozenset()


@pytest.mark.parametrize(
    ("actor", "owner", "allowed"),
    [
        (DANA, PAYMENTS, True),
        (DANA, PLATFORM, False),
        (SAM, PAYMENTS, True),
        (NOBODY, PAYMENTS, False),
        (DANA, None, True),
    ],
)
def test_owners_and_the_platform_team_may_change_a_component(actor: Ref, owner: Ref | None, allowed: bool) -> None:
    problem = refusal(standing(actor, CATALOG), ADD, lambda _: owner, {})
    assert (problem is None) is allowed
    if problem:
        assert actor.short in problem.summary
        assert owner.short in problem.detail


def test_an_intent_that_is_not_known_is_refused() -> None:
    assert refusal(Standing(DANA, frozenset({PAYMENTS})), "delete everything", lambda _: PAYMENTS, {}) is not None


def test_pave_itself_may_converge() -> None:
    assert refusal(Standing(SYSTEM, frozenset()), Deploy(Address("dev", "orders")), lambda _: PAYMENTS, {}) is None


def test_nobody_makes_things_for_another_team() -> None:
    assert refusal(standing(DANA, CATALOG), CreateComponent("x", "t", owner="platform"), lambda _: None, {}) is not None
    assert refusal(standing(DANA, CATALOG), CreateComponent("x", "t", owner="payments"), lambda _: None, {}) is None
    assert refusal(standing(DANA, CATALOG), DeleteEnvironment("dev"), lambda _: None, {}) is not None


def test_every_kind_of_intent_has_one_name() -> None:
    assert len(set(KINDS.values())) == len(KINDS)
    assert kind_of(ADD) == "resource.add"
    assert subject_of(ADD) == "dev/orders"
