"""What a planned change would cost a month: a module's meters times its price sheet, in exact decimals.

A meter is a CEL expression over the inputs. A SKU without a price, a meter that cannot be computed, or a module that
says nothing about cost is "unpriced", which is never the same as free. Columns as in FOCUS 1.2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pave.model.module import Module
from pave.plan.change import Action, Change

_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Cost:
    """An amount a month. `unpriced` names what it does not contain."""

    monthly: Decimal = Decimal(0)
    currency: str = ""
    unpriced: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """`+3.20 USD per month`, and what is not in it."""
        amount = self.monthly.quantize(_CENT)
        told = f"{'+' if amount >= 0 else '-'}{abs(amount)} {self.currency or 'USD'} per month"
        return f"{told}; unpriced: {', '.join(self.unpriced)}" if self.unpriced else told

    def as_data(self) -> dict[str, Any]:
        """JSON form; the amount is text, because it is exact."""
        return {
            "monthly": str(self.monthly.quantize(_CENT)),
            "currency": self.currency or "USD",
            "unpriced": list(self.unpriced),
            "text": self.text,
        }


def estimate(module: Module, inputs: Mapping[str, Any]) -> Cost:
    """What a resource of a module with these inputs costs a month."""
    total, currency, unpriced = Decimal(0), "", []
    for meter in module.meters:
        price, quantity = module.prices.get(meter.sku), _quantity(meter.quantity, inputs)
        if price is None or quantity is None:
            unpriced.append(f"{module.name} {meter.sku}")
            continue
        total += price.amount * quantity
        currency = price.currency
    return Cost(total, currency, tuple(unpriced) if module.meters else (module.name,))


def delta(changes: Iterable[Change], before: Mapping[str, Mapping[str, Any]], modules: Mapping[str, Module]) -> Cost:
    """What planned changes add to the cost a month. `before` has the inputs of what is there, by address."""
    total, currency, unpriced = Decimal(0), "", set()
    for change in changes:
        if change.action is Action.NONE:
            continue
        module = modules.get(change.module)
        old, new = before.get(str(change.address)), change.action is not Action.DELETE
        if module is None:
            unpriced.add(change.module or str(change.address))
            continue
        for inputs, sign in ((change.inputs if new else None, 1), (old, -1)):
            if inputs is not None:
                cost = estimate(module, inputs)
                total += sign * cost.monthly
                currency = cost.currency or currency
                unpriced |= set(cost.unpriced)
    return Cost(total, currency, tuple(sorted(unpriced)))


@lru_cache(maxsize=512)
def _compiled(expression: str) -> Any:
    import cel  # noqa: PLC0415 — it loads its own command line, 0.1 s that no other command should wait for

    return cel.compile(expression)


def _quantity(expression: str, inputs: Mapping[str, Any]) -> Decimal | None:
    """A meter's quantity; None where it cannot be computed."""
    import cel  # noqa: PLC0415 — see _compiled

    try:
        found = _compiled(expression).execute(cel.Context(variables={"inputs": dict(inputs)}))
    except Exception:  # noqa: BLE001 — whatever is wrong with a meter, its cost is not known
        return None
    if isinstance(found, bool) or not isinstance(found, int | float) or found < 0:
        return None
    return Decimal(str(found))
