"""Alerts: what fires, what watches, and what people do about it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Operation
from pave.engine.registry.alert_rules import AlertRuleFilter, check_owner, rules_of
from pave.model.diagnostics import Refused, Unknown, error
from pave.model.duration import duration
from pave.model.names import Ref
from pave.observe.alert_state import Instance, State
from pave.plan.wanted import owner_of
from pave.ports import Silence
from pave.request.access import PLATFORM
from pave.request.roles import Verb

_LONGEST_SILENCE = timedelta(days=30)


class AlertView(BaseModel):
    """One alert: a rule that found something on one stack."""

    id: str
    state: str = Field(description="pending, firing, recovering (well, but not for long enough) or resolved.")
    severity: str
    rule: str
    subject: str = Field(description="The stack; alert/NAME for a rule that is broken.")
    message: str
    title: str = ""
    owner: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    since: datetime | None = Field(None, description="When it began to fire, or became pending.")
    resolved_at: datetime | None = None
    acknowledged_by: str = Field("", description="Who takes care of it.")
    reason: str = Field("", description="What they said.")
    silenced: str = Field("", description="The silence that keeps it quiet.")
    flaps: int = Field(0, description="How often it came again within an hour of its end.")


class SilenceView(BaseModel):
    """Of what nobody is told, for a while."""

    id: str
    rule: str
    subject: str
    by: str
    reason: str
    until: datetime


class BrokenView(BaseModel):
    """A rule that cannot be evaluated."""

    name: str
    problem: str


class AlertList(BaseModel):
    """What fires, what is broken, and what is silenced."""

    alerts: list[AlertView]
    broken: list[BrokenView] = Field(default_factory=list)
    silences: list[SilenceView] = Field(default_factory=list)
    rules: int = Field(0, description="How many rules are in force.")


class AlertDetail(BaseModel):
    """One alert with what helps whoever takes care of it."""

    alert: AlertView
    changes: list[dict[str, Any]] = Field(default_factory=list, description="Deliveries before it, newest first.")
    rollback: str = Field("", description="The run that goes back because of it.")
    runbook: str = ""
    logs: str = Field("", description="The command that shows its logs.")
    values: dict[str, float] = Field(default_factory=dict, description="What was measured.")
    rule: dict[str, Any] = Field(default_factory=dict)
    told: list[dict[str, Any]] = Field(default_factory=list, description="Who was told of its stack lately.")


class AlertFilter(BaseModel):
    """Which alerts."""

    model_config = ConfigDict(extra="forbid")

    state: str = Field("on", description="on (pending, firing, recovering), resolved, or all.")
    env: str = Field("", description="Only in this environment.")
    component: str = Field("", description="Only of this component.")
    limit: int = Field(100, ge=1, le=1000)


class OneAlert(BaseModel):
    """Names an alert."""

    model_config = ConfigDict(extra="forbid")

    alert: str = Field(description="Its id, as `pave alert list` shows it.")


class Acknowledgement(OneAlert):
    """Says that somebody takes care of an alert."""

    reason: str = Field("", max_length=500, description="What is being done.")


class NewSilence(BaseModel):
    """Keeps alerts quiet for a while: they are evaluated and shown, and nobody is told."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    rule: str = Field("*", max_length=100, description="The rule; * for any part of its name.")
    on: str = Field(max_length=130, description="The stack, such as prod/orders; */orders for all environments.")
    time: str = Field("1h", alias="for", description="How long, at most 30d.")
    reason: str = Field(min_length=3, max_length=500, description="Why; whoever looks sees it.")


class OneSilence(BaseModel):
    """Names a silence."""

    model_config = ConfigDict(extra="forbid")

    silence: str = Field(description="Its id.")


def _view(context: Context, one: Instance, silences: list[Silence]) -> AlertView:
    by = next((silence.id for silence in silences if silence.covers(one.rule, one.subject)), "")
    return AlertView(
        id=one.fingerprint,
        state=one.state.value,
        severity=one.severity,
        rule=one.rule,
        subject=one.subject,
        message=one.message,
        title=one.title,
        owner=str(_owner_of(context, one)),
        labels=dict(one.labels),
        since=one.fired_at if one.on else one.began_at,
        resolved_at=one.resolved_at,
        acknowledged_by=one.acknowledged_by,
        reason=one.reason,
        silenced=by,
        flaps=one.flaps,
    )


def _owner_of(context: Context, one: Instance) -> Ref:
    snapshot = context.world.snapshots.current()
    if one.stack is not None:
        return owner_of(snapshot, one.stack.component) or PLATFORM
    name = one.subject.partition("/")[2]
    rule = snapshot.alerts.get(name) or snapshot.slos.get(name)
    return (rule.owner if rule else None) or PLATFORM


def _list(context: Context, given: AlertFilter) -> AlertList:
    world = context.world
    silences = list(world.alerts.silences(world.clock.now()))
    found = []
    for one in world.alerts.all():
        environment, _, component = one.subject.partition("/")
        state = given.state == "all" or (given.state == "resolved") == (one.state is State.RESOLVED)
        if state and given.env in ("", environment) and given.component in ("", component):
            found.append(_view(context, one, silences))
    order = {"critical": 0, "warning": 1, "info": 2}
    found.sort(key=lambda one: (one.state == "resolved", order.get(one.severity, 3), one.subject, one.rule))
    rules = rules_of(context, AlertRuleFilter()).rules
    return AlertList(
        alerts=found[: given.limit],
        broken=[BrokenView(name=one.name, problem=one.problem) for one in rules if one.state == "broken"],
        silences=[_silence_view(one) for one in silences],
        rules=sum(one.state == "in-force" for one in rules),
    )


