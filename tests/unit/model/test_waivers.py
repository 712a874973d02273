"""Waivers beside one another: two for one place, scopes that meet, rules that are not there. Each is found by name."""

from __future__ import annotations

import pytest
from organisation_for_tests import organisation

from pave.model.waiver_file import read_waiver

WAIVER = """\
apiVersion: pave/v1
kind: Waiver
metadata: {{name: {name}}}
spec:
  guardrail: {rule}
  for: "{scope}"
  reason: It is rebuilt every night.
  by: user:olga
  until: {until}
"""


def waiver(name: str, scope: str = "prod/orders", until: str = "2027-02-01", rule: str = "keep-backups") -> str:
    return WAIVER.format(name=name, scope=scope, until=until, rule=rule)


def findings(*texts: str) -> list[tuple[str, str, str, str]]:
    """What is found about waivers: where, what, why, and what to do."""
    there = organisation(**{f"waivers__w{number}": text for number, text in enumerate(texts)})
    return [(str(one.source), one.summary, one.detail, one.remedy) for one in there.findings if "waiver" in one.summary]


def test_one_waiver_contradicts_nothing() -> None:
    assert findings(waiver("one")) == []


def test_two_for_the_same_place_with_different_ends() -> None:
    [(where, summary, detail, remedy)] = findings(waiver("long", until="2027-03-01"), waiver("short"))
    assert where == "waivers/w0.yaml:1"
    assert summary == "the waivers short and long are both for prod/orders, from keep-backups"
    assert detail.startswith("short ends on 2027-02-02 and long on 2027-03-02: there the first end counts")
    assert remedy == "Remove one of them."


def test_two_that_say_the_same() -> None:
    [(_, summary, detail, _)] = findings(waiver("one"), waiver("two"))
    assert "one and two are both for prod/orders" in summary
    assert detail == "Both end on 2027-02-02."


@pytest.mark.parametrize(
    ("one", "another", "meet"),
    [
        ("prod", "prod/orders/db", True),
        ("prod/orders", "prod/orders/db", True),
        ("*/orders", "prod", True),
        ("*/orders", "prod/*", True),
        ("prod/*", "*/orders/db", True),
        ("pr*d", "*od/orders", True),
        ("p*-x", "*y-x", True),
        ("prod/orders", "prod/ledger", False),
        ("prod", "dev/orders", False),
        ("*/orders", "prod/ledger", False),
        ("prod/o*", "*/l*/db", False),
        ("a*b", "*c", False),
        ("prod/orders/db", "prod/orders/db2", False),
    ],
)
def test_overlapping_scopes(one: str, another: str, meet: bool) -> None:
    found = findings(waiver("first", one), waiver("second", another, until="2027-03-01"))
    assert len(found) == meet
    if meet:
        assert f"for what {one} and {another} have in common" in found[0][1]
        assert found[0][3] == "Give them scopes that do not meet, or remove one."
    both = [read_waiver(waiver("x", scope).encode(), "x") for scope in (one, another)]
    assert both[0].meets(both[1]) is both[1].meets(both[0]) is meet


def test_scopes_that_meet_of_two_rules_are_no_contradiction() -> None:
    assert findings(waiver("one"), waiver("two", rule="owner-must-exist")) == []


def test_a_waiver_for_a_rule_that_is_not_there() -> None:
    [(where, summary, detail, remedy)] = findings(waiver("one", rule="keep-backup"))
    assert where == "waivers/w0.yaml:1"
    assert summary == "the waiver one is about the guardrail keep-backup, which is not there"
    assert detail == "It excuses nothing."
    assert remedy == "Did you mean 'keep-backups'?"


def test_a_second_of_the_same_name_has_no_effect_and_is_found() -> None:
    found = findings(waiver("one"), waiver("one", scope="dev"))
    assert [summary for _, summary, _, _ in found] == ["there is already a waiver one in waivers/w0.yaml"]


def test_stars_without_end_are_compared_in_no_time() -> None:
    many = "*a" * 30
    assert findings(waiver("one", f"{many}b"), waiver("two", f"{many}c")) == []
