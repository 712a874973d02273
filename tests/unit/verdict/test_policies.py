"""Policies in another language: what their text says, and what becomes of an engine's answers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from pave.model.guardrail import Guardrail
from pave.model.names import Address, Ref
from pave.model.policy import Policies
from pave.model.policy_file import read_policies
from pave.model.waiver import Waiver
from pave.verdict.bounds import MOST_ITEMS
from pave.verdict.finding import Outcome, Verdict
from pave.verdict.guardrail import BROKEN, Subject, compile_all
from pave.verdict.judge import Rules, judge
from pave.verdict.policy import Answers, Asked, concerned, findings_of, problems_of
from pave.verdict.subject import EXAMPLE

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = """\
# METADATA
# custom:
#   owner: group:security
package main

# Reads input.nothing only in a comment, and "input.words" in a string.

# METADATA
# title: Nothing is public
# custom:
#   category: security
#   remedy: Make it private.
deny_public contains msg if {
\tinput.change.type == "s3"
\tinput.inputs["public"]
\tmsg := "input.words"
}

warn contains "small" if input.inputs.size == "small"

# METADATA
# custom: {stages: [schedule]}
violation_late contains "late" if input.environment.hours_left < 24

helper(x) if x
deny_helper(x) if x
"""


def policies(*, path: str = "policies/s3.rego", text: str = POLICY, **more: str) -> Policies:
    return read_policies({path: text.encode(), **{name: one.encode() for name, one in more.items()}})


def asked(name: str = "files", data: dict[str, Any] | None = None, resources: list[Any] | None = None) -> Asked:
    return Asked(Subject(Address("prod", "orders", name), data or dict(EXAMPLE)), resources)


def verdict(
    said: Policies, answers: Answers, *subjects: Asked, stages: tuple[str, ...] = ("plan",), waivers: Any = ()
) -> Verdict:
    return judge((), Rules((), waivers), stages, NOW, findings_of(said, subjects, answers, stages))


def answer(**found: list[Any]) -> Answers:
    names = {f"main.{name}": items for name, items in found.items()}
    return Answers(dict.fromkeys(names, ("policies/s3.rego:13",)), {}, [names], [{}])


def broken(found: Verdict) -> list[str]:
    assert found.outcome is Outcome.DENIED
    return [one.message for one in found.findings if one.guardrail == BROKEN]


def test_a_policys_text_says_rules_levels_owners_and_stages() -> None:
    (file,) = policies().files
    assert file.problem == ""
    assert [(one.name, one.level, one.stages) for one in file.rules] == [
        ("main.deny_public", "hard", ("plan",)),
        ("main.warn", "advisory", ("plan",)),
        ("main.violation_late", "hard", ("schedule",)),
    ]
    public = file.rules[0]
    assert (public.title, public.category, public.remedy) == ("Nothing is public", "security", "Make it private.")
    assert (str(public.owner), public.line) == ("group:default/security", 13)
    assert file.reads == {"change.type", "inputs.public", "inputs.size", "environment.hours_left"}


def test_findings_weigh_what_their_rule_says_and_name_file_and_rule() -> None:
    found = verdict(
        policies(), answer(deny_public=["it is public"], warn=[{"msg": "small", "remedy": "More."}]), asked()
    )
    assert found.outcome is Outcome.DENIED
    deny, warn = found.findings
    assert (deny.guardrail, deny.level, deny.category) == ("main.deny_public", "hard", "security")
    assert (deny.message, deny.remedy) == ("it is public (policies/s3.rego)", "Make it private.")
    assert (warn.level, warn.remedy) == ("advisory", "More.")
    assert verdict(policies(), answer(warn=["small"]), asked()).outcome is Outcome.WARNED
    assert verdict(policies(), answer(deny_public=[]), asked()).outcome is Outcome.ALLOWED


@pytest.mark.parametrize("item", [True, 7, {"code": 1}, {"msg": 3}, [], None, ""])
def test_whatever_a_rule_says_is_a_finding(item: object) -> None:
    assert verdict(policies(), answer(deny_public=[item]), asked()).outcome is Outcome.DENIED


def test_a_rule_is_asked_at_its_stages_and_one_that_the_text_hides_as_usual() -> None:
    late = answer(violation_late=["late"])
    assert verdict(policies(), late, asked()).outcome is Outcome.ALLOWED
    assert verdict(policies(), late, asked(), stages=("schedule",)).outcome is Outcome.DENIED
    assert verdict(policies(), answer(deny_hidden=["x"]), asked()).outcome is Outcome.DENIED
    assert concerned(policies(), ["plan"])
    assert concerned(policies(), ["schedule"])
    assert not concerned(policies(), ["request"])
    assert not concerned(Policies(), ["plan"])


def test_an_exception_needs_a_waiver_and_what_is_broken_has_none() -> None:
    waiver = Waiver("w", "main.deny_public", "prod/orders", "why", Ref.parse("user:dana"), NOW + timedelta(days=9))
    found = verdict(policies(), answer(deny_public=["x"]), asked(), waivers=[waiver])
    assert (found.outcome, found.findings[0].waiver) == (Outcome.ALLOWED, "w")
    ended = Waiver("w", "main.deny_public", "prod/orders", "why", Ref.parse("user:dana"), NOW - timedelta(days=1))
    assert verdict(policies(), answer(deny_public=["x"]), asked(), waivers=[ended]).outcome is Outcome.DENIED
    failed = Answers({"main.deny_public": ("policies/s3.rego:13",)}, {}, [{}], [{"main.deny_public": "divide by zero"}])
    assert broken(verdict(policies(), failed, asked(), waivers=[waiver])) == [
        "main.deny_public on prod/orders/files: divide by zero."
    ]


def test_what_says_nothing_of_the_change_is_said_once_of_the_stack() -> None:
    text = 'package main\ndeny contains "now" if input.time.open == false\n'
    names = {"main.deny": ["now"]}
    answers = Answers({"main.deny": ("policies/s3.rego:2",)}, {}, [names, names], [{}, {}])
    (found,) = verdict(policies(text=text), answers, asked("a"), asked("b")).findings
    assert str(found.address) == "prod/orders"


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (Answers(problem="no engine for Rego is installed", remedy="Install it."), "no engine for Rego is installed"),
        (Answers(problem="they did not end within 10 s"), "did not end"),
        (Answers(unread={"policies/s3.rego": "expecting expression"}, found=[{}], wrong=[{}]), "expecting expression"),
        (Answers({"main.deny_public": ("policies/s3.rego:13",)}), "the engine did not answer"),
    ],
)
def test_an_answer_that_is_missing_denies(answers: Answers, says: str) -> None:
    assert any(says in one for one in broken(verdict(policies(), answers, asked())))


def test_what_is_too_large_denies_without_being_looked_at() -> None:
    large = {**EXAMPLE, "inputs": {"list": list(range(MOST_ITEMS + 1))}}
    assert any("more than" in one for one in broken(verdict(policies(), answer(), asked(data=large))))


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("deny contains 1 if input.chnge.type", "input.chnge.type, which no change has"),
        ("deny contains 1 if input.change.tpye", "input.change.tpye, which no change has"),
        ('deny contains 1 if input["review"].x', "input.review.x, which no change has"),
        ("deny contains 1 if input.planned_values.x", "input.planned_values.x, which no change has"),
        ("# METADATA\n# custom: {stages: [request]}\ndeny contains 1 if input.inputs.x", "at the stage request"),
        ("# METADATA\n# custom: {stages: [schedule]}\ndeny contains 1 if input.resource_changes", "no engine is asked"),
        ('deny contains 1 if http.send({"url": "x"})', "calls http.send"),
        ("# METADATA\n# custom: {category: nice}\ndeny contains 1 if true", "custom.category"),
        ("# METADATA\n# - 1\ndeny contains 1 if true", "no mapping"),
    ],
)
def test_what_a_text_shows_to_be_wrong_denies(rule: str, says: str) -> None:
    said = policies(text=f"package main\n\n{rule}\n")
    assert says in problems_of(said)["policies/s3.rego"]
    assert any(says in one for one in broken(verdict(said, answer(), asked())))


@pytest.mark.parametrize(
    "rule",
    [
        "deny contains 1 if input.inputs.anything.at.all",
        "deny contains 1 if input.evidence.checks.lint",
        "deny contains 1 if input.resource_changes[_].change.after.acl",
        "deny contains 1 if input.workload.containers[_].image",
        "deny contains 1 if other(input)",
        'deny contains "input.nothing" if true # input.nothing',
        "deny contains `input.nothing` if data.input.nothing",
    ],
)
def test_what_a_change_may_have_is_no_mistake(rule: str) -> None:
    assert problems_of(policies(text=f"package main\n\n{rule}\n")) == {}


def test_no_field_of_the_shape_can_be_misspelt_to_pass() -> None:
    """CEL denies where a field is missing; in Rego it would be undefined, so that the text is refused instead."""
    for group, fields in EXAMPLE.items():
        for name in fields if isinstance(fields, dict) and group != "inputs" else ():
            assert problems_of(policies(text=f"package main\ndeny contains 1 if input.{group}.{name}\n")) == {}
            assert problems_of(policies(text=f"package main\ndeny contains 1 if input.{group}.{name}_\n")), name


def test_data_is_laid_where_its_folder_says() -> None:
    said = policies(**{"policies/data/a.yaml": "limits: {days: 7}\n", "policies/data/teams/b.json": '{"x": [1]}'})
    assert said.data == {"limits": {"days": 7}, "teams": {"x": [1]}}
    assert policies(**{"policies/s3_test.rego": "package main\n"}).tests == {"policies/s3_test.rego": "package main\n"}


@pytest.mark.parametrize(
    ("path", "text"),
    [("a.json", "[1"), ("a.yaml", "- 1\n"), ("a.yaml", "a: 1\n---\nb: 2\n"), ("a.yaml", "a: &x [*x]\n")],
)
def test_data_that_cannot_be_read_denies(path: str, text: str) -> None:
    said = policies(**{f"policies/data/{path}": text})
    assert f"policies/data/{path}" in said.problems
    assert broken(verdict(said, answer(), asked()))


def test_files_that_are_no_text_or_name_no_package_deny() -> None:
    assert problems_of(read_policies({"policies/a.rego": b"\xff\xfe"})) == {"policies/a.rego": "it is no UTF-8"}
    assert "names no package" in problems_of(policies(text="deny contains 1 if true\n"))["policies/s3.rego"]


def test_the_engines_own_resources_are_seen_or_the_rule_denies() -> None:
    said = policies(text="package main\ndeny contains 1 if input.resource_changes[_].change.after.acl\n")
    assert any("not at hand" in one for one in broken(verdict(said, answer(deny=[]), asked())))
    assert verdict(said, answer(deny=[]), asked(resources=[])).outcome is Outcome.ALLOWED
    assert asked(resources=[{"address": "a.b"}]).input["resource_changes"] == [{"address": "a.b"}]
    assert "resource_changes" not in asked().input


def test_the_examples_of_the_page_are_right() -> None:
    page = (Path(__file__).parents[3] / "docs" / "guardrails.md").read_text()
    (text,) = re.findall(r"^```rego\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (file,) = policies(text=text).files
    assert (problems_of(Policies((file,))), file.rules[0].stages) == ({}, ("plan", "schedule"))
    require = next(one for one in re.findall(r"^require: '(.*)'$", page, re.MULTILINE) if "infrastructure" in one)
    rule = Guardrail("r", "A rule", Ref.parse("group:platform"), "security", "hard", require, "No.")
    for outcome, expected in {"passed": True, "not-scanned": False, "failed": False, "": True}.items():
        checks = {"infrastructure": outcome} if outcome else {}
        data = {**EXAMPLE, "evidence": {**EXAMPLE["evidence"], "checks": checks}}
        (compiled,) = compile_all([rule])
        assert (compiled.ask(asked(data=data).subject) is None) == expected, outcome
