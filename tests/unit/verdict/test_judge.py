from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pave.model.guardrail import Example, Guardrail
from pave.model.names import Address, Ref
from pave.model.waiver import Waiver
from pave.verdict.bounds import DEEPEST, MOST_ITEMS
from pave.verdict.examples import run_examples
from pave.verdict.finding import MOST_SHOWN, Outcome, Verdict
from pave.verdict.guardrail import BROKEN, Subject, compile_all
from pave.verdict.judge import Rules, judge

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)

BACKUPS = Guardrail(
    name="postgres-backup-in-production",
    title="Production databases keep backups for a week",
    owner=Ref.parse("group:platform"),
    category="reliability",
    level="hard",
    require='environment.kind != "production" || inputs.backup_days >= 7',
    message="{address} would keep backups for {inputs.backup_days} days.",
    applies={"type": "postgres", "action": ["create", "update"]},
    remedy="Set backup_days to 7.",
    patch={"inputs": {"backup_days": 7}},
    examples=(
        Example({"environment": {"kind": "production"}, "inputs": {"backup_days": 1}}, "denied"),
        Example({"environment": {"kind": "production"}, "inputs": {"backup_days": 7}}, "allowed"),
    ),
)


def subject(kind: str = "production", days: object = 1, **change: object) -> Subject:
    inputs = {} if days is None else {"backup_days": days}
    data = {
        "environment": {"name": "prod", "kind": kind, "owner": "group:default/platform"},
        "change": {"type": "postgres", "action": "create", **change},
        "inputs": inputs,
        "component": {"name": "orders", "owner": "group:default/payments"},
        "actor": {"ref": "user:default/dana", "kind": "user"},
    }
    return Subject(Address("prod", "orders", "db"), data)


def verdict_of(rule: Guardrail, *subjects: Subject, waivers: tuple[Waiver, ...] = ()) -> Verdict:
    return judge(subjects, Rules(compile_all([rule]), waivers, "digest"), ["plan"], NOW)


def ask(rule: Guardrail, *subjects: Subject) -> tuple[Outcome, list[str]]:
    verdict = verdict_of(rule, *subjects)
    return verdict.outcome, [one.guardrail for one in verdict.findings]


def test_a_finding_says_what_where_and_what_would_pass() -> None:
    verdict = verdict_of(BACKUPS, subject())
    (finding,) = verdict.findings
    assert verdict.outcome is Outcome.DENIED
    assert finding.message == "prod/orders/db would keep backups for 1 days."
    assert (finding.remedy, dict(finding.patch)) == ("Set backup_days to 7.", {"inputs": {"backup_days": 7}})


@pytest.mark.parametrize(
    ("given", "outcome"),
    [
        (subject("development"), Outcome.ALLOWED),
        (subject(days=14), Outcome.ALLOWED),
        (subject(action="delete"), Outcome.ALLOWED),
        (subject(type="redis"), Outcome.ALLOWED),
        (subject(days=3), Outcome.DENIED),
    ],
)
def test_a_rule_looks_only_at_what_it_applies_to(given: Subject, outcome: Outcome) -> None:
    assert ask(BACKUPS, given)[0] is outcome


@pytest.mark.parametrize(
    ("level", "outcome"),
    [
        ("advisory", Outcome.WARNED),
        ("soft", Outcome.NEEDS_APPROVAL),
        ("hard", Outcome.DENIED),
        ("whatever", Outcome.DENIED),
    ],
)
def test_the_level_decides_and_an_unknown_one_denies(level: str, outcome: Outcome) -> None:
    assert ask(replace(BACKUPS, level=level), subject())[0] is outcome


