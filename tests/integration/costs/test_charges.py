"""The meter on a real table: each hour once, across restarts, clocks moved back, and days."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from sqlalchemy import Engine, text

from pave.adapters.postgres.charges import PostgresCharges
from pave.model.names import Address
from pave.model.price import Price
from pave.observe.charges import ACTUAL, Place, Sample, expected, month_of
from pave.plan.cost import Line

HOUR = timedelta(hours=1)
TEN = datetime(2026, 11, 24, 10, tzinfo=UTC)
PRICE = Price(Decimal("0.008"), "Hours", "USD", "hours", "hours", said={"ServiceCategory": "Databases"})


def sample(name: str = "db") -> Sample:
    return Sample(Place(Address("dev", "orders", name), "postgres", "group:default/payments"), PRICE, Decimal(1))


def hours(charges: PostgresCharges, name: str = "db") -> list[tuple[int, Decimal]]:
    found = charges.find(TEN - timedelta(days=60), TEN + timedelta(days=60), (ACTUAL,), f"dev/orders/{name}")
    return [(one.starts_at.day, one.quantity or Decimal(0)) for one in found]


def test_an_hour_is_counted_once_however_often_it_is_looked_at(records: Engine) -> None:
    charges = PostgresCharges(records)
    assert [charges.meter([sample()], TEN) for _ in range(3)] == [1, 0, 0]
    assert charges.meter([sample(), sample("reports")], TEN) == 1, "what came later in the hour counts too"
    assert charges.meter([sample()], TEN + HOUR) == 1
    assert hours(charges) == [(24, 2)]
    assert hours(charges, "reports") == [(24, 1)]


def test_many_meters_at_once_count_as_one(records: Engine) -> None:
    charges = PostgresCharges(records)
    threads = [threading.Thread(target=charges.meter, args=([sample()], TEN)) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    assert hours(charges) == [(24, 1)]


def test_what_was_there_over_a_restart_is_counted_over_midnight_and_all(records: Engine) -> None:
    PostgresCharges(records).meter([sample(), sample("gone")], TEN + 12 * HOUR)
    again = PostgresCharges(records)
    assert again.meter([sample(), sample("new")], TEN + 16 * HOUR) == 5
    assert hours(again) == [(24, 2), (25, 3)]
    assert hours(again, "gone") == [(24, 1)]
    assert hours(again, "new") == [(25, 1)]


def test_what_went_and_came_back_does_not_cost_while_it_was_away(records: Engine) -> None:
    charges = PostgresCharges(records)
    charges.meter([sample(), sample("on")], TEN)
    charges.meter([sample("on")], TEN + HOUR)
    charges.meter([sample("on")], TEN + 2 * HOUR)
    charges.meter([sample(), sample("on")], TEN + 3 * HOUR)
    assert (hours(charges), hours(charges, "on")) == ([(24, 2)], [(24, 4)])


def test_clock_moved_back_counts_nothing_twice(records: Engine) -> None:
    charges = PostgresCharges(records)
    for hour in (0, 1, 2, -5, 1, 2, 3):
        charges.meter([sample()], TEN + hour * HOUR)
    assert hours(charges) == [(24, 4)]


def test_estimate_and_actual_are_one_join(records: Engine) -> None:
    charges = PostgresCharges(records)
    charges.meter([sample()], TEN)
    line = Line("hours", (Decimal(700), Decimal(730), Decimal(744)), PRICE)
    rows = list(expected(line, sample().place, month_of(TEN), "run_1"))
    assert charges.put(rows) == charges.put(rows) == 3
    join = text(
        "SELECT e.list_cost, a.list_cost FROM charges e JOIN charges a USING (resource, price)"
        " WHERE e.scenario = 'typical' AND a.scenario = 'actual'"
    )
    with records.connect() as connection:
        assert connection.execute(join).all() == [(Decimal("5.840"), Decimal("0.008"))]
    (typical,) = charges.find(month_of(TEN)[0], month_of(TEN)[1], ("typical",))
    assert typical == rows[1]
