"""Charges as FOCUS 1.2 writes them (FinOps Open Cost and Usage Specification, dataset Cost and Usage), both ways.

Written are the 21 mandatory columns and those that Pave knows; list unit price times pricing quantity is the list cost
exactly. Read is any export with the mandatory columns; a row that cannot be right is refused alone, with its line.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from pave.model.diagnostics import Diagnostic, Refused, Source, error
from pave.model.duration import in_words
from pave.model.names import Address
from pave.model.price_file import SERVICE_CATEGORIES
from pave.observe.charges import ACTUAL, Charge, month_of

MANDATORY = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd"),
    *("BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd"),
    *("ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity"),
    *("PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
)
OTHERS = (
    *("BillingAccountType", "ChargeFrequency", "CommitmentDiscountStatus", "ConsumedQuantity", "ConsumedUnit"),
    *("ContractedUnitPrice", "InvoiceId", "ListUnitPrice", "PricingCategory", "PricingCurrency"),
    *("PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "RegionId"),
    *("RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceSubcategory", "SkuId", "SkuMeter"),
    *("SkuPriceDetails", "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags"),
    *("x_EstimateId", "x_Origin", "x_PriceSource", "x_Scenario"),
)
"""Written too: what usage has to have, and what FOCUS recommends."""
COLUMNS = (*MANDATORY, *OTHERS)
CHARGE_CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
ADDRESS_TAG = "pave.dev/address"
"""The tag by which a line of a bill names the resource of Pave's that it is about."""
_IN_PRICING_CURRENCY = (
    *("PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost"),
    "PricingCurrencyListUnitPrice",
)
_COSTS = ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost")
_HIGHEST = Decimal(10) ** 12
_SLACK = Decimal("0.01")
_IDENTITY = (
    *("BillingAccountId", "SubAccountId", "ResourceId", "SkuId", "SkuPriceId", "ChargeCategory", "ChargeClass"),
    *("ChargeDescription", "ChargePeriodStart", "ChargePeriodEnd", "ServiceName", "RegionId", "Tags"),
)
_CURRENCY = re.compile(r"[A-Z]{3}")


def write(rows: Iterable[Charge]) -> str:
    """A CSV file in UTF-8 with a header; a null is an empty field, a moment ends with Z, a number is exact."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", restval="", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        writer.writerow(as_row(row))
    return out.getvalue()


def as_row(one: Charge) -> dict[str, str]:
    """One charge by FOCUS's columns."""
    said = {key: value for key, value in one.said.items() if not key.startswith("tag:")}
    tags = {key[4:]: value for key, value in one.said.items() if key.startswith("tag:")}
    month = month_of(one.starts_at)
    quantity, unit = number(one.quantity), one.unit
    usual = {
        "BillingAccountId": "pave",
        "BillingAccountName": "Pave",
        "BillingAccountType": "Platform",
        "BillingPeriodStart": in_words(month[0]),
        "BillingPeriodEnd": in_words(month[1]),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ChargeDescription": f"{said.get('SkuMeter') or one.sku} of {one.resource}",
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit if quantity else "",
        "InvoiceIssuerName": "Pave",
        "PricingCategory": "Standard",
        "ProviderName": "Pave",
        "PublisherName": "Pave",
        "ResourceName": one.resource.rpartition("/")[2],
        "ServiceCategory": "Other",
        "ServiceName": said.get("ResourceType") or "Resource",
        "SkuMeter": one.sku,
        "SubAccountId": one.environment,
        "SubAccountName": one.environment,
        "SubAccountType": "Environment" if one.environment else "",
        "Tags": json.dumps(tags, sort_keys=True) if tags else "",
    }
    usual["ServiceSubcategory"] = f"Other ({said.get('ServiceCategory') or usual['ServiceCategory']})"
    prices = number(one.contracted_unit_price), number(one.effective_cost), number(one.list_unit_price)
    usual |= dict(zip(_IN_PRICING_CURRENCY, (one.currency, *prices), strict=True))  # which is the billing currency
    if said.get("RegionId"):
        usual["RegionName"] = said["RegionId"]
    return {
        **usual,
        **said,
        "BilledCost": number(one.billed_cost),
        "BillingCurrency": one.currency,
        "ChargePeriodStart": in_words(one.starts_at),
        "ChargePeriodEnd": in_words(one.ends_at),
        "ContractedCost": number(one.contracted_cost),
        "ContractedUnitPrice": number(one.contracted_unit_price),
        "EffectiveCost": number(one.effective_cost),
        "ListCost": number(one.list_cost),
        "ListUnitPrice": number(one.list_unit_price),
        "PricingQuantity": quantity,
        "PricingUnit": unit,
        "ResourceId": one.resource,
        "SkuId": one.sku,
        "SkuPriceId": one.price,
        "x_Origin": one.origin,
        "x_Scenario": one.scenario,
    }


