"""Charts with what belongs to them: the data of a dashboard, and the marks that stand on every chart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pave.engine.world import World
from pave.model.dashboard import Chart, Dashboard
from pave.model.diagnostics import Refused, Unknown, error
from pave.model.names import Address
from pave.model.schema import nearest
from pave.observe.answering import aligned
from pave.observe.dashboards import Mark, alerted, delivered, of_service, questions, scaled, step_for
from pave.observe.series import Aggregation, Line, Question

_MOST_LINES = 20
_MOST_MARKS = 200


@dataclass(frozen=True)
class Charted:
    """One chart with its lines, each with the word of what was made of it; or why it could not be asked."""

    chart: Chart
    lines: tuple[tuple[str, Line], ...] = ()
    left_out: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Page:
    """A dashboard with its data, over one time."""

    dashboard: Dashboard
    since: datetime
    until: datetime
    step: timedelta
    charts: tuple[Charted, ...]
    marks: tuple[Mark, ...]


def dashboard_named(world: World, name: str) -> Dashboard:
    """A dashboard of the platform repository, or that of a stack. Raises `Unknown`."""
    written = world.snapshots.current().dashboards
    if name in written:
        return written[name]
    try:
        stack = Address.parse(name).stack
    except Refused:
        known = [*written, *(str(one.address) for one in world.stacks.all())]
        raise Unknown(
            error(f"There is no dashboard {name!r}", remedy=nearest(name, known) or "See them: pave dashboards.")
        ) from None
    return of_stack(world, stack)


def of_stack(world: World, stack: Address) -> Dashboard:
    """The dashboard that a stack has by itself. Raises `Unknown`."""
    if world.stacks.get(stack) is None:
        known = [str(one.address) for one in world.stacks.all()]
        raise Unknown(error(f"There is no stack {stack}", remedy=nearest(str(stack), known), address=str(stack)))
    labels = {"environment": stack.environment, "component": stack.component}
    names = world.metrics.names(labels, world.clock.now() - timedelta(days=2))
    return of_service(stack, (one.type for one in world.stacks.resources(stack)), names)


def page(world: World, dashboard: Dashboard, span: timedelta) -> Page:
    """The dashboard's charts over `span` up to now; steps begin at whole multiples, whoever looks."""
    step = step_for(span)
    since, until = aligned(world.clock.now(), span, step)
    charts = tuple(_charted(world, dashboard, one, (since, until, step)) for one in dashboard.charts)
    marks = [mark for stack in _stacks(world, dashboard) for mark in marks_of(world, stack, since, world.clock.now())]
    return Page(dashboard, since, until, step, charts, tuple(sorted(marks, key=lambda one: one.at)[-_MOST_MARKS:]))


def marks_of(world: World, stack: Address, since: datetime, until: datetime) -> list[Mark]:
    """What was deployed, scaled and alerted of a stack in this time."""
    where = {"environment": stack.environment, "component": stack.component}
    step = step_for(until - since)
    lines = world.metrics.ask(Question("workload_replicas", Aggregation.LAST, since, until, step, where))
    events = world.events.between(since, until, subject=str(stack), kind="alert.", limit=_MOST_MARKS)
    return [
        *delivered(world.deliveries.find(stack=stack, limit=_MOST_MARKS), since, until),
        *scaled(lines[0] if lines else None),
        *alerted((one.at, one.type, one.data) for one in events),
    ]


def _charted(world: World, dashboard: Dashboard, chart: Chart, over: tuple[datetime, datetime, timedelta]) -> Charted:
    found: list[tuple[str, Line]] = []
    try:
        for question in questions(dashboard, chart, *over):
            found += [(question.aggregation.value, line) for line in world.metrics.ask(question)]
    except Refused as refused:
        return Charted(chart, problem=refused.diagnostics[0].summary)
    return Charted(chart, tuple(found[:_MOST_LINES]), max(len(found) - _MOST_LINES, 0))


def _stacks(world: World, dashboard: Dashboard) -> Iterator[Address]:
    """The stacks that a dashboard is about; one that narrows nothing has no marks."""
    if dashboard.component or dashboard.environment:
        records = world.stacks.all(dashboard.environment, dashboard.component)
        yield from (one.address for one in records[:_MOST_LINES])
