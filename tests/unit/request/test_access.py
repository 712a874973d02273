from __future__ import annotations

import pytest

from pave.model.entity import Entity
from pave.model.environment import Environment
from pave.model.names import Address, Ref
from pave.request.access import (
    PLATFORM_REPOSITORY,
    SYSTEM,
    Standing,
    refusal,
    refusal_of_entities,
    refusal_of_paths,
    refusal_to_push,
    standing,
)
from pave.request.intent import (
    KINDS,
    AddResource,
    CreateComponent,
    DeleteEnvironment,
    Deploy,
    Rollback,
    RollbackAll,
    kind_of,
    subject_of,
)

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


def owner_of(component: str) -> Ref | None:
    return {"orders": PAYMENTS, "search": Ref.parse("group:platform")}.get(component)


ENVIRONMENTS = {"try": Environment("try", "development", PAYMENTS), "dev": Environment("dev", "development", PLATFORM)}


@pytest.mark.parametrize(
    ("actor", "repository", "write", "allowed"),
    [
        (DANA, "orders", True, True),
        (DANA, "search", True, False),
        (DANA, "search", False, True),
        (DANA, PLATFORM_REPOSITORY, True, True),
        (SAM, "orders", True, True),
        (NOBODY, "orders", False, False),
        (NOBODY, PLATFORM_REPOSITORY, True, False),
    ],
)
def test_a_repository_is_pushed_to_by_its_owners_and_read_by_every_team(
    actor: Ref, repository: str, write: bool, allowed: bool
) -> None:
    problem = refusal_to_push(standing(actor, CATALOG), repository, owner_of, write=write)
    assert (problem is None) is allowed


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("deployments/prod/orders.yaml", True),
        ("catalog/components/orders.yaml", True),
        ("environments/try.yaml", True),
        ("deployments/dev/search.yaml", False),
        ("deployments/dev/new.yaml", False),
        ("environments/dev.yaml", False),
        ("environments/new.yaml", False),
        ("guardrails/owner-must-exist.yaml", False),
        ("modules/local-postgres/main.tf", False),
        ("catalog/people.yaml", False),
        ("deployments/orders.yaml", True),
        ("notifications/group/payments.yaml", True),
        ("notifications/user/dana.yaml", True),
        ("notifications/group/platform.yaml", False),
        ("notifications/user/sam.yaml", False),
        ("notifications/payments.yaml", False),
        ("notifications/group/sub/payments.yaml", False),
        ("alerts/down.yaml", False),
        ("anything-else", False),
    ],
)
def test_the_paths_of_a_change_decide_who_may_merge_it(path: str, allowed: bool) -> None:
    problem = refusal_of_paths(standing(DANA, CATALOG), [path], owner_of, ENVIRONMENTS)
    assert (problem is None) is allowed
    assert refusal_of_paths(standing(SAM, CATALOG), [path], owner_of, ENVIRONMENTS) is None
    if problem:
        assert path in problem.summary


def test_one_path_too_many_refuses_the_whole() -> None:
    paths = ["deployments/dev/orders.yaml", "guardrails/x.yaml"]
    assert refusal_of_paths(standing(DANA, CATALOG), paths, owner_of, ENVIRONMENTS) is not None


def test_several_stacks_go_back_only_with_a_right_to_each() -> None:
    both = RollbackAll((Rollback(Address("dev", "orders")), Rollback(Address("dev", "search"))))
    assert refusal(standing(DANA, CATALOG), both, owner_of, {}) is not None
    assert refusal(standing(DANA, CATALOG), RollbackAll(both.stacks[:1]), owner_of, {}) is None


def test_nobody_writes_themselves_into_a_team_by_way_of_a_file_of_their_own() -> None:
    component, team = Ref.parse("component:orders"), PLATFORM
    assert refusal_of_entities(standing(DANA, CATALOG), [component], owner_of) is None
    assert refusal_of_entities(standing(DANA, CATALOG), [component, team], owner_of) is not None
    assert refusal_of_entities(standing(DANA, CATALOG), [DANA], owner_of) is not None
    assert refusal_of_entities(standing(SAM, CATALOG), [team], owner_of) is None


def test_nobody_claims_what_is_anothers_from_a_file_of_their_own() -> None:
    for kind in ("component", "location"):
        claimed = [Ref.parse("component:orders"), Ref.parse(f"{kind}:search")]
        assert refusal_of_entities(standing(DANA, CATALOG), claimed, owner_of) is not None
        assert refusal_of_entities(standing(SAM, CATALOG), claimed, owner_of) is None
