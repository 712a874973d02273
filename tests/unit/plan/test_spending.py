"""Budgets: what a change would use up, and what cannot be compared."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pave.model.budget import Budget
from pave.model.diagnostics import Refused
from pave.plan.spending import NONE_LEFT, Spending, scope_of_environment, told


def spending(written: str, change: str, there: str = "0", reserved: str = "0") -> Spending:
    scope = scope_of_environment("dev", written)
    return Spending(scope, "USD", Decimal(there), Decimal(reserved), Decimal(change))


@pytest.mark.parametrize(
    ("text", "monthly"),
    [
        ("200 USD per month", "200.00"),
        ("12 USD per year", "1.00"),
        ("1 USD per day", "30.42"),
        ("7 USD per week", "30.42"),
        ("0.5 USD per month", "0.50"),
    ],
)
def test_budgets_are_counted_by_the_month(text: str, monthly: str) -> None:
    assert Budget.parse(text) == Budget(Decimal(monthly), "USD")


@pytest.mark.parametrize("text", ["", "200", "200 USD", "-1 USD per month", "1e3 USD per month", "200 usd per month"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="200 USD per month"):
        Budget.parse(text)


def test_what_is_there_what_is_reserved_and_the_change_count() -> None:
    found = spending("100 USD per month", "30", there="50", reserved="20")
    assert found.as_data() == {"budget": 100.0, "spent": 100.0, "share": 1.0}
    assert found.text == "dev would spend 100.00 of 100.00 USD a month, 20.00 of it reserved by other runs"


def test_without_a_budget_nothing_is_spent_of_it() -> None:
    found = spending("", "30")
    assert (found.share, found.text) == (0.0, "")
    assert told(found, found) == "no budget is set"


@pytest.mark.parametrize("written", ["100 EUR per month", "much"])
def test_currency_mismatch_leaves_nothing(written: str) -> None:
    found = spending(written, "0.01")
    assert found.share == NONE_LEFT
    assert "cannot be compared with USD" in found.text


def test_a_budget_of_nothing_is_one() -> None:
    assert spending("0 USD per month", "0.01").share == NONE_LEFT
    assert spending("0 USD per month", "0").share == 0.0
