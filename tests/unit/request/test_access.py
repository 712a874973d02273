"""Who may what: roles from the catalog, ownership link by link, conditions, and a reason with its source each time."""

from __future__ import annotations

import time

import pytest
from organisation_for_tests import BY_ROLE, PEOPLE, organisation

from pave.model.names import Address, Ref
from pave.model.people import PLATFORM, SYSTEM, Standing
from pave.model.snapshot import Snapshot
from pave.plan.wanted import owner_of as owner_in
from pave.request.access import (
    PLATFORM_REPOSITORY,
    Allowed,
    Denied,
    decide,
    refusal_of_entities,
    refusal_of_paths,
    standing,
)
from pave.request.intent import (
    KINDS,
    AddResource,
    CreateComponent,
    CreateEnvironment,
    DeleteEnvironment,
    Deploy,
    MergeChange,
    Rollback,
    RollbackAll,
    kind_of,
    subject_of,
)
from pave.request.needs import needs_of, refusal
from pave.request.places import SOMEWHERE, named, to_make
from pave.request.roles import TABLE, Condition, Role, Verb

THERE = organisation()
PAYMENTS, SHOP = Ref.parse("group:payments"), Ref.parse("group:shop")
ADD = AddResource(Address("dev", "orders", "db"), "postgres")


def who(name: str, behalf: str = "", snapshot: Snapshot = THERE) -> Standing:
    return snapshot.people.standing(Ref.parse(name, kind="user"), Ref.parse(behalf, kind="user") if behalf else None)


def may(name: str, verb: Verb, address: str, behalf: str = "", snapshot: Snapshot = THERE) -> Allowed | Denied:
    return decide(who(name, behalf, snapshot), verb, named(snapshot, address))


def owner_of(component: str) -> Ref | None:
    return owner_in(THERE, component)


def test_membership_is_read_from_both_sides_and_up() -> None:
    assert who("olga").teams == {PAYMENTS, SHOP}
    assert who("audra").teams == {Ref.parse("group:auditors")}
    assert who("loner").teams == frozenset()
    assert standing(Ref.parse("user:olga"), THERE.entities).teams == {PAYMENTS, SHOP}


def team(name: str, **spec: object) -> str:
    written = ", ".join(f"{key}: {value}" for key, value in {"type": "team", "children": "[]", **spec}.items())
    return f"apiVersion: backstage.io/v1alpha1\nkind: Group\nmetadata: {{name: {name}}}\nspec: {{{written}}}\n---\n"


def test_teams_in_a_circle_end() -> None:
    there = organisation(catalog__circle=team("a", parent="b", members="[loner]") + team("b", parent="a"))
    assert who("loner", snapshot=there).teams == {Ref.parse("group:a"), Ref.parse("group:b")}


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("viewer", "ask read"),
        ("developer", "ask comment read"),
        ("owner", "approve ask audit change comment connect create delete deploy propose read"),
        ("platform-engineer", " ".join(sorted(verb.value for verb in Verb))),
        ("auditor", "ask audit read"),
        ("agent", "ask comment propose read"),
    ],
)
def test_each_role_at_a_stack_in_production(role: str, allowed: str) -> None:
    actor, behalf = BY_ROLE[role]
    here = THERE.people.standing(actor, behalf)
    found = {verb.value for verb in Verb if isinstance(decide(here, verb, named(THERE, "prod/orders")), Allowed)}
    assert sorted(found) == allowed.split()


@pytest.mark.parametrize("verb", [one for one in Verb if one is not Verb.ASK])
def test_who_is_not_in_the_catalog_or_in_no_team_may_nothing_but_ask(verb: Verb) -> None:
    for name in ("nobody", "loner", "agent:unknown", "serviceaccount:unknown"):
        for place in ("", "dev/orders", "new-thing", "dev", "platform"):
            decision = may(name, verb, place)
            assert isinstance(decision, Denied), decision
            said = "; ".join([*map(str, decision.reasons), *decision.needed, *decision.owners])
            assert decision.reasons
            assert "payments" not in said, "whose it is, is not for whoever may not read"


