"""What things have cost: hours that were there times a price, one row a resource, SKU and day.

An hour counts once, whoever counts it and how often: a row keeps which hours of its day it has. The price of a day is
the one that it began with. Estimates are rows of the same shape over a month, so that both can be joined.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from pave.model.names import Address
from pave.model.price import Price
from pave.plan.cost import MONTH_HOURS, SCENARIOS, Line

ACTUAL = "actual"
METERED = "metered"
ESTIMATED = "estimated"
LONGEST_GAP = timedelta(days=7)
"""For how long at most what was there before and after is taken to have been there between."""
LONGEST_BACK = timedelta(days=31)
"""A clock that moved back further than this was wrong before, and is not waited for."""
_FINEST = Decimal("0.000000001")
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Place:
    """What a row is about: a resource and whose it is."""

    address: Address
    type: str
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sample:
    """That a resource is there now and uses so much of a SKU an hour."""

    place: Place
    price: Price
    per_hour: Decimal


@dataclass(frozen=True)
class Charge:
    """One row. `scenario` is `actual`, or which estimate; `origin` is `metered`, `estimated` or the name of a bill.

    `said` has columns of FOCUS that have no field here; `hours` which hours of the day are in the quantity.
    """

    scenario: str
    origin: str
    resource: str
    sku: str
    price: str
    starts_at: datetime
    ends_at: datetime
    currency: str
    list_cost: Decimal
    contracted_cost: Decimal
    billed_cost: Decimal
    effective_cost: Decimal
    unit: str = ""
    quantity: Decimal | None = None
    list_unit_price: Decimal | None = None
    contracted_unit_price: Decimal | None = None
    environment: str = ""
    component: str = ""
    owner: str = ""
    line: str = ""
    said: Mapping[str, str] = field(default_factory=dict)
    hours: Mapping[str, str] = field(default_factory=dict)


def per_hour(line: Line) -> Decimal:
    """How much of a SKU the typical quantity of a month is an hour."""
    assert line.quantities is not None
    return (line.quantities[1] / MONTH_HOURS).quantize(_FINEST)


def day_of(hour: datetime) -> datetime:
    """The day in UTC that an hour belongs to."""
    return hour.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def hour_of(now: datetime) -> datetime:
    """The hour that a moment belongs to."""
    return now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def month_of(at: datetime) -> tuple[datetime, datetime]:
    """The month that a moment belongs to: its first moment, and that of the next one."""
    first = day_of(at).replace(day=1)
    return first, (first + timedelta(days=32)).replace(day=1)


def hours_to_count(last: datetime | None, hour: datetime, *, there_then: bool) -> Iterator[datetime]:
    """The hours up to `hour` that are to be counted of something; `last` is when all was counted last.

    None where the clock moved back. The hours between count only for what was there at `last` too.
    """
    if last is not None and last >= hour and last - hour <= LONGEST_BACK:
        if last == hour:
            yield hour
        return
    gap = hour - last if last is not None else timedelta(0)
    if last is None or not there_then or not timedelta(0) < gap <= LONGEST_GAP:
        yield hour
        return
    following = last + _HOUR
    while following <= hour:
        yield following
        following += _HOUR


def counted(row: Charge | None, sample: Sample, day: datetime, hours: Mapping[str, str]) -> Charge:
    """A day's row of a sample with `hours` more; those that it has already stay as they are."""
    price, place = sample.price, sample.place
    together = {**hours, **(row.hours if row else {})}
    unit_price = row.list_unit_price if row and row.list_unit_price is not None else price.amount
    contracted = row.contracted_unit_price if row else price.contracted
    contracted = unit_price if contracted is None else contracted
    quantity = sum(map(Decimal, together.values()), Decimal(0))
    return Charge(
        scenario=ACTUAL,
        origin=METERED,
        resource=str(place.address),
        sku=price.sku,
        price=price.id,
        starts_at=day,
        ends_at=day + timedelta(days=1),
        currency=price.currency,
        unit=price.unit,
        quantity=quantity,
        list_unit_price=unit_price,
        contracted_unit_price=contracted,
        list_cost=unit_price * quantity,
        contracted_cost=contracted * quantity,
        billed_cost=contracted * quantity,
        effective_cost=contracted * quantity,
        environment=place.address.environment,
        component=place.address.component,
        owner=place.owner,
        said=said_of(price, place),
        hours=together,
    )


def said_of(price: Price, place: Place) -> dict[str, str]:
    """The columns of FOCUS that a price sheet says, and the tags."""
    tags = {f"tag:{key}": value for key, value in place.tags.items() if value}
    return {**price.said, "ResourceType": place.type, **tags}


def expected(line: Line, place: Place, month: tuple[datetime, datetime], estimate: str) -> Iterator[Charge]:
    """What a SKU of a resource is expected to cost in a month: a row for low, typical and high."""
    price, quantities = line.price, line.quantities
    if price is None or quantities is None:
        return
    contracted = price.amount if price.contracted is None else price.contracted
    for scenario, quantity in zip(SCENARIOS, quantities, strict=True):
        yield Charge(
            scenario=scenario,
            origin=ESTIMATED,
            resource=str(place.address),
            sku=price.sku,
            price=price.id,
            starts_at=month[0],
            ends_at=month[1],
            currency=price.currency,
            unit=price.unit,
            quantity=quantity,
            list_unit_price=price.amount,
            contracted_unit_price=contracted,
            list_cost=price.amount * quantity,
            contracted_cost=contracted * quantity,
            billed_cost=contracted * quantity,
            effective_cost=contracted * quantity,
            environment=place.address.environment,
            component=place.address.component,
            owner=place.owner,
            said={**said_of(price, place), "x_EstimateId": estimate},
        )
