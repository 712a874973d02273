"""Budgets: how much an environment or a team may cost, and what does not fit together about money.

Written as `200 USD per month`: `spec.budget` of an environment, the annotation `pave.dev/budget` of a Group. Amounts of
different currencies are never added up, so a platform has one currency; what is in another one is refused.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from pave.model.diagnostics import Diagnostic, Refused, Source, error
from pave.model.entity import Entity
from pave.model.module import Module
from pave.model.price import PriceSheet, currencies
from pave.model.schema import nearest
from pave.model.snapshot import Snapshot

ANNOTATION = "pave.dev/budget"
USUAL_CURRENCY = "USD"
_WRITTEN = re.compile(r"(\d{1,12}(?:\.\d{1,2})?) ([A-Z]{3}) per (day|week|month|year)")
_MONTHLY = {
    "day": Decimal(365) / 12,
    "week": Decimal(365) / 7 / 12,
    "month": Decimal(1),
    "year": Decimal(1) / 12,
}


@dataclass(frozen=True)
class Budget:
    """An amount a month; a year has twelve of them and 365 days."""

    monthly: Decimal
    currency: str

    @classmethod
    def parse(cls, text: str) -> Budget:
        """What `200 USD per month` means. Raises `Refused`."""
        found = _WRITTEN.fullmatch(text.strip())
        if found is None:
            remedy = "Write an amount, a currency and a period: 200 USD per month."
            raise Refused(error(f"{text[:60]!r} is no budget", remedy=remedy))
        monthly = (Decimal(found[1]) * _MONTHLY[found[3]]).quantize(Decimal("0.01"))
        return cls(monthly, found[2])


def written_of(team: Entity | None) -> str:
    """What a team says of its budget; empty where it has none."""
    said = (team.metadata.get("annotations") or {}) if team else {}
    return str(said.get(ANNOTATION, "")) if isinstance(said, dict) else ""


def currency_of(snapshot: Snapshot) -> str:
    """The platform's currency: that of most price sheets of modules; of equals, the first by name."""
    counted = Counter(one for module in snapshot.modules.values() for one in currencies(module.prices))
    return min(counted, key=lambda one: (-counted[one], one), default=USUAL_CURRENCY)


def contradictions(snapshot: Snapshot) -> Iterator[Diagnostic]:
    """Budgets that are none, prices and budgets in another currency than the platform's, equivalents not there."""
    currency = currency_of(snapshot)
    tariffs: list[Module | PriceSheet] = [*snapshot.modules.values(), *snapshot.sheets.values()]
    for one in tariffs:
        if others := sorted(currencies(one.prices) - {currency}):
            remedy = f"Give its prices in {currency}; amounts of different currencies are not added up."
            summary = f"{one.name} has prices in {others[0]}, and the platform counts in {currency}"
            yield error(summary, remedy=remedy, source=Source(f"{one.path}/prices.csv"))
    for module in snapshot.modules.values():
        known = {*snapshot.modules, *snapshot.sheets} - {module.name}
        if module.equivalent and module.equivalent not in known:
            summary = f"{module.name} names {module.equivalent} as its equivalent, which is not there"
            source, remedy = Source(f"{module.path}/module.yaml"), nearest(module.equivalent, sorted(known))
            yield error(summary, remedy=remedy, source=source, path="spec.equivalent")
    yield from _budgets(snapshot, currency)


def _budgets(snapshot: Snapshot, currency: str) -> Iterator[Diagnostic]:
    said: Iterable[tuple[str, str, Source, str]] = (
        *(
            (one.name, one.budget, Source(f"environments/{one.name}.yaml"), "spec.budget")
            for one in snapshot.written.values()
        ),
        *(
            (ref.short, written_of(one), one.source, f"metadata.annotations.{ANNOTATION}")
            for ref, one in snapshot.entities.items()
            if ref.kind == "group"
        ),
    )
    for name, text, source, path in said:
        if not text:
            continue
        try:
            budget = Budget.parse(text)
        except Refused as refused:
            yield from (one.at(source, path) for one in refused.diagnostics)
            continue
        if budget.currency != currency:
            remedy = f"Give it in {currency}; amounts of different currencies are not compared."
            summary = f"the budget of {name} is in {budget.currency}, and the platform counts in {currency}"
            yield error(summary, remedy=remedy, source=source, path=path)