def test_everybody_may_ask_what_they_may() -> None:
    assert isinstance(may("nobody", Verb.ASK, ""), Allowed)


def test_an_answer_says_the_whole_chain_with_file_and_line() -> None:
    yes = may("olga", Verb.DEPLOY, "prod/orders/db")
    assert isinstance(yes, Allowed)
    assert yes.role is Role.OWNER
    assert [str(one) for one in yes.reasons] == [
        "user:olga is a member of group:payments (catalog/people.yaml:11)",
        "prod/orders/db is in the stack prod/orders",
        "prod/orders is component:orders in the environment prod",
        "component:orders is owned by group:payments (catalog/components.yaml:1)",
        "environment prod is of the kind production (environments/prod.yaml)",
    ]
    lines = PEOPLE.splitlines()
    assert lines[10:13][2].startswith("metadata: {name: olga")


def test_a_no_says_who_may_and_what_would_change_it() -> None:
    no = may("dev", Verb.DEPLOY, "prod/orders")
    assert isinstance(no, Denied)
    assert no.summary == "user:dev may not deploy prod/orders"
    said = [str(one) for one in no.reasons]
    assert "user:dev is a member of group:search (catalog/people.yaml:6)" in said
    assert "component:orders is owned by group:payments (catalog/components.yaml:1)" in said
    assert no.needed == ("user:dev were a member of group:payments", "user:dev were a member of group:platform")
    shown = no.diagnostic()
    assert "group:payments" in shown.detail
    assert shown.remedy == "It would be allowed if user:dev were a member of group:payments."


def test_what_would_change_a_no_does() -> None:
    """The first change that is named is made, and the answer is another one."""
    joined = team("more", parent="payments", members="[dev]")
    assert isinstance(may("dev", Verb.DEPLOY, "prod/orders", snapshot=organisation(catalog__more=joined)), Allowed)


def test_a_written_role_counts_instead_of_teams() -> None:
    no = may("vera", Verb.DEPLOY, "prod/orders")
    assert isinstance(no, Denied)
    assert str(no.reasons[0]) == "user:vera is written down as viewer (catalog/people.yaml:1)"
    assert "pave.dev/role said nothing about user:vera" in no.needed[0]
    yes = may("audra", Verb.AUDIT, "")
    assert isinstance(yes, Allowed)
    assert str(yes.reasons[0]) == "the members of group:auditors are written down as auditor (catalog/teams.yaml:21)"


def test_an_auditor_of_the_platform_team_changes_nothing() -> None:
    spied = PEOPLE.replace("{name: petra}", "{name: petra, annotations: {pave.dev/role: auditor}}")
    there = organisation(catalog__people=spied)
    assert isinstance(may("petra", Verb.ADMINISTER, "platform", snapshot=there), Denied)
    assert isinstance(may("petra", Verb.AUDIT, "", snapshot=there), Allowed)
    assert not there.people.standing(Ref.parse("user:petra")).is_platform
    assert refusal_of_paths(there.people.standing(Ref.parse("user:petra")), ["modules/x"], owner_of, {}) is not None


@pytest.mark.parametrize("text", ["admin", "platform-engineer", "Viewers", "owner"])
def test_a_role_that_cannot_be_written_gives_nothing_and_is_found(text: str) -> None:
    there = organisation(catalog__people=PEOPLE.replace("pave.dev/role: viewer", f"pave.dev/role: {text}"))
    assert isinstance(may("vera", Verb.READ, "", snapshot=there), Denied)
    [found] = [one for one in there.findings if "cannot be written" in one.summary]
    assert (found.source.file, found.source.line) == ("catalog/people.yaml", 1)


