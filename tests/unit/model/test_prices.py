"""Prices that can be none are refused where they are read: with file, line, reason and remedy."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from pave.model.diagnostics import Findings, Refused, Severity
from pave.model.price_file import is_unit, read_prices, read_usage
from pave.model.reading import read_snapshot

HEAD = "SkuId,PricingUnit,ListUnitPrice,BillingCurrency\n"
MODULE = """\
apiVersion: pave/v1
kind: Module
metadata: {name: local/%s, owner: group:platform, version: 1.0.0}
spec:
  provides: {type: postgres}
  engine: terraform
  meters: [{sku: hours, quantity: "%s"}]
"""
SHEET = """\
apiVersion: pave/v1
kind: PriceSheet
metadata: {name: aws/postgres, title: RDS}
spec: {meters: [{sku: hours, quantity: "730.0"}]}
"""
TEAM = """\
apiVersion: backstage.io/v1alpha1
kind: Group
metadata: {name: payments, annotations: {pave.dev/budget: %s}}
spec: {type: team, children: []}
"""
ENVIRONMENT = """\
apiVersion: pave/v1
kind: Environment
metadata: {name: dev}
spec: {kind: development, owner: group:payments, budget: %s per month}
"""


def refusals(text: str | bytes) -> list[str]:
    wrong = Findings()
    read_prices(text.encode() if isinstance(text, str) else text, "modules/a/prices.csv", wrong)
    return [str(one) for one in wrong]


@pytest.mark.parametrize(
    ("line", "reason", "remedy"),
    [
        ("a,Hours,-0.01,USD", "ListUnitPrice -0.01 is negative", "A price is 0 or more"),
        ("a,Hours,-1e-9,USD", "is negative", "0 or more"),
        ("a,Hours,1e9,USD", "is more than anything costs", "at most 1,000,000"),
        ("a,Hours,1E+999999,USD", "is more than anything costs", "smaller unit"),
        ("a,Hours,Infinity,USD", "is not finite", "0.016"),
        ("a,Hours,nan,USD", "is not finite", "0.016"),
        ("a,Hours,free,USD", "'free' is not a number", "with a point"),
        ('a,Hours,"1,5",USD', "'1,5' is not a number", "without separators"),
        ("a,Hours,0.0000000000001,USD", "more decimals", "at most 12"),
        ("a,Fortnights,1,USD", "PricingUnit 'Fortnights' is no unit", "FOCUS's"),
        ("a,hours,1,USD", "PricingUnit 'hours' is no unit", "Did you mean 'Hours'?"),
        ("a,Hours,1,dollars", "BillingCurrency 'dollars' is no currency", "three letters"),
        ("a,Hours,1,", "BillingCurrency is empty", "Each line needs"),
        (",Hours,1,USD", "SkuId is empty", "Each line needs"),
        ("a,Hours,1", "not as many columns", "every column"),
        ("a,Hours,1,USD,more", "not as many columns", "every column"),
    ],
)
def test_negative_or_absurd_prices(line: str, reason: str, remedy: str) -> None:
    (said,) = refusals(f"{HEAD}ok,Hours,1,USD\n{line}\n")
    assert said.startswith("modules/a/prices.csv:3")
    assert reason in said
    assert remedy in said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SkuId,PricingUnit,ListUnitPrice\na,Hours,1\n", "prices.csv:1: the column BillingCurrency is missing"),
        (HEAD.replace("SkuId", "SkuID") + "a,Hours,1,USD\n", "Did you mean 'SkuId'?"),
        (HEAD.replace("\n", ",Colour\n") + "a,Hours,1,USD,red\n", "the column 'Colour' is not known"),
        (HEAD.replace("\n", ",SkuId\n") + "a,Hours,1,USD,b\n", "the column SkuId is there twice"),
        (HEAD + "a,Hours,1,USD\na,Hours,2,USD\n", "prices.csv:3: a has another price for the same days"),
        (HEAD + 'a,Hours,1,USD\n"b,Hours', "cannot be read"),
        (b"SkuId,PricingUnit\n\xff\n", "prices.csv:2: modules/a/prices.csv is not UTF-8 text"),
        (HEAD.replace("\n", ",ServiceCategory\n") + "a,Hours,1,USD,Data\n", "ServiceCategory 'Data' is none of"),
        (HEAD.replace("\n", ",PricingCategory\n") + "a,Hours,1,USD,Dynamic\n", "cannot be estimated with"),
        (HEAD.replace("\n", ",ContractedUnitPrice\n") + "a,Hours,1,USD,-1\n", "ContractedUnitPrice -1 is negative"),
        (HEAD.replace("\n", ",x_ValidFrom,x_ValidTo\n") + "a,Hours,1,USD,2027-01-02,2027-01-01\n", "is before"),
        (HEAD.replace("\n", ",x_ValidFrom\n") + "a,Hours,1,USD,soon\n", "x_ValidFrom 'soon' is no day"),
    ],
)
def test_a_sheet_that_is_none_says_why(text: str | bytes, reason: str) -> None:
    assert any(reason in one for one in refusals(text)), refusals(text)


def test_currency_mismatch_within_a_module_is_refused_at_its_line() -> None:
    (said,) = refusals(HEAD + "a,Hours,1,USD\nb,Hours,1,EUR\n")
    assert said.startswith("modules/a/prices.csv:3: b is in EUR, and lines before it in USD")


def test_every_wrong_line_is_said_and_not_only_the_first() -> None:
    assert len(refusals(HEAD + "a,Hours,-1,USD\nb,Hours,much,USD\nc,Hours,1,USD\n")) == 2


def test_the_wider_set_of_columns_is_kept() -> None:
    wrong = Findings()
    head = HEAD.replace("\n", ",ServiceName,RegionId,ContractedUnitPrice,x_ValidFrom,x_ValidTo,x_PriceSource\n")
    text = head + "a,1000 Requests,0.5,USD,SQS,local,0.4,2026-01-01,2026-12-31,ours\n"
    (price,) = read_prices(text.encode(), "p", wrong)["a"]
    assert list(wrong) == []
    assert (price.amount, price.contracted, price.valid_to) == (Decimal("0.5"), Decimal("0.4"), date(2026, 12, 31))
    assert (price.id, price.said["RegionId"], price.said["x_PriceSource"]) == ("a@2026-01-01", "local", "ours")


@pytest.mark.parametrize(
    "unit", ["Hours", "GB-Months", "GiB-Hours", "Requests", "1000 Requests", "GB/Hour", "Units/3 Months"]
)
def test_units_of_focus_are_known(unit: str) -> None:
    assert is_unit(unit)


@pytest.mark.parametrize("unit", ["", "hrs", "GB Months", "GBs", "0 Requests", "GB-", "Hours-Hours-Hours", "GB/"])
def test_what_is_no_unit_is_not(unit: str) -> None:
    assert not is_unit(unit)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("gb: {low: 5, typical: 1, high: 10}", "gb is not in order"),
        ("gb: {low: -1, typical: 1, high: 10}", "spec.gb.low"),
        ("gb: {low: .nan, typical: .nan, high: .nan}", "gb"),
        ("gb: {low: 1, typical: 1, high: .inf}", "gb"),
        ("gb: {low: 1, high: 2}", "'typical' is missing"),
        ("GB: {low: 1, typical: 1, high: 2}", "cannot be used as a name"),
    ],
)
def test_usage_that_is_none_is_refused(spec: str, reason: str) -> None:
    with pytest.raises(Refused) as caught:
        read_usage(f"apiVersion: pave/v1\nkind: Usage\nspec:\n  {spec}\n".encode(), "usage.yaml")
    assert reason in str(caught.value)


def platform(tree_of, **more: str) -> list[str]:
    files = {
        "catalog/teams.yaml": TEAM % "50 USD per month",
        "environments/dev.yaml": ENVIRONMENT % "200 USD",
        "modules/one/module.yaml": MODULE % ("one", "730.0"),
        "modules/one/main.tf": "",
        "modules/one/prices.csv": HEAD + "hours,Hours,1,USD\n",
        "catalog/platform.yaml": (TEAM % "50 USD per month").replace("payments", "platform"),
        **{path.replace("__", "/"): text for path, text in more.items()},
    }
    found = read_snapshot(tree_of(files), "x")
    return [str(one) for one in found.findings if one.severity is Severity.ERROR]


def test_a_platform_in_one_currency_is_right(tree_of) -> None:
    assert platform(tree_of) == []


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        (
            "environments/dev.yaml",
            ENVIRONMENT % "200 EUR",
            "environments/dev.yaml (spec.budget): the budget of dev is in EUR",
        ),
        ("catalog/teams.yaml", TEAM % "50 EUR per month", "the budget of group:payments is in EUR"),
        ("catalog/teams.yaml", TEAM % "'-50 USD per month'", "'-50 USD per month' is no budget"),
        ("catalog/teams.yaml", TEAM % "a lot", "'a lot' is no budget"),
        ("prices/aws/sheet.yaml", SHEET, ""),
        ("prices/aws/prices.csv", HEAD, "prices/aws holds no sheet.yaml"),
    ],
)
def test_currency_mismatch_within_a_platform_is_said_where_it_is_written(
    tree_of, path: str, text: str, said: str
) -> None:
    found = platform(tree_of, **{path: text})
    assert said in " ".join(found)
    assert bool(found) == bool(said)


def test_a_module_in_another_currency_than_most_is_said(tree_of) -> None:
    more = {
        **{f"modules/{name}/main.tf": "" for name in ("two", "three")},
        **{f"modules/{name}/module.yaml": MODULE % (name, "730.0") for name in ("two", "three")},
        "modules/two/prices.csv": HEAD + "hours,Hours,1,USD\n",
        "modules/three/prices.csv": HEAD + "hours,Hours,1,EUR\n",
    }
    (said,) = platform(tree_of, **more)
    assert said.startswith("modules/three/prices.csv: local/three has prices in EUR, and the platform counts in USD")


def test_an_equivalent_that_is_not_there_is_said(tree_of) -> None:
    sheet = {"prices/aws/sheet.yaml": SHEET, "prices/aws/prices.csv": HEAD + "hours,Hours,2,USD\n"}
    module = MODULE % ("one", "730.0")
    assert platform(tree_of, **sheet, **{"modules/one/module.yaml": module + "  equivalent: aws/postgres\n"}) == []
    (said,) = platform(tree_of, **sheet, **{"modules/one/module.yaml": module + "  equivalent: aws/postgre\n"})
    assert "Did you mean 'aws/postgres'?" in said


def test_a_meter_may_speak_only_of_usage_that_is_described(tree_of) -> None:
    (said,) = platform(tree_of, **{"modules/one/module.yaml": MODULE % ("one", "usage.gb")})
    assert "modules/one/module.yaml" in said
    assert "the meter speaks of usage.gb, which is not there" in said
