"""What is exported is FOCUS 1.2, and what is no right line of a bill is refused alone.

The validator is in `tests/support/focus_for_tests.py`, made from the specification and not from Pave's own lists.
"""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from focus_for_tests import MANDATORY, violations

from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.model.price import Price
from pave.observe import focus
from pave.observe.charges import Charge, Place, Sample, counted, day_of, expected, month_of
from pave.plan.cost import Line

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


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