@pytest.mark.parametrize(
    ("verb", "place", "behalf", "allowed"),
    [
        (Verb.DEPLOY, "dev/orders", "olga", True),
        (Verb.DEPLOY, "prod/orders", "olga", False),
        (Verb.DEPLOY, "prod/orders", "petra", False),
        (Verb.DEPLOY, "gone/orders", "petra", False),
        (Verb.DEPLOY, "dev/finder", "olga", False),
        (Verb.DEPLOY, "dev/orders", "vera", False),
        (Verb.DEPLOY, "dev/orders", "agent:helper", False),
        (Verb.DEPLOY, "dev/orders", "serviceaccount:ci", False),
        (Verb.DEPLOY, "dev/orders", "", False),
        (Verb.READ, "", "", True),
        (Verb.READ, "", "nobody", False),
        (Verb.PROPOSE, "orders", "olga", True),
        (Verb.CHANGE, "orders", "olga", False),
        (Verb.DELETE, "try", "olga", True),
        (Verb.CONNECT, "dev/orders/db", "olga", True),
        (Verb.CONNECT, "dev/ledger/db", "olga", False),
        (Verb.APPROVE, "dev/orders", "olga", False),
        (Verb.WAIVE, "guardrail:keep-backups", "olga", False),
        (Verb.AUDIT, "", "audra", False),
        (Verb.ADMINISTER, "platform", "petra", False),
    ],
)
def test_an_agent_may_what_it_and_its_person_both_may(verb: Verb, place: str, behalf: str, allowed: bool) -> None:
    decision = may("agent:helper", verb, place, behalf)
    assert isinstance(decision, Allowed) is allowed, decision
    if isinstance(decision, Denied):
        assert decision.needed, "what would make it a yes"
        assert decision.summary.startswith("agent:helper")


def test_an_agent_in_the_platforms_team_is_still_an_agent() -> None:
    there = organisation(
        catalog__people=PEOPLE.replace("spec: {owner: group:payments}", "spec: {memberOf: [platform]}")
    )
    helper = there.people.standing(Ref.parse("agent:helper"), Ref.parse("user:petra"))
    assert PLATFORM in helper.teams
    assert not helper.is_platform
    assert isinstance(decide(helper, Verb.ADMINISTER, named(there, "platform")), Denied)
    assert refusal_of_paths(helper, ["modules/x"], owner_of, {}) is not None


def test_an_agents_answer_has_the_reasons_of_both() -> None:
    yes = may("agent:helper", Verb.DEPLOY, "dev/orders", "olga")
    assert isinstance(yes, Allowed)
    assert yes.summary == "agent:helper may deploy dev/orders for user:olga"
    said = [one.said for one in yes.reasons]
    assert "agent:helper is an agent of the catalog" in said
    assert "user:olga is a member of group:payments" in said
    assert "the environment is known and no production" in said


def test_a_service_account_has_the_rights_of_its_team_and_answers_nothing() -> None:
    assert isinstance(may("serviceaccount:ci", Verb.DEPLOY, "prod/orders"), Allowed)
    assert isinstance(may("serviceaccount:ci", Verb.APPROVE, "prod/orders"), Denied)
    assert isinstance(may("serviceaccount:ci", Verb.WAIVE, "guardrail:keep-backups"), Denied)


@pytest.mark.parametrize(
    ("actor", "rule", "allowed"),
    [
        ("olga", "keep-backups", True),
        ("olga", "owner-must-exist", False),
        ("dev", "keep-backups", False),
        ("petra", "keep-backups", True),
        ("vera", "keep-backups", False),
    ],
)
def test_a_guardrail_is_waived_by_the_team_that_owns_it(actor: str, rule: str, allowed: bool) -> None:
    assert isinstance(may(actor, Verb.WAIVE, f"guardrail:{rule}"), Allowed) is allowed
    assert isinstance(may(actor, Verb.CHANGE, f"guardrail:{rule}"), Allowed) is (actor == "petra")


def test_no_role_but_the_engineers_may_administer_and_only_people_answer() -> None:
    assert [role for role in Role if Verb.ADMINISTER in TABLE[role]] == [Role.ENGINEER]
    for verb in (Verb.APPROVE, Verb.WAIVE):
        assert all(Condition.PERSON in conditions[verb] for conditions in TABLE.values() if verb in conditions)


def test_every_condition_and_verb_is_in_use() -> None:
    used = {one for conditions in TABLE.values() for needed in conditions.values() for one in needed}
    assert used == set(Condition)
    assert {verb for allowed in TABLE.values() for verb in allowed} == set(Verb)


