"""Costs are exact, and what is not known is never free."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pave.model.diagnostics import Refused
from pave.model.module import Meter, Module, Price
from pave.model.module_file import read_module
from pave.model.names import Address, Ref
from pave.plan.change import Action, Change
from pave.plan.cost import delta, estimate

DB = Address.parse("dev/orders/db")
PRICES = {"hours": Price(Decimal("0.008"), "Hours", "USD"), "storage": Price(Decimal("0.1"), "GB-Months", "USD")}
SIZES = "{'small': 1.0, 'large': 100.0}[inputs.size]"
POSTGRES = Module(
    "local/postgres",
    "1.0.0",
    "postgres",
    "terraform",
    "modules/p",
    "tree",
    Ref.parse("group:platform"),
    meters=(Meter("hours", "730.0"), Meter("storage", SIZES)),
    prices=PRICES,
)
MODULES = {POSTGRES.name: POSTGRES}


def change(action: Action, size: str = "small", module: str = "local/postgres") -> Change:
    return Change(DB, action, "postgres", module, inputs={"size": size})


def test_meters_times_prices() -> None:
    assert estimate(POSTGRES, {"size": "small"}).monthly == Decimal("5.94")
    assert estimate(POSTGRES, {"size": "large"}).monthly == Decimal("15.84")


def test_what_cannot_be_computed_is_unpriced_and_not_free() -> None:
    assert estimate(POSTGRES, {"size": "odd"}).unpriced == ("local/postgres storage",)
    assert estimate(POSTGRES, {}).unpriced == ("local/postgres storage",)
    bare = Module("local/x", "1.0.0", "x", "terraform", "m", "t", POSTGRES.owner)
    assert estimate(bare, {}).unpriced == ("local/x",)


def test_a_change_costs_the_difference() -> None:
    before = {str(DB): {"size": "small"}}
    assert delta([change(Action.CREATE)], {}, MODULES).text == "+5.94 USD per month"
    assert delta([change(Action.UPDATE, "large")], before, MODULES).monthly == Decimal("9.9")
    assert delta([change(Action.DELETE)], before, MODULES).text == "-5.94 USD per month"
    assert delta([change(Action.NONE)], before, MODULES).monthly == 0
    assert "unpriced: aws/rds" in delta([change(Action.CREATE, module="aws/rds")], {}, MODULES).text


def test_every_module_of_the_library_is_priced() -> None:
    root = Path(__file__).parents[3] / "pave" / "library" / "modules"
    for folder in sorted(root.iterdir()):
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        module = read_module(files, f"modules/{folder.name}", "tree")
        inputs = {name: one.default for name, one in module.inputs.items()}
        assert estimate(module, inputs).unpriced == (), module.name


def test_a_line_that_is_no_price_is_refused_with_its_place() -> None:
    root = Path(__file__).parents[3] / "pave" / "library" / "modules" / "local-postgres"
    files = {path.name: path.read_bytes() for path in root.iterdir() if path.is_file()}
    broken = files | {"prices.csv": b"SkuId,PricingUnit,ListUnitPrice,BillingCurrency\na,Hours,free,USD\n"}
    with pytest.raises(Refused) as refused:
        read_module(broken, "modules/local-postgres", "tree")
    assert str(refused.value.diagnostics[0].source) == "modules/local-postgres/prices.csv:2"
