"""Costs are exact, and what is not known is never free."""

from __future__ import annotations

import dataclasses
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pave.model.module import Module
from pave.model.names import Address, Ref
from pave.model.price import Meter, Price, PriceSheet, Usage
from pave.model.reading import read_snapshot
from pave.plan.change import Action, Change
from pave.plan.cost import Cost, Tariffs, delta

LIBRARY = Path(__file__).parents[3] / "pave" / "library"
DAY = date(2026, 11, 24)
DB = Address.parse("dev/orders/db")


def price(sku: str, amount: str, unit: str = "Hours", **more: Any) -> tuple[Price, ...]:
    return (Price(Decimal(amount), unit, more.pop("currency", "USD"), sku, sku, **more),)


PRICES = {"hours": price("hours", "0.008"), "storage": price("storage", "0.1", "GB-Months")}
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


def tariffs(*modules: Module, sheets: tuple[PriceSheet, ...] = (), day: date = DAY) -> Tariffs:
    return Tariffs({one.name: one for one in modules or (POSTGRES,)}, {one.name: one for one in sheets}, day)


def cost(module: Module, inputs: dict[str, Any], **more: Any) -> Cost:
    bare = dataclasses.replace(module, digest="")  # nothing of another test is remembered
    return tariffs(bare, **more).cost(bare, inputs)


def change(action: Action, size: str = "small", module: str = "local/postgres") -> Change:
    return Change(DB, action, "postgres", module, inputs={"size": size})


def test_meters_times_prices() -> None:
    assert cost(POSTGRES, {"size": "small"}).monthly == Decimal("5.94")
    assert cost(POSTGRES, {"size": "large"}).monthly == Decimal("15.84")


def test_what_cannot_be_computed_is_unpriced_and_not_free() -> None:
    assert cost(POSTGRES, {"size": "odd"}).unpriced == ("local/postgres storage",)
    assert cost(POSTGRES, {}).unpriced == ("local/postgres storage",)
    bare = Module("local/x", "1.0.0", "x", "terraform", "m", "t", POSTGRES.owner)
    assert cost(bare, {}).unpriced == ("local/x",)


@pytest.mark.parametrize(
    "quantity", ["-1.0", "1.0 / 0.0", "true", "'much'", "1e300", "usage.nothing", "inputs.size + 1"]
)
def test_a_quantity_that_can_be_none_is_unpriced(quantity: str) -> None:
    odd = dataclasses.replace(POSTGRES, meters=(Meter("hours", quantity),))
    assert cost(odd, {"size": "small"}).unpriced == ("local/postgres hours",)
    assert cost(odd, {"size": "small"}).monthly == 0


def test_a_price_in_another_currency_is_never_added_up() -> None:
    euros = dataclasses.replace(POSTGRES, prices={**PRICES, "storage": price("storage", "0.1", currency="EUR")})
    found = cost(euros, {"size": "small"})
    assert (found.monthly, found.unpriced) == (Decimal("5.84"), ("local/postgres storage (EUR)",))


def test_a_price_is_good_on_its_days_only() -> None:
    before = price("hours", "1", valid_to=date(2026, 12, 31))
    after = price("hours", "2", valid_from=date(2027, 1, 1))
    module = dataclasses.replace(POSTGRES, meters=(Meter("hours", "1.0"),), prices={"hours": before + after})
    assert [cost(module, {}, day=day).monthly for day in (date(2026, 12, 31), date(2027, 1, 1))] == [1, 2]
    ended = dataclasses.replace(module, prices={"hours": before})
    assert cost(ended, {}, day=date(2027, 1, 1)).unpriced == ("local/postgres hours",)


def test_usage_gives_low_typical_and_high_and_the_typical_one_counts() -> None:
    usage = {"gb": Usage(Decimal(1), Decimal(10), Decimal(100))}
    meters = (Meter("hours", "730.0"), Meter("storage", "usage.gb"))
    found = cost(dataclasses.replace(POSTGRES, meters=meters, usage=usage), {})
    assert (found.low, found.monthly, found.high) == (Decimal("5.94"), Decimal("6.84"), Decimal("15.84"))
    assert found.text == "+6.84 USD per month (+5.94 to +15.84)"


def test_the_shadow_price_is_what_the_equivalent_would_cost() -> None:
    sheet = PriceSheet("aws/postgres", "RDS", "", (Meter("rds", "730.0"),), {"rds": price("rds", "0.016")})
    local = dataclasses.replace(POSTGRES, equivalent="aws/postgres")
    found = cost(local, {"size": "small"}, sheets=(sheet,))
    assert (found.monthly, found.shadow) == (Decimal("5.94"), Decimal("11.68"))
    assert found.text == "+5.94 USD per month, +11.68 in the cloud"
    unpriced = dataclasses.replace(sheet, prices={})
    unknown = cost(local, {"size": "small"}, sheets=(unpriced,))
    assert (unknown.shadow, unknown.shadow_unpriced) == (None, ("aws/postgres rds",))
    partly = dataclasses.replace(sheet, meters=(*sheet.meters, Meter("io", "1.0")))
    told = cost(local, {"size": "small"}, sheets=(partly,)).text
    assert told == "+5.94 USD per month, +11.68 in the cloud without aws/postgres io"
    assert cost(POSTGRES, {"size": "small"}).shadow is None


def test_a_change_costs_the_difference() -> None:
    before = {str(DB): {"size": "small"}}
    assert delta([change(Action.CREATE)], {}, tariffs()).text == "+5.94 USD per month"
    assert delta([change(Action.UPDATE, "large")], before, tariffs()).monthly == Decimal("9.9")
    assert delta([change(Action.DELETE)], before, tariffs()).text == "-5.94 USD per month"
    assert delta([change(Action.NONE)], before, tariffs()).monthly == 0
    assert "unpriced: aws/rds" in delta([change(Action.CREATE, module="aws/rds")], {}, tariffs()).text


def test_each_resource_has_its_own_cost() -> None:
    data = delta([change(Action.CREATE)], {}, tariffs()).as_data()
    assert [(one["address"], one["monthly"]) for one in data["resources"]] == [("dev/orders/db", "5.94")]


def test_the_same_is_computed_once_and_another_module_anew() -> None:
    assert tariffs().cost(POSTGRES, {"size": "small"}) is tariffs().cost(POSTGRES, {"size": "small"})
    dearer = dataclasses.replace(POSTGRES, digest="other", prices={**PRICES, "hours": price("hours", "1")})
    assert tariffs(dearer).cost(dearer, {"size": "small"}).monthly == Decimal("730.1")


def test_every_module_of_the_library_is_priced_and_has_an_equivalent_that_is(tree_of) -> None:
    files = {str(path.relative_to(LIBRARY)): path.read_bytes() for path in LIBRARY.rglob("*") if path.is_file()}
    snapshot = read_snapshot(tree_of(files), "x")
    assert [str(one) for one in snapshot.findings] == []
    offered = Tariffs.of(snapshot, DAY)
    for module in snapshot.modules.values():
        given = {name: one.default for name, one in module.inputs.items()}
        found = offered.cost(module, given)
        assert (found.unpriced, found.shadow_unpriced) == ((), ()), module.name
        assert found.shadow is not None, module.name
        assert found.low <= found.monthly <= found.high
    for sheet in snapshot.sheets.values():
        said = {one.said["x_PriceSource"] for rows in sheet.prices.values() for one in rows}
        assert said == {
            "list price of us-east-1 as known on 2026-11-24; neither fetched nor checked: put your own here"
        }
    assert {one.equivalent for one in snapshot.modules.values()} == set(snapshot.sheets)