def _silence_view(one: Silence) -> SilenceView:
    return SilenceView(
        id=one.id, rule=one.rule, subject=one.subject, by=str(one.by), reason=one.reason, until=one.until
    )


def _one(context: Context, id_: str) -> Instance:
    found = context.world.alerts.get(id_)
    if found is None:
        raise Unknown(error(f"There is no alert {id_[:40]!r}", remedy="`pave alert list` names them."))
    return found


def _show(context: Context, given: OneAlert) -> AlertDetail:
    world, one = context.world, _one(context, given.alert)
    silences = list(world.alerts.silences(world.clock.now()))
    rule = next((each for each in rules_of(context, AlertRuleFilter()).rules if each.name == one.rule), None)
    told = world.outbox.find(subject=one.subject, limit=20)
    changes = one.context.get("changes")
    return AlertDetail(
        alert=_view(context, one, silences),
        changes=list(changes) if isinstance(changes, list) else [],
        rollback=str(one.context.get("rollback", "")),
        runbook=str(one.context.get("runbook", "")),
        logs=f"pave logs {one.subject}" if one.stack else "",
        values=dict(one.values),
        rule=rule.model_dump(exclude_defaults=True) if rule else {},
        told=[
            {
                "state": message.state.value,
                "recipient": str(message.recipient),
                "channel": message.channel,
                "title": message.title,
                "at": message.created_at,
            }
            for message in told
            if message.topic == "alert"
        ],
    )


def _acknowledge(context: Context, given: Acknowledgement) -> AlertView:
    world, one = context.world, _one(context, given.alert)
    check_owner(context, _owner_of(context, one), f"acknowledge {one.rule} of {one.subject}")
    done = world.alerts.acknowledge(one.fingerprint, context.call.actor, given.reason, world.clock.now())
    world.events.emit(
        "alert.acknowledged", one.subject, actor=str(context.call.actor), rule=one.rule, reason=given.reason
    )
    return _view(context, done, list(world.alerts.silences(world.clock.now())))


def _silence(context: Context, given: NewSilence) -> SilenceView:
    world, now = context.world, context.world.clock.now()
    environment, slash, component = given.on.partition("/")
    if not slash or not environment or not component:
        raise Refused(error(f"{given.on!r} names no stacks", remedy="Write prod/orders, or */orders."))
    time = duration(given.time)
    if time > _LONGEST_SILENCE:
        raise Refused(error("A silence ends within 30 days", remedy="Change the rule, or say `off: true` in its file."))
    owner = PLATFORM
    if "*" not in component and "?" not in component and "[" not in component:
        owner = owner_of(world.snapshots.current(), component) or PLATFORM
    check_owner(context, owner, f"silence {given.rule} on {given.on}")
    made = world.alerts.silence(Silence("", given.rule, given.on, context.call.actor, given.reason, now, now + time))
    world.events.emit(
        "alert.silenced", given.on, actor=str(context.call.actor), silence=made.id, rule=given.rule, reason=given.reason
    )
    return _silence_view(made)


def _unsilence(context: Context, given: OneSilence) -> SilenceView:
    world, now = context.world, context.world.clock.now()
    one = next((each for each in world.alerts.silences(now) if each.id == given.silence), None)
    if one is None:
        raise Unknown(error(f"There is no silence {given.silence[:40]!r} in force", remedy="See: pave alert list."))
    component = one.subject.partition("/")[2]
    if one.by != context.call.actor:
        check_owner(context, owner_of(world.snapshots.current(), component) or PLATFORM, "end that silence")
    done = world.alerts.unsilence(one.id, context.call.actor, now)
    world.events.emit("alert.unsilenced", one.subject, actor=str(context.call.actor), silence=one.id)
    return _silence_view(done)


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="alert.list",
        summary="What fires, what is broken and what is silenced",
        rest="GET /alerts",
        cli="alert list",
        input=AlertFilter,
        output=AlertList,
        handler=_list,
        scopes=("stack:read",),
        verb=Verb.READ,
        read_only=True,
    ),
    Operation(
        name="alert.show",
        summary="One alert: what was changed before it, and where to look",
        rest="GET /alerts/{alert}",
        cli="alert show {alert}",
        input=OneAlert,
        output=AlertDetail,
        handler=_show,
        scopes=("stack:read",),
        verb=Verb.READ,
        read_only=True,
    ),
    Operation(
        name="alert.ack",
        summary="Say that you take care of an alert: it is not escalated any further",
        rest="POST /alerts/{alert}/ack",
        cli="alert ack {alert}",
        input=Acknowledgement,
        output=AlertView,
        handler=_acknowledge,
        scopes=("component:write",),
        verb=Verb.COMMENT,
    ),
    Operation(
        name="alert.silence",
        summary="Keep alerts quiet for a while, and say why",
        rest="POST /silences",
        cli="alert silence {on}",
        input=NewSilence,
        output=SilenceView,
        handler=_silence,
        scopes=("component:write",),
        verb=Verb.COMMENT,
        idempotent=False,
        examples=('pave alert silence dev/orders --for 2h --reason "load test"',),
    ),
    Operation(
        name="alert.unsilence",
        summary="End a silence early",
        rest="DELETE /silences/{silence}",
        cli="alert unsilence {silence}",
        input=OneSilence,
        output=SilenceView,
        handler=_unsilence,
        scopes=("component:write",),
        verb=Verb.COMMENT,
    ),
)
