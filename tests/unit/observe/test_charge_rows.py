"""An hour counts once, and only what was there counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pave.model.names import Address
from pave.model.price import Price
from pave.observe.charges import Place, Sample, counted, day_of, expected, hours_to_count, month_of, per_hour
from pave.plan.cost import Line

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PLACE = Place(Address.parse("dev/orders/db"), "postgres", "group:default/payments", {"service": "orders"})
PRICE = Price(Decimal("0.008"), "Hours", "USD", "hours", "hours")
SAMPLE = Sample(PLACE, PRICE, Decimal(1))


@pytest.mark.parametrize(
    ("last", "there", "hours"),
    [
        (None, False, [0]),
        (NOON, True, [0]),
        (NOON - HOUR, True, [0]),
        (NOON - 3 * HOUR, True, [-2, -1, 0]),
        (NOON - 3 * HOUR, False, [0]),
        (NOON - timedelta(days=8), True, [0]),
        (NOON + HOUR, True, []),
        (NOON + timedelta(days=30), True, []),
        (NOON + timedelta(days=400), True, [0]),
    ],
)
def test_clock_moved_back_counts_nothing_twice(last: datetime | None, there: bool, hours: list[int]) -> None:
    """Nor does what came back after a restart count for more than it was there."""
    assert list(hours_to_count(last, NOON, there_then=there)) == [NOON + one * HOUR for one in hours]


def test_an_hour_that_is_counted_already_stays_as_it_was() -> None:
    first = counted(None, SAMPLE, day_of(NOON), {"11": "1", "12": "1"})
    again = counted(first, Sample(PLACE, PRICE, Decimal(3)), day_of(NOON), {"12": "3", "13": "3"})
    assert (first.quantity, again.quantity) == (2, 5)
    assert again.list_cost == Decimal("0.040")


def test_the_price_of_a_day_is_the_one_it_began_with() -> None:
    first = counted(None, SAMPLE, day_of(NOON), {"11": "1"})
    dearer = Sample(PLACE, Price(Decimal(1), "Hours", "USD", "hours", "hours"), Decimal(1))
    assert counted(first, dearer, day_of(NOON), {"12": "1"}).list_unit_price == Decimal("0.008")
    assert counted(None, dearer, day_of(NOON) + timedelta(days=1), {"0": "1"}).list_unit_price == 1


def test_a_price_that_was_agreed_on_is_what_is_paid() -> None:
    agreed = Sample(PLACE, Price(Decimal(2), "Hours", "USD", "h", "h", contracted=Decimal("1.5")), Decimal(1))
    row = counted(None, agreed, day_of(NOON), {"1": "1", "2": "1"})
    assert (row.list_cost, row.contracted_cost, row.effective_cost) == (4, 3, 3)


def test_a_month_of_hours_is_as_many_an_hour() -> None:
    assert per_hour(Line("h", (Decimal(0), Decimal(730), Decimal(0)), PRICE)) == 1
    assert per_hour(Line("gb", (Decimal(0), Decimal(10), Decimal(0)), PRICE)) == Decimal("0.013698630")


def test_estimates_are_rows_of_the_same_shape_over_a_month() -> None:
    quantities = (Decimal(1), Decimal(10), Decimal(100))
    rows = list(expected(Line("hours", quantities, PRICE), PLACE, month_of(NOON), "run_1"))
    actual = counted(None, SAMPLE, day_of(NOON), {"1": "1"})
    assert [(one.scenario, one.list_cost) for one in rows] == [
        ("low", Decimal("0.008")),
        ("typical", Decimal("0.080")),
        ("high", Decimal("0.800")),
    ]
    assert {(one.resource, one.price, one.starts_at.day, one.ends_at.month) for one in rows} == {
        (actual.resource, actual.price, 1, 12)
    }
    assert list(expected(Line("hours", unpriced="x"), PLACE, month_of(NOON), "")) == []
