"""Costs: what there is costs a month, what it has cost so far, why, and all of it as FOCUS for other tools."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import zlib
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.costs import Group, report, settled
from pave.engine.judgement.spending import tariffs_of
from pave.engine.operations import Operation
from pave.model.diagnostics import Refused, Unknown, error
from pave.model.duration import duration, instant
from pave.model.names import Address
from pave.model.price import Tariff
from pave.observe import focus
from pave.observe.charges import ACTUAL, month_of
from pave.plan.cost import SCENARIOS, Line, rounded
from pave.request.roles import Verb

MOST_TEXT = 64 * 1024**2
_MOST_REFUSED = 100


class CostFilter(BaseModel):
    """Whose costs. A month's estimate is the typical one, of what is there now."""

    model_config = ConfigDict(extra="forbid")

    by: Literal["team", "service", "environment", "resource"] = Field(
        "service", description="team, service, environment or resource."
    )
    env: str = Field("", description="Only of this environment.")


class CostGroup(BaseModel):
    """The costs of one team, service, environment or resource. Amounts are exact, as text."""

    group: str
    resources: int
    monthly: str = Field(description="What is there costs so much a month, typically.")
    low: str
    high: str
    shadow: str | None = Field(None, description="The same in the cloud that the modules name.")
    so_far: str = Field(description="What it has cost this month, metered or billed.")
    projection: str = Field(description="What this month will come to, if all stays as it is.")
    budget: str = Field("", description="What it may cost a month.")
    reserved: str = Field("", description="What runs that are under way have reserved of it.")
    share: float | None = Field(None, description="How much of the budget is spent or reserved.")
    unpriced: list[str] = Field(default_factory=list, description="What the amounts do not contain.")


class CostReport(BaseModel):
    """Costs, the highest in front."""

    by: str
    currency: str
    since: datetime
    until: datetime
    groups: list[CostGroup]


class OneAddress(BaseModel):
    """Names a resource."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(description="environment/component/resource.")


class CostLine(BaseModel):
    """One SKU: quantity times price."""

    sku: str
    unit: str = ""
    unit_price: str = ""
    low: str = Field("", description="Quantity a month.")
    typical: str = ""
    high: str = ""
    monthly: str = Field("", description="The typical quantity times the price.")
    so_far: str = Field("", description="What it has cost this month.")
    source: str = Field("", description="Where the price is from.")
    unpriced: str = Field("", description="Why there is no amount.")


class CostExplained(BaseModel):
    """Why a resource costs what it costs, and what the same would cost in a cloud."""

    address: str
    module: str
    currency: str
    text: str
    lines: list[CostLine]
    equivalent: str = ""
    shadow: list[CostLine] = Field(default_factory=list)


class ExportFilter(BaseModel):
    """Which rows. By default what was this month; estimates are rows of the same shape, over a month."""

    model_config = ConfigDict(extra="forbid")

    since: str = Field("", description="From which day on, or how far back, such as 90d; empty: this month.")
    scenario: Literal["actual", "low", "typical", "high", "all"] = Field(
        "actual", description="actual, the estimates low, typical or high, or all."
    )


class CostExport(BaseModel):
    """A file in FOCUS 1.2, as CSV."""

    rows: int
    since: datetime
    until: datetime
    csv: str


class CostImport(BaseModel):
    """A cloud's export of its bill in FOCUS, taken over into the same table. Asked again, it counts once."""

    model_config = ConfigDict(extra="forbid")

    export: str = Field(
        description="The CSV file: its text, or gzip: and its bytes in base64.", json_schema_extra={"x-file": True}
    )
    name: str = Field("", max_length=200, description="What the file is called.")


class Imported(BaseModel):
    """What came of an import."""

    name: str
    taken: int
    cost: str = Field(description="The sum of what was taken.")
    currency: str
    refused: int
    problems: list[dict[str, Any]] = Field(default_factory=list, description="The first hundred, with line and reason.")


def _show(context: Context, given: CostFilter) -> CostReport:
    found = report(context.world, given.by, given.env)
    return CostReport(
        by=given.by,
        currency=found.currency,
        since=found.since,
        until=found.until,
        groups=[_group(one) for one in found.groups],
    )


def _group(one: Group) -> CostGroup:
    cost = one.cost
    return CostGroup(
        group=one.name,
        resources=one.resources,
        monthly=rounded(cost.monthly),
        low=rounded(cost.low),
        high=rounded(cost.high),
        shadow=None if cost.shadow is None else rounded(cost.shadow),
        so_far=rounded(one.so_far),
        projection=rounded(one.projection),
        budget=rounded(one.budget.monthly) if one.budget else "",
        reserved=rounded(one.spending.reserved) if one.spending and one.spending.reserved else "",
        share=round(one.spending.share, 4) if one.spending else None,
        unpriced=list(cost.unpriced),
    )


