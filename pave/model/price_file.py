"""Reads `prices.csv`, `usage.yaml` and `sheet.yaml`: what things cost, refused where it cannot be a price.

Columns of a price sheet are those of FOCUS 1.2 (FinOps Open Cost and Usage Specification), and others that begin with
`x_`. Needed are SkuId, PricingUnit, ListUnitPrice and BillingCurrency. Every line that is refused says why and how.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from pave.model import own_format
from pave.model.diagnostics import Findings, Refused, Source, error
from pave.model.document import Document
from pave.model.price import Meter, Price, Prices, PriceSheet, Usage
from pave.model.schema import nearest

NEEDED = ("SkuId", "PricingUnit", "ListUnitPrice", "BillingCurrency")
COLUMNS = (
    *NEEDED,
    *("ProviderName", "PublisherName", "ServiceCategory", "ServiceSubcategory", "ServiceName", "SkuPriceId"),
    *("SkuMeter", "SkuPriceDetails", "PricingCategory", "ContractedUnitPrice", "RegionId", "RegionName"),
)
"""What a price sheet may say, besides `x_…`."""
SERVICE_CATEGORIES = (
    *("AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases", "Developer Tools"),
    *("Multicloud", "Identity", "Integration", "Internet of Things", "Management and Governance", "Media"),
    *("Migration", "Mobile", "Networking", "Security", "Storage", "Web", "Other"),
)
HIGHEST_PRICE = Decimal(1_000_000)
"""For one unit; what costs more was meant otherwise."""
MOST_DECIMALS = 12
MOST_LINES = 10_000
_TIMES = ("Year", "Month", "Day", "Hour", "Minute", "Second")
_SIZES = ("B", *(f"{letter}{end}" for letter in "KMGTPE" for end in ("B", "iB")))
_COUNTS = (
    *("Count", "Unit", "Request", "Token", "Connection", "Certificate", "Domain", "Core", "Instance", "Message"),
    *("Query", "Object", "User", "Event", "Execution", "Zone", "Address", "License", "Key", "Image"),
)
_CURRENCY = re.compile(r"[A-Z]{3}")
_COUNTED = re.compile(r"^(?:[1-9]\d{0,8} )?(.+)$")


def _plural(unit: str) -> str:
    return unit[:-1] + "ies" if unit.endswith("y") else f"{unit}es" if unit.endswith("s") else f"{unit}s"


_BASES = frozenset((*_SIZES, *(form for one in (*_TIMES, *_COUNTS) for form in (one, _plural(one)))))


def is_unit(text: str) -> bool:
    """Whether `text` is a unit of FOCUS: `Hours`, `GB-Months`, `Requests`, `1000 Requests`, `GB/Hour`."""
    counted = _COUNTED.match(text)
    if counted is None:
        return False
    above, slash, below = counted[1].partition("/")
    parts = above.split("-")
    under = _COUNTED.match(below)
    divided = not slash or (under is not None and under[1] in _BASES)
    return divided and len(parts) <= 2 and all(part in _BASES for part in parts)


def read_prices(data: bytes, file: str, wrong: Findings) -> Prices:
    """The price sheet in `data`; what is wrong goes to `wrong`, each with its line."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        wrong.add(error(f"{file} is not UTF-8 text", remedy="Save it as UTF-8.", source=Source(file, line)))
        return {}
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    found: dict[str, list[Price]] = {}
    try:
        if not text.strip() or not _columns_right(reader.fieldnames or (), file, wrong):
            return {}
        for count, row in enumerate(reader):
            at = Source(file, reader.line_num)
            if count >= MOST_LINES:
                remedy = f"A sheet has at most {MOST_LINES} lines: keep what is used."
                wrong.add(error(f"{file} is too long", remedy=remedy, source=at))
                break
            _take(row, at, found, wrong)
    except csv.Error as problem:
        remedy = "Save it as CSV: commas between the columns, double quotes around text that has one."
        wrong.add(error(f"this line cannot be read: {problem}", remedy=remedy, source=Source(file, reader.line_num)))
    return {sku: tuple(rows) for sku, rows in found.items()}


