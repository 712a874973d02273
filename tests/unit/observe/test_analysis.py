"""What was seen of a version decides: on, arrived, or back, and never back without evidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pave.model.environment import Deploy
from pave.observe.analysis import FEWEST_ERRORS, Back, Finished, Forward, decide
from pave.observe.traffic import Traffic
from pave.plan.versions import shares_of

CANARY = (10, 50, 100)
WELL = Traffic(200, 0, 0.01, 0.05)


@pytest.mark.parametrize(
    ("weight", "candidate", "expected"),
    [
        (10, Traffic(20, 0, 0.01, 0.05), Forward(50)),
        (50, Traffic(100, 0, 0.01, 0.05), Forward(100)),
        (100, Traffic(200, 0, 0.01, 0.05), Finished()),
        (10, Traffic(), Forward(50)),
        (10, Traffic(20, 2, 0.01, 0.05), Forward(50)),
        (10, Traffic(20, 3, 0.01, 0.05), Back("")),
        (10, Traffic(10_000, 90, 0.01, 0.05), Forward(50)),
        (50, Traffic(100, 0, 0.2, 0.5), Back("")),
        (50, Traffic(100, 0, 0.02, 0.09), Forward(100)),
        (10, Traffic(20, 0, 0.2, 0.5), Forward(50)),
    ],
)
def test_the_decision(weight: int, candidate: Traffic, expected: object) -> None:
    found = decide(weight, CANARY, WELL, candidate)
    assert type(found) is type(expected)
    if isinstance(expected, Forward):
        assert found.weight == expected.weight
    assert found.reason


def test_a_version_before_that_fails_as_often_is_no_reason_to_go_back() -> None:
    assert isinstance(decide(10, CANARY, Traffic(100, 20), Traffic(100, 25)), Forward)
    assert isinstance(decide(10, CANARY, Traffic(100, 20), Traffic(100, 75)), Back)


def test_what_is_not_well_goes_back_whatever_was_seen() -> None:
    assert isinstance(decide(0, (0, 100), Traffic(), Traffic(), healthy=False), Back)
    assert isinstance(decide(0, (0, 100), Traffic(), Traffic(), probes_ok=False), Back)


@given(st.integers(1, 10**6), st.integers(FEWEST_ERRORS, 10**6))
def test_what_only_fails_never_goes_on(stable: int, requests: int) -> None:
    assert isinstance(decide(10, CANARY, Traffic(stable, 0), Traffic(requests, requests)), Back)


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.floats(0, 10))
def test_without_an_error_or_a_slow_answer_nothing_goes_back(stable: int, candidate: int, p95: float) -> None:
    same = {"p50": p95 / 2, "p95": p95}
    assert not isinstance(decide(10, CANARY, Traffic(stable, 0, **same), Traffic(candidate, 0, **same)), Back)


def test_the_shares_of_each_strategy() -> None:
    assert shares_of(Deploy()) == (100,)
    assert shares_of(Deploy(strategy="blue-green")) == (0, 100)
    assert shares_of(Deploy(strategy="canary")) == (10, 50, 100)
    assert shares_of(Deploy(strategy="canary", steps=(5,))) == (5, 100)
