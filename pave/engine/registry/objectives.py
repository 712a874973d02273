"""Objectives of stacks: what is left of their error budgets, and how fast they burn."""

from __future__ import annotations

import contextlib
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context, address_of
from pave.engine.operations import Nothing, Operation
from pave.engine.registry.dashboards import ExportView
from pave.engine.signals.watching import Watch, slos_of
from pave.model.alert import SLO, Target
from pave.model.alert_file import in_words
from pave.model.diagnostics import Refused, Unknown, error
from pave.model.names import Address
from pave.model.schema import nearest
from pave.observe import burn
from pave.observe.alert_rules import Answers
from pave.observe.promql import alerting_rules
from pave.plan.wanted import deployment_of
from pave.request.roles import Verb

_STEPS = 30
"""Parts in which an objective's own window is asked, so that what was not measured yet is no part of it."""


class SloView(BaseModel):
    """An objective of one stack, and how it stands."""

    state: str = Field(description="kept, burning, spent or unknown (no requests were measured).")
    stack: str
    name: str
    objective: str = Field(description="The share of good requests that is wanted, and what a good one is.")
    good: str = Field("", description="The share of good requests in the window.")
    left: str = Field("", description="What is left of the error budget.")
    burn: float | None = Field(None, description="Times the rate that just spends the budget, over an hour.")
    window: str = ""
    requests: int = 0


class SloList(BaseModel):
    """All objectives."""

    slos: list[SloView]


class SloFilter(BaseModel):
    """Which objectives."""

    model_config = ConfigDict(extra="forbid")

    env: str = Field("", description="Only in this environment.")
    component: str = Field("", description="Only of this component.")


class OneSlo(BaseModel):
    """Names an objective of a stack."""

    model_config = ConfigDict(extra="forbid")

    stack: str = Field(description="The stack, such as prod/orders.")
    name: str = Field("availability", description="The objective.")


class BurnView(BaseModel):
    """One pair of windows; both have to be over what is allowed."""

    state: str = Field(description="kept, burning, or unknown: too little of the long window was measured.")
    window: str = Field(description="The long window, and the short one.")
    severity: str
    allowed: str = Field(description="The share of bad requests from which on it is too much.")
    long: str = Field("", description="The share of bad requests in the long window.")
    short: str = Field("", description="And in the short one.")
    requests: int = 0


class SloDetail(BaseModel):
    """One objective with its windows."""

    slo: SloView
    windows: list[BurnView]


def _list(context: Context, given: SloFilter) -> SloList:
    return SloList(slos=objectives_of(context, given.env, given.component))


def objectives_of(context: Context, environment: str = "", component: str = "") -> list[SloView]:
    """How the objectives of stacks stand; of one environment or component, where that is said."""
    found = _Standing(context)
    wanted = [
        target
        for target in found.targets.values()
        if environment in ("", target.address.environment) and component in ("", target.address.component)
    ]
    return [
        found.view(slo, target)
        for target in sorted(wanted, key=lambda one: one.address)
        for slo in slos_of(found.snapshot)
        if slo.applies.to(target)
    ]


def _show(context: Context, given: OneSlo) -> SloDetail:
    found = _Standing(context)
    stack = address_of(given.stack)
    deployment_of(found.snapshot, stack)
    target, slo = found.targets.get(stack), found.snapshot.slos.get(given.name)
    if slo is None or slo.off:
        remedy = nearest(given.name, [one.name for one in slos_of(found.snapshot)])
        raise Unknown(error(f"There is no objective {given.name!r} in force", remedy=remedy))
    if target is None or not slo.applies.to(target):
        remedy = "It is about stacks with a route that do not sleep; `pave slo list` names them."
        raise Unknown(error(f"{slo.name} is not about {stack}", remedy=remedy))
    return SloDetail(slo=found.view(slo, target), windows=found.windows(slo, target))


