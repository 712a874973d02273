"""Rego by the real engine in the real sandbox: what is found, and every way in which a policy can go wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.util import find_spec
from typing import Any

import pytest

from pave.adapters.rego import SandboxPolicyEngine
from pave.adapters.rego import engine as rego
from pave.adapters.sandbox import probe
from pave.model.names import Address
from pave.model.policy_file import read_policies
from pave.verdict.finding import Outcome, Verdict
from pave.verdict.guardrail import BROKEN, Subject
from pave.verdict.judge import Rules, judge
from pave.verdict.policy import Asked, findings_of
from pave.verdict.subject import EXAMPLE

pytestmark = pytest.mark.skipif(find_spec("regorus") is None, reason="this needs the extra [rego]")

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PUBLIC = 'deny contains "it is public" if input.inputs.public'
BACKUPS = """\
package main

import rego.v1

# METADATA
# title: Databases keep backups
# custom:
#   owner: group:payments
#   remedy: Set backup_days.
deny_backups contains msg if {
    input.change.type == "postgres"
    not input.inputs.backup_days >= data.limits.backup_days
    msg := sprintf("%s keeps too little", [input.change.address])
}

warn contains {"msg": "it is small", "remedy": "Take more."} if input.inputs.size == "small"
"""
OLD = 'package old\n\nviolation[{"msg": msg}] {\n  input.inputs.public\n  msg := "public, as of old"\n}\n'
PLAN = """\
package terraform

deny contains sprintf("%s is open", [one.address]) if {
    some one in input.resource_changes
    one.change.after.acl == "public-read"
}
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> SandboxPolicyEngine:
    sandbox = probe("", "nobody", tmp_path_factory.mktemp("etc"))
    assert sandbox.level == "full", sandbox.reason
    return SandboxPolicyEngine(sandbox, seconds=20)


def subject(name: str = "db", type_: str = "postgres", **inputs: Any) -> Subject:
    address = Address("prod", "orders", name)
    change = {**EXAMPLE["change"], "type": type_, "address": str(address), "name": name}
    return Subject(address, {**EXAMPLE, "change": change, "inputs": inputs})


def verdict_on(
    engine: SandboxPolicyEngine,
    files: Mapping[str, str],
    *subjects: Subject,
    resources: list[dict[str, Any]] | None = None,
) -> Verdict:
    policies = read_policies({path: text.encode() for path, text in files.items()})
    asked = [Asked(one, resources) for one in subjects]
    answers = engine.ask(policies, [one.input for one in asked])
    return judge((), Rules(()), ["plan"], NOW, findings_of(policies, asked, answers, ["plan"]))


def one_rule(engine: SandboxPolicyEngine, rule: str, **inputs: Any) -> Verdict:
    return verdict_on(engine, {"policies/one.rego": f"package main\n\n{rule}\n"}, subject(**inputs))


def broken(verdict: Verdict) -> list[str]:
    assert verdict.outcome is Outcome.DENIED
    return [one.message for one in verdict.findings if one.guardrail == BROKEN]


def test_what_rules_find_has_its_file_level_owner_and_remedy(engine: SandboxPolicyEngine) -> None:
    files = {"policies/backups.rego": BACKUPS, "policies/data/limits.yaml": "limits: {backup_days: 7}\n"}
    verdict = verdict_on(engine, files, subject(backup_days=1, size="small"), subject("more", backup_days=7))
    assert verdict.outcome is Outcome.DENIED
    deny, warn = verdict.findings
    assert (deny.guardrail, deny.level, deny.owner) == ("main.deny_backups", "hard", "group:default/payments")
    assert deny.message == "prod/orders/db keeps too little (policies/backups.rego)"
    assert (deny.title, deny.remedy) == ("Databases keep backups", "Set backup_days.")
    assert (warn.guardrail, warn.level, warn.remedy) == ("main.warn", "advisory", "Take more.")
    allowed = verdict_on(engine, files, subject(backup_days=7, size="large"))
    assert allowed.outcome is Outcome.ALLOWED


def test_false_stays_false_and_what_is_there_is_found(engine: SandboxPolicyEngine) -> None:
    assert one_rule(engine, PUBLIC, public=True).outcome is Outcome.DENIED
    assert one_rule(engine, PUBLIC, public=False).outcome is Outcome.ALLOWED
    assert (
        one_rule(engine, 'deny contains "x" if not input.inputs.encrypted', encrypted=True).outcome is Outcome.ALLOWED
    )
    assert (
        one_rule(engine, 'deny contains "x" if not input.inputs.encrypted', encrypted=False).outcome is Outcome.DENIED
    )
    assert one_rule(engine, 'deny contains "x" if input.inputs.n == 0', n=0).outcome is Outcome.DENIED


def test_a_missing_input_is_undefined_so_not_denies_and_the_plain_field_does_not(engine: SandboxPolicyEngine) -> None:
    """The trap that docs/guardrails.md warns of: inputs are a module's own, and cannot be listed."""
    assert one_rule(engine, 'deny contains "x" if not input.inputs.encrypted').outcome is Outcome.DENIED
    assert one_rule(engine, PUBLIC).outcome is Outcome.ALLOWED
    assert one_rule(engine, 'deny contains "x" if object.get(input.inputs, "public", true)').outcome is Outcome.DENIED