def number(value: Decimal | None) -> str:
    """A number as FOCUS writes it: exact, without an exponent; empty for null."""
    if value is None:
        return ""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class Bill:
    """What was read of an export: the rows that are right, and why the others are not."""

    rows: tuple[Charge, ...]
    refused: tuple[Diagnostic, ...]


def read(text: str, file: str, currency: str) -> Bill:
    """An export of FOCUS that some cloud made. Raises `Refused` where it is none at all."""
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        columns = list(reader.fieldnames or ())
    except csv.Error as problem:
        raise Refused(error(f"{file} is no CSV: {problem}", remedy="Export it as CSV.")) from None
    if missing := [one for one in MANDATORY if one not in columns]:
        summary = f"{file} is no export of FOCUS 1.2: it lacks {', '.join(missing[:5])}"
        remedy = "Export cost and usage as FOCUS 1.0 or later, with all mandatory columns."
        raise Refused(error(summary, remedy=remedy, source=Source(file, 1)))
    rows, refused, seen = list[Charge](), list[Diagnostic](), Counter[str]()
    for row, line in _rows(reader):
        at = Source(file, line)
        try:
            if isinstance(row, csv.Error):
                raise Refused(error(f"this line cannot be read: {row}", remedy="Export it again."))  # noqa: TRY301 — one way for all that is wrong with a line
            rows.append(_charge(row, file, currency, seen))
        except Refused as problem:
            refused += [one.at(at) for one in problem.diagnostics]
    return Bill(tuple(rows), tuple(refused))


def _rows(reader: csv.DictReader[str]) -> Iterator[tuple[dict[str, Any] | csv.Error, int]]:
    while True:
        try:
            yield next(reader), reader.line_num
        except StopIteration:
            return
        except csv.Error as problem:
            yield problem, reader.line_num


def _charge(row: Mapping[str, Any], file: str, currency: str, seen: Counter[str]) -> Charge:
    if None in row or None in row.values():
        raise Refused(error("this line has not as many columns as the first one", remedy="Export it again."))
    said = {key: str(value).strip() for key, value in row.items()}
    _check_words(said, currency)
    starts, ends = (_moment(said, name) for name in ("ChargePeriodStart", "ChargePeriodEnd"))
    if starts >= ends:
        remedy = "Its start is included and its end is not, so the end is later."
        raise Refused(error("the charge period ends before it begins", remedy=remedy))
    billed, effective, listed, contracted = (_decimal(said, name, needed=True) for name in _COSTS)
    assert billed is not None
    assert effective is not None
    assert listed is not None
    assert contracted is not None
    quantity, unit_price = _decimal(said, "PricingQuantity"), _decimal(said, "ListUnitPrice")
    _check_product(said, quantity, unit_price, listed)
    identity = "\0".join(said.get(one, "") for one in _IDENTITY)
    seen[identity] += 1
    tags = _tags(said)
    address = _address(tags)
    return Charge(
        scenario=ACTUAL,
        origin=f"bill {said['BillingAccountId']}",
        resource=str(address or said.get("ResourceId", "")),
        sku=said.get("SkuId", ""),
        price=said.get("SkuPriceId", ""),
        starts_at=starts,
        ends_at=ends,
        currency=said["BillingCurrency"],
        unit=said["PricingUnit"],
        quantity=quantity,
        list_unit_price=unit_price,
        contracted_unit_price=_decimal(said, "ContractedUnitPrice"),
        list_cost=listed,
        contracted_cost=contracted,
        billed_cost=billed,
        effective_cost=effective,
        environment=address.environment if address else tags.get("environment", ""),
        component=address.component if address else tags.get("service", ""),
        owner=tags.get("owner", ""),
        line=hashlib.sha256(f"{identity}\0{seen[identity]}".encode()).hexdigest()[:24],
        said={key: value for key, value in said.items() if value and key not in _FIELDS} | {"x_ImportedFrom": file},
    )


