"""What is exported is FOCUS 1.2, and what is no right line of a bill is refused alone.

The rules are those of the specification's Cost and Usage dataset, written down here once more and by themselves, so
that they hold what Pave writes against the specification and not against its own list.
"""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.model.price import Price
from pave.observe import focus
from pave.observe.charges import Charge, Place, Sample, counted, day_of, expected, month_of
from pave.plan.cost import Line

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
TEXT, NUMBER, MOMENT = "String", "Decimal", "Date/Time"
# FOCUS 1.2, Cost and Usage: the mandatory columns with their type, and whether they may be null.
MANDATORY = {
    "BilledCost": (NUMBER, False), "BillingAccountId": (TEXT, False), "BillingAccountName": (TEXT, True),
    "BillingCurrency": (TEXT, False), "BillingPeriodEnd": (MOMENT, False), "BillingPeriodStart": (MOMENT, False),
    "ChargeCategory": (TEXT, False), "ChargeClass": (TEXT, True), "ChargeDescription": (TEXT, True),
    "ChargePeriodEnd": (MOMENT, False), "ChargePeriodStart": (MOMENT, False), "ContractedCost": (NUMBER, False),
    "EffectiveCost": (NUMBER, False), "InvoiceIssuerName": (TEXT, False), "ListCost": (NUMBER, False),
    "PricingQuantity": (NUMBER, True), "PricingUnit": (TEXT, True), "ProviderName": (TEXT, False),
    "PublisherName": (TEXT, False), "ServiceCategory": (TEXT, False), "ServiceName": (TEXT, False),
}  # fmt: skip
OTHERS = {
    "AvailabilityZone", "BillingAccountType", "CapacityReservationId", "CapacityReservationStatus", "ChargeFrequency",
    "CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName", "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus", "CommitmentDiscountType", "CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit",
    "ContractedUnitPrice", "InvoiceId", "ListUnitPrice", "PricingCategory", "PricingCurrency",
    "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "RegionId",
    "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceSubcategory", "SkuId", "SkuMeter",
    "SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
}  # fmt: skip
NUMBERS = {"ConsumedQuantity", "ContractedUnitPrice", "ListUnitPrice"}
USED = (
    *("PricingQuantity", "PricingUnit", "ListUnitPrice", "ContractedUnitPrice", "SkuId", "SkuPriceId"),
    *("PricingCategory", "ConsumedQuantity", "ConsumedUnit"),
)
"""What is not null for usage that is no correction."""
ALLOWED = {
    "ChargeCategory": ("Usage", "Purchase", "Tax", "Credit", "Adjustment"),
    "ChargeClass": ("", "Correction"),
    "ChargeFrequency": ("One-Time", "Recurring", "Usage-Based"),
    "PricingCategory": ("", "Standard", "Dynamic", "Committed", "Other"),
}
DECIMAL = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?")
INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def violations(text: str) -> list[str]:
    """What a file has against FOCUS 1.2; empty for one that validates."""
    assert not text.startswith("\ufeff")
    reader = csv.DictReader(io.StringIO(text), strict=True)
    columns = list(reader.fieldnames or ())
    found = [f"{one} is missing" for one in MANDATORY if one not in columns]
    found += [f"{one} is no column" for one in columns if one not in {*MANDATORY, *OTHERS} and not one.startswith("x_")]
    found += [f"{one} is there twice" for one in set(columns) if columns.count(one) > 1]
    if found:
        return found
    for number, row in enumerate(reader, start=1):
        found += [f"row {number}: {one}" for one in _violations(row)]
    return found


def _violations(row: dict[str, Any]) -> list[str]:
    found = [said for column, value in row.items() for said in _wrong_type(column, value)]
    if row["ChargeCategory"] == "Usage":
        found += [f"{one} is null for usage" for one in USED if not row[one]]
    found += [column for column, allowed in ALLOWED.items() if row[column] not in allowed]
    if not re.fullmatch(r"[A-Z]{3}", row["BillingCurrency"]):
        found.append("BillingCurrency")
    for price, cost in (("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost")):
        if Decimal(row[price]) * Decimal(row["PricingQuantity"]) != Decimal(row[cost]):
            found.append(f"{price} × PricingQuantity is not {cost}")
        found += [f"{price} is negative"] if Decimal(row[price]) < 0 else []
    for one, other in (("ResourceId", "ResourceType"), ("SubAccountId", "SubAccountName"), ("RegionId", "RegionName")):
        found += [f"{one} without {other}"] if bool(row[one]) != bool(row[other]) else []
    found += [] if isinstance(json.loads(row["Tags"] or "{}"), dict) else ["Tags"]
    if not row["BillingPeriodStart"] <= row["ChargePeriodStart"] < row["ChargePeriodEnd"] <= row["BillingPeriodEnd"]:
        found.append("the charge period is not within the billing period")
    return found


