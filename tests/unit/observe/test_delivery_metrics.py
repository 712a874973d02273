"""DORA's metrics: by hand for small cases, by properties for all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pave.model.names import Address
from pave.observe.delivery import SEGMENTS, Figures, Period, dora
from pave.ports import Delivery

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
PERIOD = Period(NOON - timedelta(days=5), NOON + timedelta(days=5), {"prod"})


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def delivery(run: str, stack: str = "prod/orders", **fields: Any) -> Delivery:
    """A promotion that came to live; `times` in minutes from noon by the field's first word."""
    times = {f"{name}_at": at(minutes) for name, minutes in fields.pop("times", {}).items()}
    known = {"cause": "push", "commit": "c1", "outcome": "live", **times, **fields}
    return Delivery(f"{run}:{stack}", Address.parse(stack), run, **known)


def came(run: str, minutes: float, **fields: Any) -> Delivery:
    return delivery(run, times={"committed": minutes - 60, "asked": minutes - 10, "live": minutes}, **fields)


def broke(run: str, failed: float, recovered: float | None = None, **fields: Any) -> Delivery:
    times = {"committed": failed - 60, "asked": failed - 10, "failed": failed}
    times |= {} if recovered is None else {"recovered": recovered}
    return delivery(run, times=times, **{"outcome": "failed", **fields})


def measured(*records: Delivery, period: Period = PERIOD) -> Figures:
    return dora(records, period, lambda _: "all").get("all", Figures())


def test_nothing_delivered_is_nothing_measured() -> None:
    assert dora([], PERIOD, str) == {}


def test_frequency_and_lead_time_are_of_what_came_to_live() -> None:
    records = [
        delivery("1", times={"committed": -60, "live": 0}),
        delivery("2", times={"committed": 0, "live": 180}),
        delivery("3", times={"committed": 0, "live": 600}),
        broke("4", 700),
    ]
    found = measured(*records)
    assert (found.deployments, found.per_day) == (3, pytest.approx(0.3))
    assert found.lead_time == 180 * 60, "the median of 60, 180 and 600 minutes"


@pytest.mark.parametrize("outcome", ["open", "superseded", "cancelled"])
def test_what_did_not_end_as_a_deployment_is_none(outcome: str) -> None:
    assert measured(came("1", 0, outcome=outcome)) == Figures()


def test_only_production_and_only_the_period_count() -> None:
    first, last = PERIOD.since, PERIOD.until
    edge = [replace(came(str(n), 0), live_at=one) for n, one in enumerate((first, last))]
    outside = replace(came("3", 0), live_at=first - timedelta(seconds=1))
    assert measured(*edge, outside, came("4", 0, stack="dev/orders")).deployments == 1


def test_failed_and_rolled_back_changes_need_help_and_ways_back_are_none() -> None:
    records = [
        came("1", 0),
        came("2", 100, outcome="rolled-back", failed_at=at(130), recovered_at=at(150)),
        delivery("3", cause="rollback", recovers="2:prod/orders", times={"asked": 131, "live": 150}),
        broke("4", 300, 340),
        came("5", 340, recovers="4:prod/orders"),
        broke("6", 400),
    ]
    found = measured(*records)
    assert found.deployments == 3, "1, 2 and 5"
    assert found.change_fail_rate == pytest.approx(3 / 5), "2, 4 and 6 of the five changes"
    assert found.recovery_time == 30 * 60, "the median of 20 and 40 minutes"
    assert found.unrecovered == 1
    assert found.rework_rate == pytest.approx(2 / 6), "3 and 5 of all six"
    assert found.lead_time == 60 * 60


def test_only_a_way_back_has_no_rate_of_failed_changes() -> None:
    found = measured(delivery("1", cause="rollback", times={"asked": 0, "live": 1}))
    assert (found.deployments, found.change_fail_rate, found.rework_rate, found.lead_time) == (0, None, 1.0, None)


def promoted() -> tuple[list[Delivery], dict[str, datetime]]:
    """Committed at 0, pushed at 30, live in dev at 41, in staging at 64, in production at 200 (in minutes)."""
    times = {"committed": 0, "asked": 30, "checked": 36, "built": 39, "live": 41}
    dev = delivery("d", "dev/orders", times=times)
    again = delivery("d2", "dev/orders", times={"committed": 0, "asked": 50, "live": 55})
    staging = delivery(
        "s", "staging/orders", cause="promotion", source="dev", times={"committed": 0, "asked": 61, "live": 64}
    )
    prod = delivery(
        "p", "prod/orders", cause="promotion", source="staging", times={"committed": 0, "asked": 184, "live": 200}
    )
    return [prod, again, staging, dev], {"d": at(32), "s": at(62), "p": at(185)}


