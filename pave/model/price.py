"""What things cost: meters, price sheets and usage, of a module or of a sheet that stands for a cloud's offer.

Amounts are exact decimals. Names of columns and units are those of FOCUS 1.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True)
class Meter:
    """How much of a SKU a resource uses a month: `quantity` is a CEL expression over `inputs` and `usage`."""

    sku: str
    quantity: str


@dataclass(frozen=True)
class Price:
    """The price of one unit of a SKU, good from and up to a day, both included; None has no such end.

    `said` has the other columns of the sheet as they are written: ServiceName, RegionId, x_PriceSource and the like.
    """

    amount: Decimal
    unit: str
    currency: str
    sku: str = ""
    id: str = ""
    contracted: Decimal | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    said: Mapping[str, str] = field(default_factory=dict)

    def good_on(self, day: date) -> bool:
        """Whether it is the price on a day."""
        return (self.valid_from is None or self.valid_from <= day) and (self.valid_to is None or day <= self.valid_to)

    def overlaps(self, other: Price) -> bool:
        """Whether both are the price on some day."""
        return (self.valid_from or date.min) <= (other.valid_to or date.max) and (other.valid_from or date.min) <= (
            self.valid_to or date.max
        )


Prices = Mapping[str, tuple[Price, ...]]
"""The prices of each SKU; those of one SKU never overlap."""


def price_on(prices: Prices, sku: str, day: date) -> Price | None:
    """The price of a SKU on a day; None where there is none, which is not the same as nothing to pay."""
    return next((one for one in prices.get(sku, ()) if one.good_on(day)), None)


@dataclass(frozen=True)
class Usage:
    """A quantity a month that no input says: requests, stored bytes. Guardrails see the typical one."""

    low: Decimal
    typical: Decimal
    high: Decimal
    description: str = ""


class Tariff(Protocol):
    """What an estimate is made from: a module, or a price sheet."""

    @property
    def name(self) -> str:
        """Its name, such as `local/postgres`."""

    @property
    def digest(self) -> str:
        """Changes with what it says; empty where nobody knows."""

    @property
    def meters(self) -> tuple[Meter, ...]:
        """How much of what is used."""

    @property
    def prices(self) -> Prices:
        """What it costs."""

    @property
    def usage(self) -> Mapping[str, Usage]:
        """What is usual."""


@dataclass(frozen=True)
class PriceSheet:
    """What a cloud would ask for the same thing. Nothing can be bound to it; modules name it as their equivalent."""

    name: str
    title: str
    digest: str = ""
    meters: tuple[Meter, ...] = ()
    prices: Prices = field(default_factory=dict)
    usage: Mapping[str, Usage] = field(default_factory=dict)
    path: str = ""


def currencies(prices: Prices) -> frozenset[str]:
    """The currencies of a sheet: one, or none where it is empty."""
    return frozenset(one.currency for rows in prices.values() for one in rows)