def _columns_right(columns: Any, file: str, wrong: Findings) -> bool:
    at, before = Source(file, 1), len(wrong.errors)
    for one in columns:
        if one not in COLUMNS and not one.startswith("x_"):
            remedy = f"{nearest(one, COLUMNS)} Columns of one's own begin with x_."
            wrong.add(error(f"the column {one[:60]!r} is not known", remedy=remedy, source=at))
    for one in sorted({one for one in columns if list(columns).count(one) > 1}):
        wrong.add(error(f"the column {one} is there twice", remedy="Keep one of them.", source=at))
    if missing := [one for one in NEEDED if one not in columns]:
        remedy = f"A price sheet begins with the line {','.join(NEEDED)}"
        wrong.add(error(f"the column {missing[0]} is missing", remedy=remedy, source=at))
    return len(wrong.errors) == before


def _take(row: Mapping[str, Any], at: Source, found: dict[str, list[Price]], wrong: Findings) -> None:
    """Add the price of one line, or say what is wrong with it."""
    try:
        price = _price(row)
    except Refused as refused:
        wrong.extend(one.at(at) for one in refused.diagnostics)
        return
    others = [one for rows in found.values() for one in rows]
    if others and others[0].currency != price.currency:
        remedy = f"Give all prices of a module in one currency, here {others[0].currency}."
        summary = f"{price.sku} is in {price.currency}, and lines before it in {others[0].currency}"
        wrong.add(error(summary, remedy=remedy, source=at))
        return
    if any(price.overlaps(one) for one in found.get(price.sku, ())):
        remedy = "Keep one of them, or say with x_ValidFrom and x_ValidTo when each is good."
        wrong.add(error(f"{price.sku} has another price for the same days", remedy=remedy, source=at))
        return
    if price.id in {one.id for one in others}:
        remedy = "Give each price an id of its own in SkuPriceId."
        wrong.add(error(f"the price {price.id} is there twice", remedy=remedy, source=at))
        return
    found.setdefault(price.sku, []).append(price)


def _price(row: Mapping[str, Any]) -> Price:
    if None in row or None in row.values():
        raise Refused(error("this line has not as many columns as the first one", remedy="Give every column a value."))
    said = {key: str(value).strip() for key, value in row.items() if str(value).strip()}
    missing = [one for one in NEEDED if one not in said]
    if missing:
        raise Refused(error(f"{missing[0]} is empty", remedy=f"Each line needs {', '.join(NEEDED)}."))
    unit, currency, category = said["PricingUnit"], said["BillingCurrency"], said.get("ServiceCategory", "Other")
    if not is_unit(unit):
        remedy = f"{nearest(unit, ['Hours', 'GB-Months', 'GB-Hours', 'Requests', 'GB', 'Months'])} Units are FOCUS's."
        raise Refused(error(f"PricingUnit {unit[:40]!r} is no unit", remedy=remedy))
    if not _CURRENCY.fullmatch(currency):
        raise Refused(error(f"BillingCurrency {currency[:40]!r} is no currency", remedy="Write three letters: USD."))
    if category not in SERVICE_CATEGORIES:
        remedy = nearest(category, SERVICE_CATEGORIES)
        raise Refused(error(f"ServiceCategory {category[:40]!r} is none of FOCUS's", remedy=remedy))
    if (kind := said.get("PricingCategory", "Standard")) != "Standard":
        remedy = "Write Standard: committed and dynamic prices are known only once they are billed."
        raise Refused(error(f"PricingCategory {kind[:40]!r} cannot be estimated with", remedy=remedy))
    since, until = (_day(said, name) for name in ("x_ValidFrom", "x_ValidTo"))
    if since and until and since > until:
        raise Refused(error("x_ValidTo is before x_ValidFrom", remedy="Write the first day and the last one."))
    contracted = "ContractedUnitPrice"
    sku = said["SkuId"]
    own = f"{sku}@{since}" if since else sku
    return Price(
        amount=amount(said["ListUnitPrice"], "ListUnitPrice"),
        unit=unit,
        currency=currency,
        sku=sku,
        id=said.get("SkuPriceId", own),
        contracted=amount(said[contracted], contracted) if contracted in said else None,
        valid_from=since,
        valid_to=until,
        said={key: value for key, value in said.items() if key not in NEEDED},
    )