def test_a_lead_time_is_told_in_parts_through_every_environment() -> None:
    records, started = promoted()
    found = measured(*records, period=replace(PERIOD, started=started))
    assert found.lead_time == 200 * 60
    expected = {"waiting": 30 + 20 + 120, "queue": 2 + 1 + 1, "checks": 4, "build": 3, "deploy": 2 + 2 + 15}
    assert found.segments == {name: minutes * 60 for name, minutes in expected.items()}
    assert sum(found.segments.values()) == found.lead_time


def test_a_way_that_is_not_on_record_has_no_parts() -> None:
    records, started = promoted()
    period = replace(PERIOD, started=started)
    for missing in (2, 3):
        left = [one for number, one in enumerate(records) if number not in (1, missing)]
        assert measured(*left, period=period).segments == {}
    circle = replace(records[2], source="prod")
    assert measured(records[0], circle, period=period).segments == {}


def test_groups_are_named_by_who_asks_and_have_medians_of_their_own_deployments() -> None:
    minutes = {"orders": [10], "ledger": [20, 30, 40]}
    records = [
        delivery(f"{name}{length}", f"prod/{name}", times={"committed": 0, "live": length})
        for name, lengths in minutes.items()
        for length in lengths
    ]
    by_service = dora(records, PERIOD, lambda name: name)
    assert {name: one.lead_time for name, one in by_service.items()} == {"ledger": 30 * 60, "orders": 10 * 60}
    by_team = dora(records, PERIOD, lambda _: "payments")
    assert by_team["payments"].lead_time == 25 * 60, "of the four deployments, not of the two services"


TIMES = st.none() | st.integers(-10_000, 10_000).map(at)
RECORDS = st.lists(
    st.builds(
        Delivery,
        id=st.just(""),
        stack=st.sampled_from(["dev/a", "staging/a", "prod/a", "prod/b"]).map(Address.parse),
        run=st.sampled_from("rst"),
        cause=st.sampled_from(["push", "promotion", "rollback", "deploy"]),
        commit=st.sampled_from("xy"),
        source=st.sampled_from(["", "dev", "staging", "prod"]),
        outcome=st.sampled_from(["open", "live", "failed", "rolled-back", "superseded", "cancelled"]),
        recovers=st.sampled_from(["", "other"]),
        **dict.fromkeys(
            ("committed_at", "asked_at", "checked_at", "built_at", "live_at", "failed_at", "recovered_at"), TIMES
        ),
    ),
    max_size=12,
)


@given(RECORDS, st.dictionaries(st.sampled_from("rst"), st.integers(-9_000, 9_000).map(at)))
def test_whatever_is_on_record_figures_are_sound(records: list[Delivery], started: dict[str, datetime]) -> None:
    period = replace(PERIOD, started=started)
    for found in dora(records, period, lambda name: name).values():
        for rate in (found.change_fail_rate, found.rework_rate):
            assert rate is None or 0 <= rate <= 1
        for seconds in (found.lead_time, found.recovery_time, *found.segments.values()):
            assert seconds is None or seconds >= 0
        assert found.deployments == pytest.approx(found.per_day * period.days)


@given(RECORDS, st.randoms())
def test_the_order_of_the_records_does_not_matter(records: list[Delivery], random: Any) -> None:
    shuffled = list(records)
    random.shuffle(shuffled)
    # Of two records of the same commit that came to live in the same moment, which one is meant is not told.
    lives = [(one.stack, one.commit, one.live_at) for one in records if one.live_at]
    if len(set(lives)) == len(lives):
        assert dora(records, PERIOD, str) == dora(shuffled, PERIOD, str)


@given(st.permutations(["committed", "asked", "checked", "built", "live"]), st.integers(-50, 50))
def test_the_parts_are_the_whole_also_where_clocks_run_backwards(order: list[str], queue: int) -> None:
    one = delivery("1", times={name: 10 * number for number, name in enumerate(order)})
    found = measured(one, period=replace(PERIOD, started={"1": at(queue)}))
    assert set(found.segments) == set(SEGMENTS)
    assert sum(found.segments.values()) == pytest.approx(found.lead_time)