@pytest.mark.parametrize(
    ("actor", "component", "allowed"),
    [
        ("olga", "orders", True),
        ("olga", "finder", False),
        ("petra", "orders", True),
        ("nobody", "orders", False),
        ("nobody", "new", False),
        ("dev", "new", True),
    ],
)
def test_owners_and_the_platform_team_may_change_a_component(actor: str, component: str, allowed: bool) -> None:
    problem = refusal(who(actor), AddResource(Address("dev", component, "db"), "postgres"), THERE)
    assert (problem is None) is allowed
    if problem:
        assert f"user:{actor}" in problem.summary


def test_an_intent_that_is_not_known_is_refused() -> None:
    assert refusal(who("petra"), "delete everything", THERE) is not None  # type: ignore[arg-type]


def test_every_kind_of_intent_has_its_needs() -> None:
    stack = Address("dev", "orders")
    made = {
        "name": "x", "template": "t", "url": "u", "stack": stack, "address": stack.at("db"), "inherits": "dev",
        "type": "s3", "resources": (ADD,), "until": "", "stacks": (Rollback(stack),), "repository": "orders",
        "number": 1, "commit": "0", "weight": 10,
    }  # fmt: skip
    for type_ in KINDS.values():
        intent = type_(**{name: made[name] for name in type_.__match_args__ if name in made})
        assert needs_of(intent, THERE), type_


def test_pave_itself_may_converge() -> None:
    assert refusal(THERE.people.standing(SYSTEM), Deploy(Address("dev", "orders")), THERE) is None


def test_nobody_makes_things_for_another_team() -> None:
    assert refusal(who("olga"), CreateComponent("x", "t", owner="platform"), THERE) is not None
    assert refusal(who("olga"), CreateComponent("x", "t", owner="payments"), THERE) is None
    assert refusal(who("olga"), CreateEnvironment("x", "dev", owner="search"), THERE) is not None
    assert refusal(who("olga"), DeleteEnvironment("dev"), THERE) is not None
    assert refusal(who("olga"), DeleteEnvironment("gone"), THERE) is not None
    assert refusal(who("agent:helper", "olga"), CreateComponent("x", "t", environment="prod"), THERE) is not None
    assert refusal(who("agent:helper", "olga"), CreateComponent("x", "t", environment=""), THERE) is None


def test_every_kind_of_intent_has_one_name() -> None:
    assert len(set(KINDS.values())) == len(KINDS)
    assert kind_of(ADD) == "resource.add"
    assert subject_of(ADD) == "dev/orders"


@pytest.mark.parametrize(
    ("actor", "repository", "verb", "allowed"),
    [
        ("olga", "orders", Verb.PROPOSE, True),
        ("olga", "finder", Verb.PROPOSE, False),
        ("olga", "finder", Verb.READ, True),
        ("olga", PLATFORM_REPOSITORY, Verb.PROPOSE, True),
        ("petra", "orders", Verb.PROPOSE, True),
        ("vera", "orders", Verb.READ, True),
        ("vera", "orders", Verb.PROPOSE, False),
        ("nobody", "orders", Verb.READ, False),
        ("nobody", PLATFORM_REPOSITORY, Verb.PROPOSE, False),
    ],
)
def test_a_repository_is_pushed_to_by_its_owners_and_read_by_every_team(
    actor: str, repository: str, verb: Verb, allowed: bool
) -> None:
    assert isinstance(may(actor, verb, repository), Allowed) is allowed


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("deployments/prod/orders.yaml", True),
        ("catalog/components/orders.yaml", True),
        ("environments/try.yaml", True),
        ("deployments/dev/finder.yaml", False),
        ("deployments/dev/new.yaml", False),
        ("environments/dev.yaml", False),
        ("environments/new.yaml", False),
        ("guardrails/keep-backups.yaml", False),
        ("modules/local-postgres/main.tf", False),
        ("catalog/people.yaml", False),
        ("deployments/orders.yaml", True),
        ("waivers/mine.yaml", True),
        ("waivers/unknown.yaml", False),
        ("notifications/group/payments.yaml", True),
        ("notifications/user/olga.yaml", True),
        ("notifications/group/platform.yaml", False),
        ("notifications/user/sam.yaml", False),
        ("notifications/payments.yaml", False),
        ("notifications/group/sub/payments.yaml", False),
        ("alerts/down.yaml", False),
        ("anything-else", False),
    ],
)
def test_the_paths_of_a_change_decide_who_may_merge_it(path: str, allowed: bool) -> None:
    waived = {"waivers/mine.yaml": PAYMENTS}
    problem = refusal_of_paths(who("olga"), [path], owner_of, THERE.environments, waived)
    assert (problem is None) is allowed
    assert refusal_of_paths(who("petra"), [path], owner_of, THERE.environments) is None
    for weak in (who("vera"), who("agent:helper", "olga"), who("agent:helper", "petra")):
        assert refusal_of_paths(weak, [path], owner_of, THERE.environments, waived) is not None
    if problem:
        assert path in problem.summary


