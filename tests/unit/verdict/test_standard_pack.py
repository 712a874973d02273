"""The guardrails that Pave comes with: each has examples of both kinds, and no missing field lets a change pass."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pave.model.guardrail import Guardrail
from pave.model.guardrail_file import read_guardrail
from pave.verdict.examples import outcome_of, run_examples, subject_of
from pave.verdict.guardrail import Compiled, Subject, compile_all
from pave.verdict.subject import EXAMPLE

FOLDER = Path(__file__).parents[3] / "pave" / "library" / "guardrails"
RULES = [read_guardrail(path.read_bytes(), str(path)) for path in sorted(FOLDER.glob("*.yaml"))]
_GROUPS = "|".join(EXAMPLE)
_FIELD = re.compile(rf"\b((?:{_GROUPS})(?:\.[a-z_]+)+)\b(?!\()")


@pytest.fixture(params=RULES, ids=lambda rule: rule.name)
def compiled(request: pytest.FixtureRequest) -> Compiled:
    rule: Guardrail = request.param
    (one,) = compile_all([rule])
    return one


def test_there_are_as_many_as_were_promised() -> None:
    assert len(RULES) >= 26
    assert {one.category for one in RULES} == {"security", "compliance", "cost", "reliability", "operations"}


def test_it_does_what_its_examples_say(compiled: Compiled) -> None:
    assert not compiled.problem
    assert run_examples(compiled) == []
    expected = {one.expect for one in compiled.rule.examples}
    assert "allowed" in expected
    assert len(expected) > 1, "one that is found, one that is not"


def test_it_says_what_is_wrong_and_how_to_pass(compiled: Compiled) -> None:
    rule = compiled.rule
    assert rule.remedy
    finding = next(found for one in rule.examples if (found := compiled.ask(subject_of(compiled, one))) is not None)
    assert "{" not in finding.message.replace("${", ""), finding.message


def test_a_field_that_is_missing_never_lets_it_pass(compiled: Compiled) -> None:
    """Wherever an example is not allowed, it is not allowed either with any field that the rule reads taken away."""
    read = {found[1] for found in _FIELD.finditer(compiled.rule.require)}
    assert read
    for example in compiled.rule.examples:
        if example.expect == "allowed":
            continue
        subject = subject_of(compiled, example)
        for path in sorted(read):
            if f"has({path})" in compiled.rule.require.replace("!", ""):
                continue  # the rule says itself what it means that it is not there
            for data in _without(subject.data, path.split(".")):
                assert outcome_of(compiled, Subject(subject.address, data)) != "allowed", (path, example)


def _without(data: Mapping[str, Any], path: list[str]) -> Iterator[dict[str, Any]]:
    """The data without the field, and without each thing that the field is in."""
    for depth in range(1, len(path) + 1):
        copied: dict[str, Any] = copy.deepcopy(dict(data))
        at = copied
        for name in path[: depth - 1]:
            at = at.get(name, {})
        if isinstance(at, dict) and path[depth - 1] in at:
            del at[path[depth - 1]]
            yield copied


def test_a_remedy_that_can_be_applied_makes_it_pass(compiled: Compiled) -> None:
    patch = compiled.rule.patch
    if not patch:
        pytest.skip("its remedy is words")
    for example in compiled.rule.examples:
        if example.expect != "allowed":
            subject = subject_of(compiled, example)
            mended = {**subject.data, "inputs": {**subject.data["inputs"], **patch["inputs"]}}
            assert outcome_of(compiled, Subject(subject.address, mended)) == "allowed"


def test_only_what_every_change_has_is_read(compiled: Compiled) -> None:
    for path in {found[1] for found in _FIELD.finditer(compiled.rule.require + compiled.rule.message)}:
        first, *rest = path.split(".")
        at: Any = EXAMPLE[first]
        for name in rest if first != "inputs" else ():
            assert name in at, path
            at = at[name]
            if not isinstance(at, Mapping):
                break