@pytest.mark.parametrize(
    "rule",
    [
        replace(BACKUPS, require="environment.kind ==="),
        replace(BACKUPS, require="inputs.no_such_field > 1"),
        replace(BACKUPS, require="nothing.known"),
        replace(BACKUPS, require="inputs.backup_days + 1"),
        replace(BACKUPS, require='inputs.backup_days >= "seven"'),
        replace(BACKUPS, applies={"colour": "blue"}),
    ],
)
def test_a_rule_that_does_not_compile_or_reads_what_is_not_there_denies(rule: Guardrail) -> None:
    assert ask(rule, subject(days=14)) == (Outcome.DENIED, [BROKEN])


def test_no_field_can_be_left_away_to_pass() -> None:
    given = subject()
    for group in given.data:
        for name in (None, *given.data[group]):
            data = {key: dict(value) for key, value in given.data.items()}
            if name is None:
                del data[group]
            else:
                del data[group][name]
            if "type" in data.get("change", {}) and "action" in data["change"]:
                assert ask(BACKUPS, Subject(given.address, data))[0] is Outcome.DENIED, (group, name)


def test_rules_are_tested_by_their_own_examples() -> None:
    (compiled,) = compile_all([BACKUPS])
    assert run_examples(compiled) == []
    wrong = replace(BACKUPS, examples=(Example({"inputs": {"backup_days": 1}}, "denied"),))
    (failure,) = run_examples(compile_all([wrong])[0])
    assert "example 1 is allowed, not denied" in failure.summary


def waiver(days: float, name: str = "small", scope: str = "prod/orders/db") -> Waiver:
    until = NOW + timedelta(days=days)
    return Waiver(name, BACKUPS.name, scope, "Rebuilt every night.", Ref.parse("user:dana"), until)


@pytest.mark.parametrize("scope", ["prod/orders/db", "prod/orders", "prod", "*/orders", "prod/*/db", "*"])
def test_a_waiver_is_seen_and_lets_it_pass(scope: str) -> None:
    verdict = verdict_of(BACKUPS, subject(), waivers=(waiver(3, scope=scope),))
    assert verdict.outcome is Outcome.ALLOWED
    assert [one.waiver for one in verdict.findings] == ["small"]


@pytest.mark.parametrize("scope", ["dev", "prod/shop", "prod/orders/cache", "prod/orders/db/more", "orders"])
def test_a_waiver_is_about_its_place_only(scope: str) -> None:
    assert verdict_of(BACKUPS, subject(), waivers=(waiver(3, scope=scope),)).outcome is Outcome.DENIED


@pytest.mark.parametrize(
    ("waivers", "said"),
    [
        ((waiver(0),), "The waiver small ended on 2026-11-24."),
        ((waiver(400),), "it ends in more than a year"),
        ((waiver(30, "long"), waiver(-1, "short")), "The waiver short ended on 2026-11-23."),
        ((waiver(-1, "short"), waiver(30, "long", "*")), "The waiver short ended on 2026-11-23."),
    ],
)
def test_a_waiver_ends_and_of_contradictory_ones_the_shortest_counts(waivers: tuple[Waiver, ...], said: str) -> None:
    verdict = verdict_of(BACKUPS, subject(), waivers=waivers)
    assert verdict.outcome is Outcome.DENIED
    assert said in verdict.findings[0].message


def test_what_is_broken_cannot_be_waived() -> None:
    broken = replace(BACKUPS, require="inputs.no_such_field > 1")
    everything = replace(waiver(3, scope="*"), guardrail=BROKEN)
    assert verdict_of(broken, subject(), waivers=(everything, waiver(3, scope="*"))).outcome is Outcome.DENIED


@pytest.mark.parametrize(
    "condition",
    [
        "[1, 2].all(a, [1, 2].all(b, [1, 2].all(c, a + b + c > 0)))",
        " || ".join(["true"] * 2000),
    ],
)
def test_a_condition_that_loops_for_ever_is_not_begun(condition: str) -> None:
    assert ask(replace(BACKUPS, require=condition), subject()) == (Outcome.DENIED, [BROKEN])


