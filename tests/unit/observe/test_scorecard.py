"""Scorecards: levels are climbed in order, and what cannot be asked, or is not known, is no achievement."""

from __future__ import annotations

import copy
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from pave.model.diagnostics import Refused
from pave.model.names import Ref
from pave.model.scorecard import Campaign, Check, Scorecard
from pave.model.scorecard_file import read_scorecard
from pave.observe.scorecard import EXAMPLE, applies, score, spread, standing
from pave.verdict.condition import condition

FOLDER = Path(__file__).parents[3] / "pave" / "library" / "scorecards"
BUILT_IN = [read_scorecard(path.read_bytes(), str(path)) for path in sorted(FOLDER.glob("*.yaml"))]
_FIELD = re.compile(rf"\b((?:{'|'.join(EXAMPLE)})\.[a-z_]+)\b")


def card(*checks: tuple[str, str, str], **parts: Any) -> Scorecard:
    made = tuple(Check(name, name, level, require, f"mend {name}") for name, level, require in checks)
    return Scorecard("ready", "Ready", Ref("group", "default", "platform"), "security", made, **parts)


def facts(**changes: Any) -> dict[str, Any]:
    found = copy.deepcopy(dict(EXAMPLE))
    for group, values in changes.items():
        found[group].update(values)
    return found


LADDER = card(
    ("owned", "bronze", "owner.known"),
    ("docs", "silver", "repository.docs.size() > 0"),
    ("agents", "gold", "repository.agents"),
)


def test_all_checks_of_a_level_and_of_those_below_make_it() -> None:
    assert score(LADDER, facts()).level == "gold"
    assert score(LADDER, facts(repository={"agents": False})).level == "silver"
    assert score(LADDER, facts(repository={"docs": []})).level == "bronze"
    assert score(LADDER, facts(owner={"known": False})).level == ""


def test_the_next_step_is_the_first_that_lacks_on_the_way_up() -> None:
    found = score(LADDER, facts(repository={"docs": [], "agents": False}))
    assert found.next is not None
    assert found.next.remedy == "mend docs"
    assert (found.passed, len(found.checks)) == (1, 3)
    assert score(LADDER, facts()).next is None


@pytest.mark.parametrize(
    ("require", "why"),
    [
        ("owner.known &&", "ERROR"),
        ("owner.nothing == 1", "nothing"),
        ("owner.people", "int"),
        ("[1].all(a, [1].all(b, [1].all(c, true)))", "within each other"),
    ],
)
def test_what_cannot_be_asked_is_not_passed_and_says_why(require: str, why: str) -> None:
    (found,) = score(card(("broken", "bronze", require)), facts()).checks
    assert not found.passed
    assert why.lower() in found.problem.lower()


def test_a_component_of_endless_size_passes_nothing() -> None:
    huge = facts(component={"tags": ["x"] * 2000})
    assert score(LADDER, huge).passed == 0


@pytest.mark.parametrize(
    ("selected", "whether"),
    [
        ({}, True),
        ({"type": ["service", "website"]}, True),
        ({"type": "library"}, False),
        ({"owner": "example"}, True),
        ({"owner": "group:default/example", "lifecycle": "experimental"}, False),
        ({"tag": ["go", "python"]}, True),
    ],
)
def test_it_is_about_what_it_selects(selected: dict[str, Any], whether: bool) -> None:
    assert applies(card(("owned", "bronze", "true"), applies=selected), facts()) is whether


def test_a_campaign_says_who_is_there_and_who_is_not() -> None:
    campaign = Campaign("spring", "Spring", "silver", date(2027, 1, 4), date(2027, 2, 26))
    scores = [
        score(LADDER, facts(component={"name": "orders"})),
        score(LADDER, facts(component={"name": "billing"}, repository={"docs": []})),
    ]
    found = standing(LADDER, campaign, scores, date(2027, 2, 20))
    assert (found.there, found.missing, found.days_left, found.share) == (("orders",), ("billing",), 6, 0.5)
    assert spread(LADDER, scores) == {"": 0, "bronze": 1, "silver": 0, "gold": 1}


@pytest.mark.parametrize("built_in", BUILT_IN, ids=lambda one: one.name)
def test_the_built_in_ones_hold_for_what_lacks_nothing(built_in: Scorecard) -> None:
    found = score(built_in, EXAMPLE)
    assert [(one.check.name, one.problem) for one in found.checks if not one.passed] == []
    assert found.level == built_in.levels[-1]
    for check in built_in.checks:
        assert not condition(check.require)[1]
        for path in (match[1] for match in _FIELD.finditer(check.require)):
            group, name = path.split(".")
            assert name in EXAMPLE[group], path


@pytest.mark.parametrize("built_in", BUILT_IN, ids=lambda one: one.name)
def test_what_is_not_known_is_no_achievement(built_in: Scorecard) -> None:
    """Nothing known at all: only checks that count findings, of which there are none, may hold."""
    nothing = {
        group: {name: type(value)() for name, value in values.items()} | {"error_rate": -1.0, "change_fail_rate": -1.0}
        for group, values in EXAMPLE.items()
    }
    nothing["component"]["name"] = "x"
    passed = {one.check.name for one in score(built_in, nothing).checks if one.passed}
    assert passed <= {"no-plain-secrets", "no-hard-findings", "no-waivers", "apis-described", "priced", "used"}


def _file(spec: str) -> bytes:
    head = "apiVersion: pave/v1\nkind: Scorecard\nmetadata: {name: a, title: A, owner: 'group:x'}\nspec:\n"
    return (head + spec).encode()


_CHECK = "    - {name: a, title: A, level: gold, require: 'true', remedy: x}\n"
_CHECKS = f"  category: docs\n  checks:\n{_CHECK}"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (_CHECKS.replace("level: gold", "level: golden"), "golden"),
        ("  category: docs\n  checks: []", "checks"),
        (f"{_CHECKS}{_CHECK}", "already"),
        (
            f"{_CHECKS}  campaigns:\n    - {{name: c, level: gold, from: 2027-02-01, until: 2027-01-01}}",
            "before it begins",
        ),
        (f"{_CHECKS}  campaigns:\n    - {{name: c, level: gold, from: soon, until: 2027-01-01}}", "soon is no day"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(spec: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        read_scorecard(_file(spec), "scorecards/a.yaml")
    assert any(said in str(one) and one.source.line for one in refused.value.diagnostics)