def _explain(context: Context, given: OneAddress) -> CostExplained:
    world, address = context.world, Address.parse(given.address)
    snapshot = world.snapshots.current()
    record = next((one for one in world.stacks.resources(address.stack) if one.address == address), None)
    module = snapshot.modules.get(record.module) if record else None
    if record is None or module is None:
        remedy = "`pave cost --by resource` names what there is."
        raise Unknown(error(f"There is no resource {given.address}", remedy=remedy, address=given.address))
    tariffs, (since, until) = tariffs_of(world, snapshot), month_of(world.clock.now())
    so_far: dict[str, Decimal] = {}
    for row in settled(world.charges.find(since, until, (ACTUAL,), str(address))):
        so_far[row.sku] = so_far.get(row.sku, Decimal(0)) + row.effective_cost
    other: Tariff | None = tariffs.equivalent(module)
    return CostExplained(
        address=str(address),
        module=module.name,
        currency=tariffs.currency,
        text=tariffs.cost(module, record.inputs).text,
        lines=[_line(one, rounded(so_far.get(one.sku, Decimal(0)))) for one in tariffs.lines(module, record.inputs)],
        equivalent=other.name if other else "",
        shadow=[_line(one) for one in tariffs.lines(other, record.inputs) if not _nothing(one)] if other else [],
    )


def _nothing(one: Line) -> bool:
    return one.quantities is not None and not any(one.quantities)


def _line(one: Line, so_far: str = "") -> CostLine:
    if one.price is None or one.quantities is None:
        return CostLine(sku=one.sku, so_far=so_far, unpriced=one.unpriced)
    low, typical, high = (focus.number(quantity) for quantity in one.quantities)
    return CostLine(
        sku=one.sku,
        unit=one.price.unit,
        unit_price=focus.number(one.price.amount),
        low=low,
        typical=typical,
        high=high,
        monthly=rounded(one.cost(1)),
        so_far=so_far,
        source=one.price.said.get("x_PriceSource", ""),
    )


def _export(context: Context, given: ExportFilter) -> CostExport:
    now = context.world.clock.now()
    since, until = month_of(now)
    if given.since:
        since = instant(given.since) if given.since[4:5] == "-" else now - duration(given.since)
    if since >= until:
        raise Refused(error(f"{given.since} is not in the past", remedy="Write how far back, like 30d, or a day."))
    scenarios: Iterable[str] = {"all": (ACTUAL, *SCENARIOS)}.get(given.scenario, (given.scenario,))
    found = context.world.charges.find(month_of(since)[0], until, tuple(scenarios))
    rows = settled(one for one in found if one.ends_at > since)
    return CostExport(rows=len(rows), since=since, until=until, csv=focus.write(rows))


def _import(context: Context, given: CostImport) -> Imported:
    world, snapshot = context.world, context.world.snapshots.current()
    name, currency = given.name or "export.csv", tariffs_of(world, snapshot).currency
    bill = focus.read(_text_of(given.export), name, currency)
    world.charges.put(bill.rows)
    total = sum((one.effective_cost for one in bill.rows), Decimal(0))
    world.events.emit(
        "cost.imported",
        "cost",
        actor=str(context.call.actor),
        name=name,
        taken=len(bill.rows),
        refused=len(bill.refused),
    )
    return Imported(
        name=name,
        taken=len(bill.rows),
        cost=rounded(total),
        currency=currency,
        refused=len(bill.refused),
        problems=[one.as_data() for one in bill.refused[:_MOST_REFUSED]],
    )


def _text_of(export: str) -> str:
    """The text of a file as it was sent. Raises `Refused` for what is none, or too much."""
    if not export.startswith("gzip:"):
        return export
    try:
        packed = base64.b64decode(export[5:], validate=True)
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            data = file.read(MOST_TEXT + 1)
        text = data.decode("utf-8-sig")
    except (binascii.Error, OSError, EOFError, zlib.error, UnicodeDecodeError) as problem:
        raise Refused(error(f"What was sent is no file: {problem}", remedy="Send CSV in UTF-8.")) from None
    if len(data) > MOST_TEXT:
        remedy = f"At most {MOST_TEXT // 1024**2} MB at once: export a month or a week by itself."
        raise Refused(error("The file is too large", remedy=remedy))
    return text


_READ: dict[str, Any] = {"scopes": ("stack:read",), "read_only": True, "verb": Verb.READ}

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="cost.show",
        summary="What it costs, by team, service, environment or resource",
        rest="GET /cost",
        cli="cost",
        input=CostFilter,
        output=CostReport,
        handler=_show,
        examples=("pave cost", "pave cost --by team", "pave cost --by environment"),
        **_READ,
    ),
    Operation(
        name="cost.explain",
        summary="Why a resource costs what it costs",
        rest="GET /cost/resources/{address:path}",
        cli="cost explain {address}",
        input=OneAddress,
        output=CostExplained,
        handler=_explain,
        examples=("pave cost explain dev/orders/db",),
        **_READ,
    ),
    Operation(
        name="cost.export",
        summary="Costs as a file in FOCUS 1.2, for other tools",
        rest="GET /cost/export",
        cli="cost export",
        input=ExportFilter,
        output=CostExport,
        handler=_export,
        examples=("pave cost export > costs.csv", "pave cost export --scenario all --since 90d > costs.csv"),
        **_READ,
    ),
    Operation(
        name="cost.import",
        summary="Take over a cloud's bill in FOCUS",
        rest="POST /cost/import",
        cli="cost import {export}",
        input=CostImport,
        output=Imported,
        handler=_import,
        scopes=("environment:write",),
        verb=Verb.ADMINISTER,
        examples=("pave cost import focus-2026-11.csv",),
    ),
)