def amount(text: str, column: str) -> Decimal:
    """A price as it is written. Raises `Refused` for what can be none."""
    shown = text[:40]
    try:
        found = Decimal(text)
    except InvalidOperation:
        remedy = "Write a number with a point and without separators, such as 0.016."
        raise Refused(error(f"{column} {shown!r} is not a number", remedy=remedy)) from None
    if not found.is_finite():
        raise Refused(error(f"{column} {shown!r} is not finite", remedy="Write what one unit costs, such as 0.016."))
    if found < 0:
        remedy = "A price is 0 or more; discounts belong into ContractedUnitPrice."
        raise Refused(error(f"{column} {shown} is negative", remedy=remedy))
    if found > HIGHEST_PRICE:
        remedy = f"One unit costs at most {HIGHEST_PRICE:,}; choose a smaller unit."
        raise Refused(error(f"{column} {shown} is more than anything costs", remedy=remedy))
    _, digits, exponent = found.as_tuple()
    if isinstance(exponent, int) and exponent < -MOST_DECIMALS:
        remedy = f"Write at most {MOST_DECIMALS} decimals, or choose a larger unit."
        raise Refused(error(f"{column} {shown} has more decimals than are counted with", remedy=remedy))
    return found if digits != (0,) else Decimal(0)


def _day(said: Mapping[str, str], column: str) -> date | None:
    if column not in said:
        return None
    try:
        return date.fromisoformat(said[column])
    except ValueError:
        remedy = "Write a day such as 2027-01-31."
        raise Refused(error(f"{column} {said[column][:40]!r} is no day", remedy=remedy)) from None


def read_usage(data: bytes, file: str) -> Mapping[str, Usage]:
    """The quantities that `usage.yaml` calls low, typical and high. Raises `Refused` with all that is wrong."""
    document = own_format.read(data, file, "Usage")
    wrong, found = Findings(), {}
    for name, said in document.data["spec"].items():
        low, typical, high = (Decimal(str(said[part])) for part in ("low", "typical", "high"))
        if low.is_nan() or typical.is_nan() or high.is_nan() or not low <= typical <= high:
            remedy = "low is at most typical, and typical at most high."
            wrong.add(document.error(("spec", name), f"{name} is not in order", remedy=remedy))
        found[name] = Usage(low, typical, high, said.get("description", ""))
    wrong.refuse_if_any()
    return found


def read_meters(document: Document, usage: Mapping[str, Usage], wrong: Findings) -> tuple[Meter, ...]:
    """The meters at `spec.meters`; those that speak of a usage that nobody describes are refused."""
    meters = tuple(Meter(one["sku"], one["quantity"]) for one in document.data["spec"].get("meters", ()))
    for number, one in enumerate(meters):
        for name in sorted(set(_USAGE.findall(one.quantity)) - set(usage)):
            at = ("spec", "meters", number, "quantity")
            remedy = nearest(name, list(usage)) or "Say how much is usual in usage.yaml."
            wrong.add(document.error(at, f"the meter speaks of usage.{name}, which is not there", remedy=remedy))
    return meters


_USAGE = re.compile(r"\busage\.([A-Za-z_]\w*)")


def read_sheet(files: Mapping[str, bytes], path: str, digest: str) -> PriceSheet:
    """A price sheet with its meters, in the folder `path`. Raises `Refused` with all that is wrong."""
    if "sheet.yaml" not in files:
        remedy = f"Add {path}/sheet.yaml, or remove the folder."
        raise Refused(error(f"{path} holds no sheet.yaml", remedy=remedy, source=Source(path)))
    document = own_format.read(files["sheet.yaml"], f"{path}/sheet.yaml", "PriceSheet")
    wrong = Findings()
    usage = read_usage(files["usage.yaml"], f"{path}/usage.yaml") if "usage.yaml" in files else {}
    meters = read_meters(document, usage, wrong)
    prices = read_prices(files.get("prices.csv", b""), f"{path}/prices.csv", wrong)
    wrong.refuse_if_any()
    metadata = document.data["metadata"]
    return PriceSheet(metadata["name"], metadata["title"], digest, meters, prices, usage, path)