@pytest.mark.parametrize(
    "condition",
    [
        '["x"]' + ".map(a, a + a)" * 60 + ".size() > 0",
        "[1]" + ".map(a, [a, a])" * 60 + ".size() > 0",
        "[1]" + " . map ( a, [a, a])" * 60,
        "[[1]].map(a, a + a) == []",
        "inputs.list.all(a, inputs.list.all(b, (inputs.text + a + b).size() > 0))",
        "[" + "1, " * 300 + "1].all(a, a > 0)",
    ],
)
def test_a_condition_that_allocates_without_end_is_not_begun(condition: str) -> None:
    assert ask(replace(BACKUPS, require=condition), subject()) == (Outcome.DENIED, [BROKEN])


def test_adding_is_fine_where_nothing_can_grow_by_it() -> None:
    fine = 'inputs.backup_days + 1 > 1 && ["a+b"].map(a, a).exists(a, a == "a+b")'
    assert ask(replace(BACKUPS, require=fine), subject())[0] is Outcome.ALLOWED


def test_long_texts_are_not_looked_at_a_million_times() -> None:
    """What the worst condition can do with the most that a change may bring ends in time."""
    worst = 'inputs.list.all(a, inputs.list.all(b, inputs.text.contains("zzz") || a == b))'
    given = subject()

    def data(items: int, characters: int) -> Subject:
        return Subject(given.address, {**given.data, "inputs": {"list": ["x"] * items, "text": "x" * characters}})

    began = time.perf_counter()
    assert ask(replace(BACKUPS, require=worst), data(300, 10_000))[0] is Outcome.ALLOWED
    assert time.perf_counter() - began < 2
    assert ask(replace(BACKUPS, require=worst), data(1_000, 10_000)) == (Outcome.DENIED, [BROKEN])


def test_macros_in_texts_and_beside_each_other_are_no_loops() -> None:
    one = 'inputs.list.all(x, "a.all(b.all(c.all(" != x)'
    assert DEEPEST == 2
    given = subject()
    data = {**given.data, "inputs": {"list": ["x"]}}
    assert ask(replace(BACKUPS, require=" && ".join([one] * 5)), Subject(given.address, data))[0] is Outcome.ALLOWED


def test_what_is_too_large_to_be_looked_at_is_denied() -> None:
    given = subject()
    data = {**given.data, "inputs": {"backup_days": 14, "list": ["x"] * (MOST_ITEMS + 1)}}
    verdict = verdict_of(BACKUPS, Subject(given.address, data))
    assert verdict.outcome is Outcome.DENIED
    assert "more than 1000 items" in verdict.findings[0].message


def test_ten_thousand_findings_are_counted_and_the_heaviest_shown() -> None:
    many = [Subject(Address("prod", "orders", f"db-{number:05}"), subject().data) for number in range(10_000)]
    soft = replace(BACKUPS, level="soft", name="also")
    verdict = judge(many, Rules(compile_all([BACKUPS, soft])), ["plan"], NOW)
    shown = verdict.as_data()
    assert (verdict.outcome, shown["total"], len(shown["findings"])) == (Outcome.DENIED, 20_000, MOST_SHOWN)
    assert {one["level"] for one in shown["findings"]} == {"hard"}


def test_a_rule_about_the_stack_is_asked_once_for_it() -> None:
    frozen = replace(BACKUPS, require='environment.kind != "production"', message="{environment.name} is frozen.")
    subjects = [Subject(Address("prod", "orders", name), subject().data) for name in ("a", "b", "c")]
    subjects.append(Subject(Address("prod", "shop", "a"), subject().data))
    verdict = verdict_of(frozen, *subjects)
    assert [str(one.address) for one in verdict.findings] == ["prod/orders", "prod/shop"]


def test_a_rule_of_another_stage_is_not_asked() -> None:
    rules = Rules(compile_all([replace(BACKUPS, stages=("schedule",))]))
    assert judge([subject()], rules, ["plan", "deploy"], NOW).outcome is Outcome.ALLOWED
    assert judge([subject()], rules, ["schedule"], NOW).outcome is Outcome.DENIED