def test_the_rego_of_before_1_0_and_other_forms_of_deny_count(engine: SandboxPolicyEngine) -> None:
    assert "public, as of old" in verdict_on(engine, {"policies/o.rego": OLD}, subject(public=True)).findings[0].message
    for rule in ("deny if input.inputs.public", 'deny[msg] if { input.inputs.public; msg := "x" }', PUBLIC):
        assert one_rule(engine, rule, public=True).outcome is Outcome.DENIED, rule
        assert one_rule(engine, rule, public=False).outcome is Outcome.ALLOWED, rule


def test_a_rule_that_its_text_does_not_show_is_asked_all_the_same(engine: SandboxPolicyEngine) -> None:
    hidden = read_policies({"policies/one.rego": b"package main\nx if { true } deny contains 1 if { true }\n"})
    assert [one.name for one in hidden.rules] == []
    (found,) = verdict_on(engine, {one.path: one.text for one in hidden.files}, subject()).findings
    assert (found.guardrail, found.level) == ("main.deny", "hard")


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("deny contains m if {", "policies/one.rego:"),
        ('deny contains m if m := 1 + "a"', "numeric"),
        ("deny contains m if m := 1 / 0", "divide by zero"),
        ("deny contains 1 if no_such_function(1)", "no_such_function"),
        ("deny contains 1 if no_such_rule", "no_such_rule"),
        ("a if b\nb if a\ndeny contains 1 if a", "recursion"),
        ('deny contains 1 if input.chnge.type == "postgres"', "reads input.chnge.type, which no change has"),
        ('deny contains 1 if input["kind"] == "Pod"', "reads input.kind, which no change has"),
        ('deny contains 1 if http.send({"method": "get", "url": "x"}).status_code != 200', "calls http.send"),
        ("deny contains 1 if opa.runtime().env.HOME", "calls opa.runtime"),
        ("# METADATA\n# custom: [\ndeny contains 1 if true", "flow"),
        ("# METADATA\n# custom: {stages: [someday]}\ndeny contains 1 if true", "custom.stages"),
        ("deny contains 1 if input.resource_changes[_].change.after.acl", "the engine's plan is not at hand"),
    ],
)
def test_a_policy_that_is_broken_denies(engine: SandboxPolicyEngine, rule: str, says: str) -> None:
    assert any(says in one for one in broken(one_rule(engine, rule))), rule


@pytest.mark.parametrize(
    ("rule", "bounds", "says"),
    [
        (
            "deny contains 1 if { some i in numbers.range(1, 30000); some j in numbers.range(1, 30000); i * j == -1 }",
            {"seconds": 2.0},
            "did not end within 2 s",
        ),
        (
            "deny contains x if x := [numbers.range(1, 90000000), numbers.range(1, 90000000)]",
            {"seconds": 30.0, "memory": 200 * 1024**2},
            "the engine ended with",
        ),
    ],
    ids=["for ever", "memory without end"],
)
def test_a_policy_that_takes_too_long_or_too_much_denies(
    engine: SandboxPolicyEngine, rule: str, bounds: dict[str, Any], says: str
) -> None:
    assert any(says in one for one in broken(one_rule(replace(engine, **bounds), rule)))


def test_without_an_engine_policies_deny_and_say_how_to_get_one(
    engine: SandboxPolicyEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rego, "find_spec", lambda name: None)
    verdict = one_rule(engine, PUBLIC, public=False)
    assert any("no engine for Rego is installed" in one for one in broken(verdict))
    assert "pip install pave-platform[rego]" in verdict.findings[0].remedy


def test_other_files_than_rego_that_cannot_be_read_deny(engine: SandboxPolicyEngine) -> None:
    good = {"policies/one.rego": f"package main\n{PUBLIC}\n"}
    for path, text in (("policies/data/a.json", "[1"), ("policies/data/a.yaml", "- 1"), ("policies/b.rego", "# x")):
        assert broken(verdict_on(engine, {**good, path: text}, subject(public=False))), path
    twice = {"policies/data/a.json": '{"a": 1}', "policies/data/b.json": '{"a": 2}'}
    assert broken(verdict_on(engine, {**good, **twice}, subject(public=False)))


def test_the_plan_of_the_engine_is_seen_as_terraform_shows_it(engine: SandboxPolicyEngine) -> None:
    bucket = {"address": "module.files.aws_s3_bucket.this", "type": "aws_s3_bucket", "mode": "managed"}
    shown = [{**bucket, "change": {"actions": ["create"], "before": None, "after": {"acl": "public-read"}}}]
    verdict = verdict_on(engine, {"policies/plan.rego": PLAN}, subject("files", "s3"), resources=shown)
    assert verdict.outcome is Outcome.DENIED
    assert "module.files.aws_s3_bucket.this is open" in verdict.findings[0].message
    assert verdict_on(engine, {"policies/plan.rego": PLAN}, subject(), resources=[]).outcome is Outcome.ALLOWED


def test_a_policys_own_tests_are_run(engine: SandboxPolicyEngine) -> None:
    tests = """\
package main

test_it_denies if "it is public" in deny with input as {"inputs": {"public": true}}

test_it_is_wrong if count(deny) == 7 with input as {}
"""
    files = {"policies/one.rego": f"package main\n{PUBLIC}\n".encode(), "policies/one_test.rego": tests.encode()}
    found, problem = engine.test(read_policies(files))
    assert problem == ""
    assert [(one.name, bool(one.problem)) for one in found] == [
        ("main.test_it_denies", False),
        ("main.test_it_is_wrong", True),
    ]
    assert found[1].file == "policies/one_test.rego:5"