def test_one_path_too_many_refuses_the_whole() -> None:
    paths = ["deployments/dev/orders.yaml", "guardrails/x.yaml"]
    assert refusal_of_paths(who("olga"), paths, owner_of, THERE.environments) is not None


def test_several_stacks_go_back_only_with_a_right_to_each() -> None:
    both = RollbackAll((Rollback(Address("dev", "orders")), Rollback(Address("dev", "finder"))))
    assert refusal(who("olga"), both, THERE) is not None
    assert refusal(who("olga"), RollbackAll(both.stacks[:1]), THERE) is None


def test_nobody_writes_themselves_into_a_team_by_way_of_a_file_of_their_own() -> None:
    component = Ref.parse("component:orders")
    olga = who("olga")
    assert refusal_of_entities(olga, [component], owner_of) is None
    for ref in (PLATFORM, olga.actor, Ref.parse("agent:helper"), Ref.parse("serviceaccount:ci")):
        assert refusal_of_entities(olga, [component, ref], owner_of) is not None
        assert refusal_of_entities(who("petra"), [ref], owner_of) is None
    assert refusal_of_entities(who("vera"), [component], owner_of) is not None


def test_nobody_claims_what_is_anothers_from_a_file_of_their_own() -> None:
    for kind in ("component", "location"):
        claimed = [Ref.parse("component:orders"), Ref.parse(f"{kind}:finder")]
        assert refusal_of_entities(who("olga"), claimed, owner_of) is not None
        assert refusal_of_entities(who("petra"), claimed, owner_of) is None


def test_a_place_that_only_the_handler_knows_is_for_whoever_owns_something() -> None:
    for actor, allowed in (("olga", True), ("dev", True), ("vera", False), ("audra", False), ("loner", False)):
        for verb in (Verb.CHANGE, Verb.DEPLOY, Verb.CREATE, Verb.APPROVE):
            assert isinstance(decide(who(actor), verb, SOMEWHERE), Allowed) is allowed
    assert isinstance(decide(who("olga"), Verb.ADMINISTER, SOMEWHERE), Denied)


def test_merging_into_the_platform_is_a_proposal_until_its_paths_are_known() -> None:
    [need] = needs_of(MergeChange(PLATFORM_REPOSITORY, 1, "0"), THERE)
    assert need.verb is Verb.PROPOSE
    assert isinstance(decide(who("olga"), Verb.CHANGE, named(THERE, PLATFORM_REPOSITORY)), Denied)


def test_a_decision_takes_microseconds_once_the_snapshot_is_known() -> None:
    place = named(THERE, "prod/orders/db")
    there = organisation(catalog__many="".join(team(f"t{one}", members=f"[u{one}, dev]") for one in range(200)))
    began = time.perf_counter()
    for _ in range(500):
        decide(there.people.standing(Ref.parse("user:dev")), Verb.DEPLOY, place)
    assert (time.perf_counter() - began) / 500 < 0.005  # below 1 ms where the machine is quiet


def test_what_is_to_be_made_names_its_team() -> None:
    no = decide(who("dev"), Verb.CREATE, to_make(THERE, "component:x", "payments", "dev"))
    assert isinstance(no, Denied)
    assert "component:x would be owned by group:payments" in [one.said for one in no.reasons]
