"""Demand: wishes by people first, request to ready by operation, what needed no human, how newcomers get on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pave.observe.demand import DENIED, NEED, SEARCH, TYPE, Ended, Missed, Wish, flows, newcomers, quantile, rank

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def ended(kind: str = "resource.add", seconds: float = 1.0, actor: str = "user:default/sam", **parts) -> Ended:
    values = {"succeeded": True, "asked_at": NOW, **parts}
    return Ended(kind, actor, ended_at=values["asked_at"] + timedelta(seconds=seconds), **values)


def test_what_most_people_want_comes_first_however_often_one_asks() -> None:
    found = rank(
        [
            Missed(SEARCH, "billing", "user:default/sam", 40),
            Missed(TYPE, "kafka", "user:default/sam"),
            Missed(TYPE, "kafka", "user:default/lee", 2),
            Missed(NEED, "kafka", "user:default/kim"),
            Missed(DENIED, "resource.add: budget-spent", ""),
            Missed(DENIED, "resource.add: budget-spent", "", 3),
        ]
    )
    assert found == (
        Wish(TYPE, "kafka", 2, 3),
        Wish(SEARCH, "billing", 1, 40),
        Wish(DENIED, "resource.add: budget-spent", 1, 4),
        Wish(NEED, "kafka", 1, 1),
    )


def test_each_operation_and_all_together_have_their_times() -> None:
    runs = [ended(seconds=second) for second in range(1, 21)]
    runs += [ended("stack.deploy", 300, waited=240.0, approved=True), ended("stack.deploy", 5, succeeded=False)]
    whole, add, deploy = flows(runs)
    assert (whole.operation, whole.asked, whole.succeeded) == ("", 22, 21)
    assert (add.p50, add.p95, add.share) == (10.0, 19.0, 1.0)
    assert (deploy.asked, deploy.succeeded, deploy.share, deploy.waited) == (2, 1, 0.0, 240.0)
    assert whole.share == pytest.approx(20 / 21)


def test_of_what_never_succeeded_no_time_is_known() -> None:
    _, only = flows([ended(succeeded=False)])
    assert (only.p50, only.p95, only.share) == (None, None, None)


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 2.0), (0.75, 3.0), (0.95, 4.0), (1.0, 4.0)])
def test_quantiles_are_values_that_there_were(share: float, value: float) -> None:
    assert quantile([1.0, 2.0, 3.0, 4.0], share) == value
    assert quantile([], share) is None


def test_newcomers_are_told_by_their_first_deployment_and_tenth_change() -> None:
    came = {"user:default/sam": NOW, "user:default/lee": NOW}
    runs = [ended("stack.deploy", 60 * minute) for minute in range(20, 8, -1)]
    runs += [ended("stack.deploy", 30, "user:default/kim"), ended("stack.deploy", 1, succeeded=False)]
    found = newcomers(came, runs)
    assert (found.people, found.first_deployment, found.tenth_change) == (2, 9 * 60.0, 18 * 60.0)
    assert newcomers({}, runs).first_deployment is None
