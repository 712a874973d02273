"""Dashboards: those of the platform repository, and the one that every stack has by itself; shown and exported."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Nothing, Operation
from pave.engine.registry.metrics import LineView, line_view, span_of
from pave.engine.signals.charting import Charted, dashboard_named, page
from pave.observe.promql import grafana, rules
from pave.request.roles import Verb

_NAME = Field(description="The name of a dashboard, or a stack such as dev/orders for its own.")


class DashboardSummary(BaseModel):
    """One dashboard. One that is `written` stands in the platform repository; the others are made by themselves."""

    name: str
    title: str
    owner: str = ""
    charts: int | None = Field(None, description="How many; what a stack's own has depends on what it needs.")
    written: bool = False


class DashboardList(BaseModel):
    """All dashboards."""

    dashboards: list[DashboardSummary]


class OneDashboard(BaseModel):
    """Which dashboard, over which time."""

    model_config = ConfigDict(extra="forbid")

    name: str = _NAME
    since: str = Field("1h", description="How far back, such as 30m, 24h or 30d.")


class ExportDashboard(BaseModel):
    """Which dashboard, for what."""

    model_config = ConfigDict(extra="forbid")

    name: str = _NAME
    format: Literal["grafana", "prometheus"] = Field(
        "grafana", description="grafana: a dashboard as JSON; prometheus: a file of recording rules."
    )


class ChartView(BaseModel):
    """One chart with its lines."""

    title: str
    unit: str = ""
    metric: str
    by: list[str] = []
    lines: list[LineView] = []
    left_out: int = Field(0, description="Lines beyond those that are shown.")
    problem: str = Field("", description="Why it could not be asked.")


class MarkView(BaseModel):
    """Something that happened: a deployment, failure, rollback, scale or alert."""

    at: datetime
    kind: str
    text: str
    run: str = ""


class DashboardView(BaseModel):
    """A page of charts over one time. Every line has a value a step; the last step ends at `until`."""

    name: str
    title: str
    since: datetime
    until: datetime
    step: float = Field(description="Seconds between two values.")
    charts: list[ChartView]
    marks: list[MarkView]


class ExportView(BaseModel):
    """A file for another tool."""

    file: str
    text: str


def _list(context: Context, _: Nothing) -> DashboardList:
    written = context.world.snapshots.current().dashboards.values()
    found = [
        DashboardSummary(
            name=one.name,
            title=one.title,
            owner=one.owner.short if one.owner else "",
            charts=len(one.charts),
            written=True,
        )
        for one in sorted(written, key=lambda one: one.name)
    ]
    found += [
        DashboardSummary(
            name=str(one.address), title=f"{one.address.component} in {one.address.environment}", owner=one.owner
        )
        for one in context.world.stacks.all()
    ]
    return DashboardList(dashboards=found)


def _show(context: Context, given: OneDashboard) -> DashboardView:
    found = page(context.world, dashboard_named(context.world, given.name), span_of(given.since))
    return DashboardView(
        name=found.dashboard.name,
        title=found.dashboard.title,
        since=found.since,
        until=found.until,
        step=found.step.total_seconds(),
        charts=[_chart(one) for one in found.charts],
        marks=[MarkView(at=one.at, kind=one.kind, text=one.text, run=one.run) for one in found.marks],
    )


def _chart(one: Charted) -> ChartView:
    return ChartView(
        title=one.chart.title,
        unit=one.chart.unit,
        metric=one.chart.metric,
        by=list(one.chart.by),
        lines=[line_view(line, word) for word, line in one.lines],
        left_out=one.left_out,
        problem=one.problem,
    )


def _export(context: Context, given: ExportDashboard) -> ExportView:
    dashboard = dashboard_named(context.world, given.name)
    name = dashboard.name.replace("/", "-")
    if given.format == "grafana":
        return ExportView(file=f"{name}.json", text=json.dumps(grafana(dashboard), indent=2) + "\n")
    return ExportView(file=f"{name}.rules.yaml", text=yaml.safe_dump(rules([dashboard]), sort_keys=False, width=1000))


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="dashboard.list",
        summary="All dashboards: those that were written, and the one that each stack has by itself",
        rest="GET /dashboards",
        cli="dashboards",
        input=Nothing,
        output=DashboardList,
        handler=_list,
        scopes=("stack:read",),
        verb=Verb.READ,
        read_only=True,
    ),
    Operation(
        name="dashboard.show",
        summary="A dashboard with its data, and marks for what was deployed, scaled and alerted",
        rest="GET /dashboards/{name:path}",
        cli="dashboard {name}",
        input=OneDashboard,
        output=DashboardView,
        handler=_show,
        scopes=("stack:read",),
        verb=Verb.READ,
        read_only=True,
        live=True,
        examples=(
            "pave dashboard dev/orders",
            "pave dashboard dev/orders --since 24h",
            "pave dashboard dev/orders --watch",
        ),
    ),
    Operation(
        name="dashboard.export",
        summary="A dashboard as a file for Grafana, or as Prometheus' recording rules",
        rest="GET /dashboard-files/{name:path}",
        cli="export-dashboard {name}",
        input=ExportDashboard,
        output=ExportView,
        handler=_export,
        scopes=("stack:read",),
        verb=Verb.READ,
        read_only=True,
        examples=("pave export-dashboard dev/orders --format prometheus > orders.rules.yaml",),
    ),
)