def _wrong_type(column: str, value: str) -> list[str]:
    kind, nullable = MANDATORY.get(column, (NUMBER if column in NUMBERS else TEXT, True))
    found = [] if value or nullable else [f"{column} is null"]
    if value and kind == NUMBER and not DECIMAL.fullmatch(value):
        found.append(f"{column} {value} is no number")
    if value and kind == MOMENT and not INSTANT.fullmatch(value):
        found.append(f"{column} {value} is no moment")
    return [*found, f"{column} has space around it"] if value != value.strip() else found


def charges() -> list[Charge]:
    said = {"ServiceCategory": "Databases", "ServiceName": "PostgreSQL", "RegionId": "local", "x_PriceSource": "ours"}
    tags = {"owner": "group:default/payments", "service": "orders", "cost-center": "2000"}
    place = Place(Address.parse("dev/orders/db"), "postgres", tags["owner"], tags)
    odd = Price(Decimal("0.016700000001"), "GB-Months", "USD", "gb", "gb@2026-01-01", said=said)
    bare = Price(Decimal(0), "Hours", "USD", "hours", "hours", contracted=Decimal("0.1"))
    last = datetime(2026, 11, 30, 23, tzinfo=UTC)
    return [
        counted(None, Sample(place, odd, Decimal("0.013698630")), day_of(NOON), {"11": "0.013698630", "12": "0.1"}),
        counted(None, Sample(place, bare, Decimal(1)), day_of(last), {"23": "1"}),
        *expected(Line("gb", (Decimal("0.1"), Decimal("33.3"), Decimal("1e6")), odd), place, month_of(NOON), "run_1"),
    ]


def test_the_export_validates_as_focus_1_2() -> None:
    text = focus.write(charges())
    assert violations(text) == []
    assert len(MANDATORY) == 21
    assert set(focus.MANDATORY) == set(MANDATORY)
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [one["x_Scenario"] for one in rows] == ["actual", "actual", "low", "typical", "high"]
    assert rows[0]["ServiceCategory"] == "Databases"
    assert json.loads(rows[0]["Tags"])["cost-center"] == "2000"
    assert rows[4]["PricingQuantity"] == "1000000"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ListCost", "Cost"),
        (",USD,", ",dollars,"),
        (",Usage,", ",Use,"),
        ("2026-11-24T00:00:00Z", "2026-11-24"),
        ("0.016700000001", "0.0167"),
        (",Hours,", ",,"),
    ],
)
def test_the_validator_finds_what_is_wrong(old: str, new: str) -> None:
    assert violations(focus.write(charges()).replace(old, new))


def test_what_was_exported_can_be_imported_again() -> None:
    bill = focus.read(focus.write(charges()[:2]), "own.csv", "USD")
    assert bill.refused == ()
    assert [one.list_cost for one in bill.rows] == [one.list_cost for one in charges()[:2]]
    assert (bill.rows[0].component, bill.rows[0].owner) == ("orders", "group:default/payments")


ROW = {
    **dict.fromkeys(MANDATORY, ""),
    "BilledCost": "1.10", "EffectiveCost": "1.00", "ListCost": "1.20", "ContractedCost": "1.10",
    "BillingAccountId": "1234", "BillingCurrency": "USD", "BillingPeriodStart": "2026-11-01T00:00:00Z",
    "BillingPeriodEnd": "2026-12-01T00:00:00Z", "ChargeCategory": "Usage", "ChargeDescription": "an hour",
    "ChargePeriodStart": "2026-11-24T00:00:00Z", "ChargePeriodEnd": "2026-11-25T00:00:00Z",
    "InvoiceIssuerName": "AWS", "ProviderName": "AWS", "PublisherName": "AWS", "ServiceCategory": "Databases",
    "ServiceName": "Amazon RDS", "PricingQuantity": "24", "PricingUnit": "Hours", "ListUnitPrice": "0.05",
    "ResourceId": "arn:aws:rds:db-1", "SkuId": "S1", "SkuPriceId": "P1", "InvoiceId": "I-1",
    "Tags": '{"pave.dev/address": "prod/orders/db", "owner": "group:default/payments"}',
}  # fmt: skip


