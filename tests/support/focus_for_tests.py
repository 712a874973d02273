"""A validator of FOCUS 1.2, dataset Cost and Usage: the rules of the specification, written down by themselves.

So what Pave writes is held against the specification and not against Pave's own list of columns.
"""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal
from typing import Any

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
    *("PricingCategory", "ConsumedQuantity", "ConsumedUnit", "ServiceSubcategory", "PricingCurrency"),
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
