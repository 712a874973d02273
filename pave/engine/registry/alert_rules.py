"""The rules that watch, and firing one as a test."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context, address_of
from pave.engine.operations import Operation
from pave.engine.registry.notifications import WayView, ways_view
from pave.engine.signals.alerting import said
from pave.engine.signals.watching import Watch
from pave.model.alert import SLO, Alert, Applies
from pave.model.diagnostics import Conflict, Diagnostic, Forbidden, Unknown, error
from pave.model.names import Address, Ref
from pave.model.schema import nearest
from pave.observe import burn
from pave.observe.alert_rules import Observed, Rule, Seen, compile_alert
from pave.observe.alert_state import first
from pave.observe.routing import Notice
from pave.plan.wanted import deployment_of, owner_of
from pave.request.access import PLATFORM
from pave.request.roles import Verb


class AlertRuleView(BaseModel):
    """A rule that watches."""

    name: str
    state: str = Field(description="in-force, off or broken.")
    severity: str
    title: str
    applies: str = Field("", description="Which stacks it looks at.")
    when: str = ""
    hold: str = Field("", description="How long it has to hold.")
    runbook: str = ""
    origin: str = Field(description="Its file in the platform repository, or built in.")
    problem: str = ""


class AlertRuleList(BaseModel):
    """All rules."""

    rules: list[AlertRuleView]


class AlertRuleFilter(BaseModel):
    """Which rules."""

    model_config = ConfigDict(extra="forbid")

    on: str = Field("", description="Only those that look at this stack, such as prod/orders.")


class TestFire(BaseModel):
    """Fires a rule as a test: people are told, nothing else happens."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="The rule.")
    on: str = Field(description="The stack, such as dev/orders.")


class AlertTested(BaseModel):
    """What came of a test."""

    rule: str
    subject: str
    seen: str = Field(description="What the rule sees right now: holds, well or unknown.")
    values: dict[str, float] = Field(default_factory=dict)
    message: str = ""
    ways: list[WayView] = Field(default_factory=list, description="Where the message goes.")


def rules_of(context: Context, given: AlertRuleFilter) -> AlertRuleList:
    """All rules, or those that look at one stack; what only shows while it is evaluated is said too."""
    snapshot = context.world.snapshots.current()
    target = None
    if given.on:
        stack = address_of(given.on)
        deployment_of(snapshot, stack)
        target = Watch(context.world).components.targets(snapshot, context.world.clock.now()).get(stack)
    found = [
        _rule_view(one.rule, alert, alert.when, one.problem)
        for alert in snapshot.alerts.values()
        if target is None or alert.applies.to(target)
        for one in (compile_alert(alert),)
    ]
    for slo in snapshot.slos.values():
        if target is None or slo.applies.to(target):
            when = f"the budget of {burn.percent(slo.objective)} burns too fast"
            found += [_rule_view(rule, slo, when, "") for rule in burn.rules(slo)]
    found += [
        AlertRuleView(
            name=one.name,
            state="broken",
            severity="warning",
            title="It cannot be read",
            origin=one.problem.source.file,
            problem=str(one.problem),
        )
        for one in snapshot.broken_rules
    ]
    known = {one.name for one in found if one.state == "broken"}
    for one in context.world.alerts.all():  # what only shows while it is evaluated
        name = one.subject.partition("/")[2]
        if one.stack is None and one.on and name not in known:
            found = [each for each in found if each.name != name]
            found.append(
                AlertRuleView(
                    name=name, state="broken", severity=one.severity, title=one.title, origin="", problem=one.message
                )
            )
    return AlertRuleList(rules=sorted(found, key=lambda one: one.name))


def _rule_view(rule: Rule, of: Alert | SLO, when: str, problem: str) -> AlertRuleView:
    return AlertRuleView(
        name=rule.name,
        state="off" if of.off else "broken" if problem else "in-force",
        severity=rule.severity,
        title=rule.title,
        applies=_applies(of.applies),
        when=" ".join(when.split()),
        hold=_time(rule.hold),
        runbook=rule.runbook,
        origin=of.file or "built in",
        problem=problem,
    )


def _applies(applies: Applies) -> str:
    parts = {
        "environments": applies.environments,
        "components": applies.components,
        "types": applies.types,
        "with": applies.resources,
    }
    return "; ".join(f"{key} {', '.join(value)}" for key, value in parts.items() if value) or "every stack"


def _time(hold: timedelta) -> str:
    seconds = int(hold.total_seconds())
    return f"{seconds // 60} min" if seconds and seconds % 60 == 0 else f"{seconds} s" if seconds else ""


def _test(context: Context, given: TestFire) -> AlertTested:
    world, snapshot, now = context.world, context.world.snapshots.current(), context.world.clock.now()
    stack = address_of(given.on)
    deployment_of(snapshot, stack)
    owner = owner_of(snapshot, stack.component) or PLATFORM
    check_owner(context, owner, f"test the alerts of {stack}")
    look = Watch(world).look(snapshot, now)
    rule = look.rules.get(given.name)
    if rule is None:
        if given.name in look.broken:
            raise Conflict(error(f"{given.name} is broken: {look.broken[given.name]}", remedy="Mend its file."))
        remedy = nearest(given.name, list(look.rules))
        raise Unknown(error(f"There is no alert rule {given.name!r} in force", remedy=remedy))
    mine = [one for one in look.observed if one.rule == given.name and one.stack == stack]
    seen = next((one for one in mine if one.seen is Seen.HOLDS), mine[0] if mine else _nothing(rule, stack))
    message = f"A test of {rule.name}, asked for by {context.call.actor.short}. {seen.message}".strip()
    alert = {**said(first(seen, rule)), "message": message, "runbook": rule.runbook, "fired_at": now.isoformat()}
    world.events.emit(
        "alert.test",
        str(stack),
        actor=str(context.call.actor),
        alerts=[alert],
        owner=str(owner),
        severity=rule.severity,
        urgent=True,
    )
    notice = Notice("", (owner,), "alert", str(stack), rule.title, message, rule.severity, urgent=True)
    return AlertTested(
        rule=rule.name,
        subject=str(stack),
        seen=seen.seen.value,
        values=dict(seen.values),
        message=seen.message,
        ways=ways_view(context, notice),
    )


def _nothing(rule: Rule, stack: Address) -> Observed:
    return Observed(rule.name, stack, rule.severity, Seen.UNKNOWN)


def check_owner(context: Context, owner: Ref, what: str) -> None:
    """Raise `Forbidden` for who is not of the team that owns what it is about."""
    who = context.world.snapshots.current().people.standing(context.call.actor)
    if not who.is_platform and owner not in who.teams and owner != who.actor:
        problem: Diagnostic = error(
            f"{who.actor.short} may not {what}", detail=f"That is for {owner.short}.", remedy=f"Ask {owner.short}."
        )
        raise Forbidden(problem)


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="alert.rules",
        summary="The rules that watch, and which are broken",
        rest="GET /alerts/rules",
        cli="alert rules",
        input=AlertRuleFilter,
        output=AlertRuleList,
        handler=rules_of,
        scopes=("stack:read",),
        verb=Verb.READ,
        read_only=True,
        examples=("pave alert rules --on dev/orders",),
    ),
    Operation(
        name="alert.test",
        summary="Fire a rule as a test, to see who is told and how",
        rest="POST /alerts/rules/{name}/test",
        cli="alert test {name}",
        input=TestFire,
        output=AlertTested,
        handler=_test,
        scopes=("component:write",),
        verb=Verb.COMMENT,
        idempotent=False,
        examples=("pave alert test down --on dev/orders",),
    ),
)
