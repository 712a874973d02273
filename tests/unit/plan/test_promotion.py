"""Promotion and windows: what moves on, what waits, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pave.model.deployment import Deployment, Rollout
from pave.model.diagnostics import Refused
from pave.model.environment import Deploy, Environment
from pave.model.names import Address, Ref
from pave.model.windows import check, closed
from pave.plan.promotion import Due, Facts, NotYet, promotion

NOW = datetime(2026, 12, 7, 12, 0, tzinfo=UTC)  # a Monday
STAGING, PROD = Address("staging", "orders"), Address("prod", "orders")
NEW, OLD = f"sha256:{'2' * 64}", f"sha256:{'1' * 64}"
RUNNING = Deployment(STAGING, Ref.parse("component:orders"), "orders", "2" * 40, NEW)
THERE = replace(RUNNING, address=PROD, commit="1" * 40, artifact=OLD)
FACTS = Facts(STAGING, RUNNING, NOW - timedelta(hours=1), "healthy")


def environment(**deploy: object) -> Environment:
    return Environment("prod", "production", Ref.parse("group:platform"), deploy=Deploy("staging", **deploy))


def test_what_runs_well_moves_on_by_its_digest() -> None:
    assert promotion(FACTS, environment(), THERE, NOW) == Due(NEW)
    assert promotion(FACTS, environment(), None, NOW) == Due(NEW)


@pytest.mark.parametrize(
    ("facts", "there", "deploy", "says"),
    [
        (replace(FACTS, version=None), THERE, {}, "nothing has arrived in staging"),
        (FACTS, replace(THERE, artifact=NEW), {}, "has this version already"),
        (FACTS, replace(THERE, pin="prices"), {}, "pinned: prices"),
        (FACTS, replace(THERE, rollout=Rollout(10)), {}, "at 10 %"),
        (replace(FACTS, failed=frozenset({NEW})), THERE, {}, "failed there before"),
        (replace(FACTS, status="degraded", reason="no port"), THERE, {}, "degraded: no port"),
        (FACTS, THERE, {"after": "2h"}, "soaks in staging until 13:00:00"),
        (FACTS, THERE, {"windows": ({"freeze": "2026-12-01 .. 2026-12-07"},)}, "frozen"),
        (FACTS, THERE, {"windows": ({"allow": "Tue 08:00-16:00"},)}, "outside its window"),
    ],
)
def test_each_reason_to_wait_is_said(facts: Facts, there: Deployment, deploy: dict[str, object], says: str) -> None:
    found = promotion(facts, environment(**deploy), there, NOW)
    assert isinstance(found, NotYet)
    assert says in found.reason


def test_soaking_ends_to_the_second() -> None:
    found = promotion(FACTS, environment(after="2h"), THERE, NOW)
    assert isinstance(found, NotYet)
    assert found.when == NOW + timedelta(hours=1)
    assert promotion(FACTS, environment(after="2h"), THERE, found.when) == Due(NEW)


@pytest.mark.parametrize(
    ("windows", "now", "opens"),
    [
        ([{"allow": "Mon-Fri 08:00-16:00 Europe/Berlin"}], "2026-12-07T15:30:00+00:00", "2026-12-08T07:00:00+00:00"),
        ([{"allow": "Mon-Fri 08:00-16:00 Europe/Berlin"}], "2026-07-03T15:00:00+00:00", "2026-07-06T06:00:00+00:00"),
        ([{"allow": "Fri-Mon 22:00-02:00"}], "2026-12-08T03:00:00+00:00", "2026-12-11T22:00:00+00:00"),
        ([{"freeze": "2026-12-20 .. 2027-01-03"}], "2027-01-03T23:59:00+00:00", "2027-01-04T00:00:00+00:00"),
        (
            [{"allow": "Mon-Fri 08:00-16:00"}, {"freeze": "2026-12-20 .. 2027-01-03"}],
            "2026-12-24T10:00:00+00:00",
            "2027-01-04T08:00:00+00:00",
        ),
    ],
)
def test_a_closed_window_says_when_it_opens(windows: list[dict[str, str]], now: str, opens: str) -> None:
    found = closed(windows, datetime.fromisoformat(now))
    assert found is not None
    assert found.until == datetime.fromisoformat(opens)
    assert closed(windows, found.until) is None


def test_several_windows_are_one_and_a_freeze_wins() -> None:
    either = [{"allow": "Mon 08:00-09:00"}, {"allow": "Mon 11:00-13:00"}]
    assert closed(either, NOW) is None
    assert closed([*either, {"freeze": "2026-12-07 .. 2026-12-07"}], NOW) is not None


@pytest.mark.parametrize(
    "window",
    [
        {"allow": "Mon-Fri 08:00-16:00 Europe/Atlantis"},
        {"freeze": "2027-01-03 .. 2026-12-20"},
        {"freeze": "2026-13-01 .. 2027-01-01"},
    ],
)
def test_a_window_that_cannot_be_is_refused(window: dict[str, str]) -> None:
    with pytest.raises(Refused):
        check(window)


@given(st.integers(0, 730 * 24 * 60).map(lambda minutes: NOW + timedelta(minutes=minutes)))
def test_whenever_it_is_closed_it_opens_later_and_is_open_then(now: datetime) -> None:
    windows = [{"allow": "Tue-Thu 06:00-20:00 America/New_York"}, {"freeze": "2026-06-01 .. 2026-06-20"}]
    found = closed(windows, now)
    if found is not None:
        assert found.until is not None
        assert found.until > now
        assert closed(windows, found.until) is None
