from __future__ import annotations

from dataclasses import replace

import pytest

from pave.model.guardrail import Example, Guardrail
from pave.model.names import Address, Ref
from pave.verdict.finding import Outcome
from pave.verdict.guardrail import BROKEN, Subject, compile_all, run_examples
from pave.verdict.judge import judge

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


def ask(rule: Guardrail, *subjects: Subject) -> tuple[Outcome, list[str]]:
    verdict = judge(subjects, compile_all([rule]), "digest")
    return verdict.outcome, [one.guardrail for one in verdict.findings]


def test_a_finding_says_what_where_and_what_would_pass() -> None:
    verdict = judge([subject()], compile_all([BACKUPS]), "digest")
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
def test_a_broken_rule_denies(rule: Guardrail) -> None:
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