class _Standing:
    """What is known of all objectives at one time."""

    def __init__(self, context: Context) -> None:
        world = context.world
        self.now, self.snapshot = world.clock.now(), world.snapshots.current()
        self._watch = Watch(world)
        self.targets = self._watch.components.targets(self.snapshot, self.now)

    def view(self, slo: SLO, target: Target) -> SloView:
        """One objective of one stack."""
        with contextlib.suppress(Refused):  # an annotation that is wrong is a broken rule; the objective itself holds
            slo = burn.of(slo, target)
        whole = self._requests(slo, target.address, slo.window, _STEPS)
        hour = self._requests(slo, target.address, burn.WINDOWS[1].long, burn.steps_of(burn.WINDOWS[1]))
        wanted = burn.percent(slo.objective)
        what = "without a 5xx" if slo.indicator == "availability" else f"within {in_words(slo.threshold)}"
        view = SloView(
            state="unknown",
            stack=str(target.address),
            name=slo.name,
            objective=f"{wanted} {what}",
            window=f"{slo.window.days} d" if slo.window.days else f"{slo.window.seconds // 3600} h",
        )
        if whole is None or not whole.all:
            return view
        budget, rate = burn.budget(slo, whole), burn.burn_rate(slo, hour or burn.Requests())
        state = "spent" if budget.left <= 0 else "burning" if rate > 1 else "kept"
        return view.model_copy(
            update={
                "state": state,
                "good": burn.percent(budget.good),
                "left": burn.percent(round(budget.left, 3))
                if budget.left > 0
                else f"spent {1 - budget.left:.3g} times",
                "burn": round(rate, 1),
                "requests": int(whole.all),
            }
        )

    def windows(self, slo: SLO, target: Target) -> list[BurnView]:
        """Its windows."""
        with contextlib.suppress(Refused):  # an annotation that is wrong is a broken rule; the objective itself holds
            slo = burn.of(slo, target)
        found = []
        for window in burn.WINDOWS:
            long = self._requests(slo, target.address, window.long, burn.steps_of(window))
            short = self._requests(slo, target.address, window.short, 1)
            burns = long is not None and burn.burning(slo, window, long, short or burn.Requests())
            found.append(
                BurnView(
                    state="unknown"
                    if long is None or not burn.enough(window, long)
                    else "burning"
                    if burns
                    else "kept",
                    window=f"{burn.time_in_words(window.long)}, {burn.time_in_words(window.short)}",
                    severity=window.severity,
                    allowed=f"{burn.allowed(slo, window):.2%}",
                    long=f"{long.share:.2%}" if long else "",
                    short=f"{short.share:.2%}" if short else "",
                    requests=int(long.all) if long else 0,
                )
            )
        return found

    def _requests(self, slo: SLO, stack: Address, window: Any, steps: int) -> burn.Requests | None:
        answers: Answers = self._watch.answers(burn.queries(slo, window, steps), self.now)
        return burn.counted(slo, window, answers, steps).get(stack)


def _export(context: Context, _: Nothing) -> ExportView:
    slos = [one for _, one in sorted(context.world.snapshots.current().slos.items()) if not one.off]
    return ExportView(file="slos.rules.yaml", text=yaml.safe_dump(alerting_rules(slos), sort_keys=False, width=1000))


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="slo.export",
        summary="The objectives as Prometheus' alerting rules",
        rest="GET /slo-files/prometheus",
        cli="slo export",
        input=Nothing,
        output=ExportView,
        handler=_export,
        scopes=("stack:read",),
        verb=Verb.READ,
        read_only=True,
        examples=("pave slo export > slos.rules.yaml",),
    ),
    Operation(
        name="slo.list",
        summary="The objectives of stacks, and what is left of their error budgets",
        rest="GET /slos",
        cli="slo list",
        input=SloFilter,
        output=SloList,
        handler=_list,
        scopes=("stack:read",),
        verb=Verb.READ,
        read_only=True,
    ),
    Operation(
        name="slo.show",
        summary="One objective of a stack: how fast its error budget burns",
        rest="GET /slos/{stack:path}/{name}",
        cli="slo show {stack} [{name}]",
        input=OneSlo,
        output=SloDetail,
        handler=_show,
        scopes=("stack:read",),
        verb=Verb.READ,
        read_only=True,
        examples=("pave slo show prod/orders latency",),
    ),
)