def bill(*changes: dict[str, str], currency: str = "USD") -> focus.Bill:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(ROW))
    writer.writeheader()
    writer.writerows({**ROW, **one} for one in changes)
    return focus.read(out.getvalue(), "november.csv", currency)


def test_a_bill_is_read_under_the_address_that_a_tag_names() -> None:
    (row,) = bill({}).rows
    assert (row.resource, row.environment, row.component) == ("prod/orders/db", "prod", "orders")
    assert (row.effective_cost, row.billed_cost, row.origin) == (Decimal("1.00"), Decimal("1.10"), "bill 1234")
    assert row.said["InvoiceId"] == "I-1"
    (bare,) = bill({"Tags": ""}).rows
    assert (bare.resource, bare.component) == ("arn:aws:rds:db-1", "")


def test_lines_that_agree_in_everything_are_told_apart_and_the_same_file_again_is_the_same() -> None:
    first, again = bill({}, {}, {"ChargeDescription": "another"}), bill({}, {}, {"ChargeDescription": "another"})
    assert len({one.line for one in first.rows}) == 3
    assert [one.line for one in first.rows] == [one.line for one in again.rows]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"BillingCurrency": "EUR"}, "billed in EUR, and the platform counts in USD"),
        ({"BillingCurrency": "euro"}, "is no currency"),
        ({"BilledCost": "much"}, "BilledCost 'much' is not a number"),
        ({"BilledCost": ""}, "BilledCost is empty"),
        ({"EffectiveCost": "NaN"}, "is no amount"),
        ({"EffectiveCost": "1e30"}, "is no amount"),
        ({"ListUnitPrice": "-0.05", "ListCost": "-1.2"}, "ListUnitPrice -0.05 is negative"),
        ({"ListCost": "9"}, "is not ListCost 9"),
        ({"PricingQuantity": ""}, "usage without a PricingQuantity"),
        ({"ChargePeriodStart": "yesterday"}, "is no time"),
        ({"ChargePeriodEnd": "2026-11-24T00:00:00Z"}, "ends before it begins"),
        ({"ChargeCategory": "Fun"}, "ChargeCategory 'Fun' is not allowed"),
        ({"ServiceCategory": "Fun"}, "ServiceCategory 'Fun' is not allowed"),
        ({"ProviderName": ""}, "ProviderName is empty"),
        ({"Tags": "{"}, "Tags are no JSON"),
    ],
)
def test_a_wrong_line_of_a_bill_is_refused_alone(change: dict[str, str], reason: str) -> None:
    found = bill({}, change, {})
    assert len(found.rows) == 2
    (problem,) = found.refused
    assert str(problem).startswith("november.csv:3: ")
    assert reason in str(problem)
    assert problem.remedy


def test_credits_taxes_and_corrections_are_taken() -> None:
    credit = {"ChargeCategory": "Credit", "PricingQuantity": "", "ListUnitPrice": "", "EffectiveCost": "-5"}
    correction = {"ChargeClass": "Correction", "ListCost": "-3"}
    found = bill(credit, correction)
    assert found.refused == ()
    assert found.rows[0].effective_cost == -5


def test_what_is_no_export_at_all_is_refused_whole() -> None:
    for text in ("", "a,b\n1,2\n", focus.write([]).replace("BilledCost", "Costs")):
        with pytest.raises(Refused, match=r"no export of FOCUS 1\.2: it lacks"):
            focus.read(text, "x.csv", "USD")


def test_a_line_that_is_torn_is_said() -> None:
    found = focus.read(focus.write(charges()[:1]) + '"torn', "x.csv", "USD")
    assert len(found.rows) == 1
    assert len(found.refused) == 1
    assert found.rows[0].ends_at - found.rows[0].starts_at == timedelta(days=1)
