"""What things would cost a month: meters times price sheets, in exact decimals, low, typical and high.

A meter is a CEL expression over the inputs and over what is usual (`usage`). A SKU without a price, one in another
currency, a meter that cannot be computed, or a module that says nothing about cost is "unpriced", which is never the
same as free. Beside it stands the shadow price: what a module's equivalent in a cloud would cost.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pave.model.budget import USUAL_CURRENCY, currency_of
from pave.model.module import Module
from pave.model.price import Meter, Price, Tariff, price_on
from pave.model.snapshot import Snapshot
from pave.plan.change import Action, Change

CENT = Decimal("0.01")
SCENARIOS = ("low", "typical", "high")
MONTH_HOURS = Decimal(730)
"""Hours of a month as estimates count them: 365 days times 24 hours, divided by 12."""
_MOST = Decimal(10) ** 18
_FINEST = Decimal("0.000000001")
_MOST_KEPT = 20_000


@dataclass(frozen=True)
class Line:
    """One SKU that a resource uses: how much a month (low, typical, high) at which price; without one, why not."""

    sku: str
    quantities: tuple[Decimal, Decimal, Decimal] | None = None
    price: Price | None = None
    unpriced: str = ""

    def cost(self, scenario: int) -> Decimal:
        """What it costs a month; exactly the price times the quantity."""
        return self.price.amount * self.quantities[scenario] if self.price and self.quantities else Decimal(0)


@dataclass(frozen=True)
class Cost:
    """An amount a month. `monthly` is the typical one; `unpriced` names what it does not contain.

    `shadow` is what the equivalents in a cloud would cost, None where nothing names one; `shadow_unpriced` is what
    that does not contain. `parts` are the costs of each resource, by address.
    """

    monthly: Decimal = Decimal(0)
    currency: str = ""
    unpriced: tuple[str, ...] = ()
    low: Decimal = Decimal(0)
    high: Decimal = Decimal(0)
    shadow: Decimal | None = None
    shadow_unpriced: tuple[str, ...] = ()
    parts: Mapping[str, Cost] = field(default_factory=dict)

    def plus(self, other: Cost, sign: int = 1) -> Cost:
        """The sum, or the difference."""
        shadows = [
            one for one in (self.shadow, None if other.shadow is None else sign * other.shadow) if one is not None
        ]
        low, high = sorted((self.low + sign * other.low, self.high + sign * other.high))
        return Cost(
            self.monthly + sign * other.monthly,
            self.currency or other.currency,
            _together(self.unpriced, other.unpriced),
            low,
            high,
            sum(shadows, Decimal(0)) if shadows else None,
            _together(self.shadow_unpriced, other.shadow_unpriced),
        )

    @property
    def text(self) -> str:
        """`+3.20 USD per month`, and what is not in it."""
        currency = self.currency or USUAL_CURRENCY
        told = f"{_signed(self.monthly)} {currency} per month"
        if self.low != self.high:
            told += f" ({_signed(self.low)} to {_signed(self.high)})"
        if self.shadow is not None:
            without = f" without {', '.join(self.shadow_unpriced)}" if self.shadow_unpriced else ""
            told += f", {_signed(self.shadow)} in the cloud{without}"
        return f"{told}; unpriced: {', '.join(self.unpriced)}" if self.unpriced else told

    def as_data(self) -> dict[str, Any]:
        """JSON form; amounts are text, because they are exact."""
        data: dict[str, Any] = {
            "monthly": rounded(self.monthly),
            "low": rounded(self.low),
            "high": rounded(self.high),
            "currency": self.currency or USUAL_CURRENCY,
            "unpriced": list(self.unpriced),
            "shadow": None if self.shadow is None else rounded(self.shadow),
            "text": self.text,
        }
        if self.shadow_unpriced:
            data["shadow_unpriced"] = list(self.shadow_unpriced)
        if self.parts:
            data["resources"] = [{"address": address, **one.as_data()} for address, one in sorted(self.parts.items())]
        return data


def rounded(amount: Decimal) -> str:
    """An amount to the cent, as text."""
    return str(amount.quantize(CENT))


def _signed(amount: Decimal) -> str:
    cents = amount.quantize(CENT)
    return f"{'+' if cents >= 0 else '-'}{abs(cents)}"


def _together(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({*one, *other}))


@dataclass(frozen=True)
class Tariffs:
    """Everything that costs are computed from: what is offered at which price on a day, in one currency."""

    modules: Mapping[str, Module]
    sheets: Mapping[str, Tariff]
    day: date
    currency: str = USUAL_CURRENCY

    @classmethod
    def of(cls, snapshot: Snapshot, day: date) -> Tariffs:
        """Those of a platform repository."""
        return cls(snapshot.modules, snapshot.sheets, day, currency_of(snapshot))

    def equivalent(self, module: Module) -> Tariff | None:
        """What the same would be in a cloud: a module of that name, else a price sheet."""
        return (
            (self.modules.get(module.equivalent) or self.sheets.get(module.equivalent)) if module.equivalent else None
        )

    def lines(self, tariff: Tariff, inputs: Mapping[str, Any]) -> tuple[Line, ...]:
        """What a resource with these inputs uses of each SKU."""
        return tuple(_line(tariff, meter, inputs, self) for meter in tariff.meters)

    def cost(self, module: Module, inputs: Mapping[str, Any]) -> Cost:
        """What a resource of a module costs a month, with its shadow price."""
        other = self.equivalent(module)
        digests = (module.digest, other.digest if other else "-")
        if not all(digests):
            return self._cost(module, other, inputs)
        key = (module.name, *digests, self.day, self.currency, json.dumps(inputs, sort_keys=True, default=str))
        found = _KEPT.get(key)
        if found is None:
            if len(_KEPT) >= _MOST_KEPT:
                _KEPT.clear()
            found = _KEPT[key] = self._cost(module, other, inputs)
        return found

    def _cost(self, module: Module, other: Tariff | None, inputs: Mapping[str, Any]) -> Cost:
        own = _sum(module, self.lines(module, inputs), self.currency)
        if other is None:
            return own
        lines = self.lines(other, inputs)
        shadow = _sum(other, lines, self.currency)
        known = any(one.price for one in lines)  # else it is not known, which is not the same as free
        return replace(own, shadow=shadow.monthly if known else None, shadow_unpriced=shadow.unpriced)


_KEPT: dict[tuple[Any, ...], Cost] = {}
"""Costs by all that they are made of: the same resources are asked about with every verdict."""


def _sum(tariff: Tariff, lines: Iterable[Line], currency: str) -> Cost:
    found = tuple(lines)
    if not found:
        return Cost(currency=currency, unpriced=(tariff.name,))
    low, typical, high = (sum((one.cost(number) for one in found), Decimal(0)) for number in range(3))
    unpriced = tuple(sorted({one.unpriced for one in found if one.unpriced}))
    return Cost(typical, currency, unpriced, min(low, typical, high), max(low, typical, high))


def delta(changes: Iterable[Change], before: Mapping[str, Mapping[str, Any]], tariffs: Tariffs) -> Cost:
    """What planned changes add to the cost a month. `before` has the inputs of what is there, by address."""
    total, parts = Cost(currency=tariffs.currency), {}
    for change in changes:
        if change.action is Action.NONE:
            continue
        address = str(change.address)
        module = tariffs.modules.get(change.module)
        if module is None:
            cost = Cost(currency=tariffs.currency, unpriced=(change.module or address,))
        else:
            cost = Cost(currency=tariffs.currency)
            if change.action is not Action.DELETE:
                cost = cost.plus(tariffs.cost(module, change.inputs))
            if (old := before.get(address)) is not None:
                cost = cost.plus(tariffs.cost(module, old), -1)
        parts[address] = cost
        total = total.plus(cost)
    return replace(total, parts=parts)


def _line(tariff: Tariff, meter: Meter, inputs: Mapping[str, Any], tariffs: Tariffs) -> Line:
    price = price_on(tariff.prices, meter.sku, tariffs.day)
    if price is None or price.currency != tariffs.currency:
        why = f" ({price.currency})" if price else ""
        return Line(meter.sku, unpriced=f"{tariff.name} {meter.sku}{why}")
    usual = [{name: float(getattr(one, part)) for name, one in tariff.usage.items()} for part in SCENARIOS]
    if "usage" not in meter.quantity:
        found = [_quantity(meter.quantity, inputs, usual[1])] * 3
    else:
        found = [_quantity(meter.quantity, inputs, one) for one in usual]
    low, typical, high = found
    if low is None or typical is None or high is None:
        return Line(meter.sku, unpriced=f"{tariff.name} {meter.sku}")
    return Line(meter.sku, (low, typical, high), price)


@lru_cache(maxsize=512)
def _compiled(expression: str) -> Any:
    import cel  # noqa: PLC0415 — it loads its own command line, 0.1 s that no other command should wait for

    return cel.compile(expression)


def _quantity(expression: str, inputs: Mapping[str, Any], usage: Mapping[str, float]) -> Decimal | None:
    """A meter's quantity; None where it cannot be computed."""
    import cel  # noqa: PLC0415 — see _compiled

    try:
        context = cel.Context(variables={"inputs": dict(inputs), "usage": dict(usage)})
        found = _compiled(expression).execute(context)
    except Exception:  # noqa: BLE001 — whatever is wrong with a meter, its cost is not known
        return None
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    quantity = Decimal(str(found))
    return quantity.quantize(_FINEST).normalize() if quantity.is_finite() and 0 <= quantity <= _MOST else None
