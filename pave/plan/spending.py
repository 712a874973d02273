"""Budgets in plans: how much of what an environment and a team may cost a month a change would use up.

`spent` is everything that is there, what other runs have reserved, and the change itself. A budget that is no amount in
the platform's own currency leaves nothing: what cannot be compared is not let through.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pave.model.budget import Budget
from pave.model.diagnostics import Refused
from pave.plan.cost import rounded

NONE_LEFT = 1_000_000.0
"""The share of a budget that nothing can be compared with."""


@dataclass(frozen=True)
class Scope:
    """Whose budget: `environment/dev` or `team/payments`; `written` is what its file says."""

    key: str
    name: str
    written: str = ""

    @property
    def limit(self) -> Budget | None:
        """The budget; None where nothing is written, or where that is none."""
        try:
            return Budget.parse(self.written) if self.written else None
        except Refused:
            return None


@dataclass(frozen=True)
class Spending:
    """What a budget looks like with a change: amounts a month, in `currency`."""

    scope: Scope
    currency: str
    there: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)
    change: Decimal = Decimal(0)

    @property
    def spent(self) -> Decimal:
        """All of it."""
        return self.there + self.reserved + self.change

    @property
    def comparable(self) -> bool:
        """Whether there is a budget in the same currency, or none at all."""
        limit = self.scope.limit
        return not self.scope.written or (limit is not None and limit.currency == self.currency)

    @property
    def share(self) -> float:
        """Of the budget; 0 where there is none."""
        limit = self.scope.limit
        if not self.comparable:
            return NONE_LEFT
        if limit is None:
            return 0.0
        return float(self.spent / limit.monthly) if limit.monthly else NONE_LEFT if self.spent > 0 else 0.0

    @property
    def text(self) -> str:
        """`dev would spend 204.10 of 200.00 USD a month`; empty where there is no budget."""
        limit = self.scope.limit
        if not self.scope.written:
            return ""
        if limit is None or not self.comparable:
            return f"the budget of {self.scope.name} ({self.scope.written}) cannot be compared with {self.currency}"
        told = (
            f"{self.scope.name} would spend {rounded(self.spent)} of {rounded(limit.monthly)} {self.currency} a month"
        )
        return f"{told}, {rounded(self.reserved)} of it reserved by other runs" if self.reserved else told

    def as_data(self) -> dict[str, Any]:
        """What guardrails read."""
        limit = self.scope.limit
        budget = float(limit.monthly) if limit and self.comparable else 0.0
        return {"budget": budget, "spent": float(self.spent.quantize(Decimal("0.01"))), "share": round(self.share, 4)}


def told(environment: Spending, team: Spending) -> str:
    """Both in one sentence."""
    return "; ".join(one.text for one in (environment, team) if one.text) or "no budget is set"


def scope_of_environment(name: str, written: str) -> Scope:
    """The budget of an environment."""
    return Scope(f"environment/{name}", name, written)


def scope_of_team(ref: str, name: str, written: str) -> Scope:
    """The budget of a team; `ref` is its entity reference."""
    return Scope(f"team/{ref}", name, written)