_FIELDS = frozenset(
    {
        *_COSTS,
        *("BillingCurrency", "ChargePeriodStart", "ChargePeriodEnd", "ContractedUnitPrice", "ListUnitPrice"),
        *("PricingQuantity", "PricingUnit", "ResourceId", "SkuId", "SkuPriceId", "x_Origin", "x_Scenario"),
    }
)
"""Columns that a charge has a field for."""


def _check_words(said: Mapping[str, str], currency: str) -> None:
    found = said["BillingCurrency"]
    if not _CURRENCY.fullmatch(found):
        raise Refused(error(f"BillingCurrency {found[:40]!r} is no currency", remedy="It is three letters, as in USD."))
    if found != currency:
        remedy = f"Export it in {currency}; amounts of different currencies are not added up."
        raise Refused(error(f"it is billed in {found}, and the platform counts in {currency}", remedy=remedy))
    for column, allowed in (("ChargeCategory", CHARGE_CATEGORIES), ("ServiceCategory", SERVICE_CATEGORIES)):
        if said[column] not in allowed:
            remedy = f"FOCUS allows {', '.join(allowed)}."
            raise Refused(error(f"{column} {said[column][:40]!r} is not allowed", remedy=remedy))
    if said["ChargeClass"] not in ("", "null", "Correction"):
        raise Refused(error(f"ChargeClass {said['ChargeClass'][:40]!r} is not allowed", remedy="Null or Correction."))
    for column in ("BillingAccountId", "ProviderName", "PublisherName", "ServiceName", "InvoiceIssuerName"):
        if not said[column]:
            raise Refused(error(f"{column} is empty", remedy="FOCUS wants a value in it."))


def _check_product(
    said: Mapping[str, str], quantity: Decimal | None, unit_price: Decimal | None, listed: Decimal
) -> None:
    if said["ChargeClass"] == "Correction":
        return
    if said["ChargeCategory"] == "Usage" and quantity is None:
        raise Refused(error("it is usage without a PricingQuantity", remedy="FOCUS wants one for usage."))
    if unit_price is None or quantity is None:
        return
    if unit_price < 0:
        raise Refused(error(f"ListUnitPrice {unit_price} is negative", remedy="A price is 0 or more."))
    if abs(unit_price * quantity - listed) > max(_SLACK, abs(listed) * _SLACK):
        summary = f"ListUnitPrice {unit_price} times PricingQuantity {quantity} is not ListCost {listed}"
        raise Refused(error(summary, remedy="FOCUS wants it to be; one hundredth is let pass."))


def _decimal(said: Mapping[str, str], column: str, *, needed: bool = False) -> Decimal | None:
    text = said.get(column, "")
    if text in ("", "null", "NULL"):
        if needed:
            raise Refused(error(f"{column} is empty", remedy="FOCUS wants a number in it."))
        return None
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise Refused(error(f"{column} {text[:40]!r} is not a number", remedy="Write it like 12.5.")) from None
    if not found.is_finite() or abs(found) > _HIGHEST:
        raise Refused(error(f"{column} {text[:40]!r} is no amount of money or use", remedy="Export it again."))
    return found


def _moment(said: Mapping[str, str], column: str) -> datetime:
    text = said[column]
    try:
        found = datetime.fromisoformat(text.replace(" UTC", "Z"))
    except ValueError:
        remedy = "FOCUS writes moments like 2026-11-01T00:00:00Z."
        raise Refused(error(f"{column} {text[:40]!r} is no time", remedy=remedy)) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _tags(said: Mapping[str, str]) -> dict[str, str]:
    try:
        found = json.loads(said.get("Tags") or "{}")
    except ValueError:
        raise Refused(
            error("Tags are no JSON object", remedy='FOCUS writes them like {"owner": "payments"}.')
        ) from None
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else {}


def _address(tags: Mapping[str, str]) -> Address | None:
    try:
        return Address.parse(tags[ADDRESS_TAG]) if tags.get(ADDRESS_TAG) else None
    except Refused:
        return None
