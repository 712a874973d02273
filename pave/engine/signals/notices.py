"""Event → whom it concerns → what is said to them: the one table of it.

What is said comes from records, never from what an event's data would have people click on; addresses that lead
somewhere are Pave's own and those of runbooks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from pave.apply.run import Run, State
from pave.engine.world import World
from pave.model.diagnostics import Refused
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.observe.routing import Notice
from pave.plan.wanted import owner_of
from pave.ports import Event
from pave.request.access import PLATFORM
from pave.request.intent import Advance, Converge, Deploy, ImportComponent, Promote, Rollback, RollbackAll

Said = Iterator[Notice]


def notices(world: World, snapshot: Snapshot, event: Event) -> Said:
    """What is to be said because of an event; most are nobody's news."""
    about = ABOUT.get(event.type)
    if about is not None:
        yield from about(world, snapshot, event)


def _asked(world: World, _: Snapshot, event: Event) -> Said:
    approval = world.approvals.get(event.subject.partition("/")[2])
    if approval is None:
        return
    found = "\n".join(f"- {one.get('message')}" for one in approval.findings)
    yield Notice(
        key=f"{event.type}/{approval.id}",
        to=approval.approvers,
        topic="approval",
        subject=approval.subject,
        title=f"{approval.requester.short} asks for an approval: {approval.subject}",
        text=f"Guardrails found:\n{found}",
        severity="warning",
        facts={"Until": _at(approval.expires_at), "Answer": f"pave approval show {approval.id}"},
        links={"Run": world.link(approval.run)},
    )


def _answered(world: World, _: Snapshot, event: Event) -> Said:
    approval = world.approvals.get(event.subject.partition("/")[2])
    if approval is None or approval.requester.kind not in ("user", "group"):
        return
    if event.type == "approval.expired":
        title, text = f"Nobody approved {approval.subject} in time", "The run has ended; ask again for what is wanted."
    else:
        yes, by = bool(event.data.get("approved")), approval.decided_by
        title = f"{by.short if by else 'Somebody'} {'approved' if yes else 'refused'} {approval.subject}"
        text = approval.reason or ("The run goes on." if yes else "The run has ended.")
    yield Notice(
        key=f"{event.type}/{approval.id}",
        to=(approval.requester,),
        topic="approval",
        subject=approval.subject,
        title=title,
        text=text,
        links={"Run": world.link(approval.run)},
    )


def _ends(_: World, __: Snapshot, event: Event) -> Said:
    name, until = event.subject.partition("/")[2], str(event.data.get("until", ""))
    yield Notice(
        key=f"{event.type}/{name}/{until}",
        to=_refs(event.data.get("owner")),
        topic="environment",
        subject=name,
        title=f"The environment {name} ends soon",
        text=f"It ends at {until}, with all that runs in it.",
        severity="warning",
        facts={"Keep it": str(event.data.get("remedy", ""))},
    )


def _finished(world: World, snapshot: Snapshot, event: Event) -> Said:
    run = world.runs.get(event.run)
    if run is None:
        return
    intent = run.request.intent
    automatic = bool(getattr(intent, "automatic", False))
    if isinstance(intent, Rollback | RollbackAll):
        if run.state is State.SUCCEEDED and isinstance(intent, Rollback) and automatic:
            reason = intent.reason or "the version did not come to live"
            yield _of_run(world, snapshot, run, f"{intent.stack} was rolled back", f"By itself, because {reason}")
        elif run.state is State.FAILED:
            yield _of_run(world, snapshot, run, f"The rollback of {run.subject} failed", _why(run), "critical")
    elif isinstance(intent, Deploy | Promote | Advance | ImportComponent | Converge):
        if run.state is State.FAILED:
            yield _of_run(world, snapshot, run, f"A delivery to {run.subject} failed", _why(run))
        elif run.state is State.DENIED and automatic:
            found = "\n".join(f"- {one.get('message')}" for one in (run.verdict or {}).get("findings", ()))
            yield _of_run(world, snapshot, run, f"A delivery to {run.subject} was denied", found or _why(run))


def _of_run(world: World, snapshot: Snapshot, run: Run, title: str, text: str, severity: str = "warning") -> Notice:
    actor = run.request.actor
    owners = tuple(dict.fromkeys(owner_of(snapshot, Address.parse(one).component) for one in run.subject.split()))
    to = (*(one for one in owners if one is not None), *((actor,) if actor.kind == "user" else ()))
    remedy = str((run.error or {}).get("remedy", ""))
    return Notice(
        key=f"run.finished/{run.id}",
        to=to or (PLATFORM,),
        topic="delivery",
        subject=run.subject.partition(" ")[0],
        title=title,
        text=text,
        severity=severity,
        facts={"Asked by": actor.short, "What would fix it": remedy},
        links={"Run": world.link(run.id)},
    )


def _stack_failed(_: World, snapshot: Snapshot, event: Event) -> Said:
    stack, problem = Address.parse(event.subject), event.data.get("error") or {}
    owner = owner_of(snapshot, stack.component)
    yield Notice(
        key=f"{event.type}/{event.id}",
        to=(owner or PLATFORM,),
        topic="delivery",
        subject=event.subject,
        title=f"{stack} cannot become what Git says",
        text=str(problem.get("summary", "")),
        severity="warning",
        facts={"What would fix it": str(problem.get("remedy", ""))},
    )


def _firing(_: World, __: Snapshot, event: Event) -> Said:
    if event.data.get("silenced"):
        return
    alerts: list[Mapping[str, Any]] = list(event.data.get("alerts") or ())
    what = alerts[0]["title"] if len(alerts) == 1 else f"{len(alerts)} alerts"
    again = ", again" if any(one.get("flaps") for one in alerts) else ""
    yield _alert(event, _refs(event.data.get("owner")), f"{event.subject}: {what}{again}")


def _broken(_: World, __: Snapshot, event: Event) -> Said:
    yield _alert(event, _refs(event.data.get("owner")), "An alert rule is broken: what it watches is not watched")


def _escalated(_: World, __: Snapshot, event: Event) -> Said:
    alerts = list(event.data.get("alerts") or ())
    title = f"Nobody has acknowledged: {event.subject}: {alerts[0]['title']}"
    step, channels = event.data.get("step"), tuple(event.data.get("channels") or ())
    if channels:
        yield _alert(event, _refs(event.data.get("owner")), title, f"/{step}", channels)
    refs = tuple(Ref.parse(one) for one in event.data.get("to") or ())
    if refs:
        yield _alert(event, refs, title, f"/{step}")


def _resolved(_: World, __: Snapshot, event: Event) -> Said:
    if event.data.get("silenced"):
        return
    alerts = list(event.data.get("alerts") or ())
    yield _alert(event, _refs(event.data.get("owner")), f"{event.subject}: over: {alerts[0]['title']}")


def _tested(_: World, __: Snapshot, event: Event) -> Said:
    alerts = list(event.data.get("alerts") or ())
    title = f"Test: {event.subject}: {alerts[0]['title']}"
    yield _alert(event, _refs(event.data.get("owner")), title, f"/{event.id}")


def _blind(_: World, __: Snapshot, event: Event) -> Said:
    yield Notice(
        key=f"{event.type}/{event.id}",
        to=_refs(event.data.get("owner")),
        topic="alert",
        subject=event.subject,
        title="Alerts are not evaluated at the moment",
        text=str(event.data.get("problem", "")),
        severity="critical",
        urgent=True,
        facts={"See": "logs/server.log in Pave's data"},
    )


def _feedback_answered(world: World, _: Snapshot, event: Event) -> Said:
    voice = world.feedback.get(event.subject.partition("/")[2])
    if voice is None or not voice.reply:
        return
    yield Notice(
        key=f"{event.type}/{event.id}",
        to=(voice.author,),
        topic="feedback",
        subject=event.subject,
        title=f"{voice.replied_by.short if voice.replied_by else 'Somebody'} answered your feedback",
        text=voice.reply,
        facts={"You said": voice.text[:300], "State": voice.state},
    )


def _channel_tested(_: World, __: Snapshot, event: Event) -> Said:
    yield Notice(
        key=f"{event.type}/{event.id}",
        to=_refs(event.data.get("to")),
        topic="alert",
        subject=event.subject,
        title="A test from Pave",
        text=f"{Ref.parse(event.actor, kind='user').short} wanted to see whether this arrives. It does.",
        urgent=True,
        channels=tuple(event.data.get("channels") or ()),
    )


def _alert(event: Event, to: tuple[Ref, ...], title: str, suffix: str = "", channels: tuple[str, ...] = ()) -> Notice:
    """What is said of alerts of one stack: what is wrong, what was changed before, where to look, what to do."""
    alerts: list[Mapping[str, Any]] = list(event.data.get("alerts") or ())
    lines = [f"- [{one['severity']}] {one['message'] or one['title']}" for one in alerts]
    facts, links = dict[str, str](), dict[str, str]()
    changes = list(alerts[0].get("changes") or ())
    if changes:
        facts["Changed before"] = "\n".join(_change(one, alerts[0].get("fired_at", "")) for one in changes)
    back = [f"pave run {one['rollback']}" for one in alerts if one.get("rollback")]
    if back:
        facts["Going back by itself"] = ", ".join(back)
    for one in alerts:
        if runbook := str(one.get("runbook", "")):
            (links if runbook.startswith("https://") else facts)[f"Runbook of {one['rule']}"] = runbook
    stack = "/" in event.subject and not event.type.endswith(("broken", "blind"))
    if stack and event.type != "alert.resolved":
        facts["Logs"] = f"pave logs {event.subject}"
        facts["Charts"] = f"pave dashboard {event.subject}"
        facts["Details"] = f"pave alert show {alerts[0]['id']}"
        facts["Take care of it"] = f"pave alert ack {alerts[0]['id']}"
    elif stack:
        facts["Lasted"] = _lasted(alerts[0])
    else:
        facts["See"] = "pave alert list"
    # One firing is said once, also where the event was emitted twice; a test each time.
    key = "+".join(sorted(f"{one['id']}.{one['episode']}" for one in alerts))
    return Notice(
        key=f"{event.type}/{key}{suffix}",
        to=to,
        topic="alert",
        subject=event.subject,
        title=title,
        text="\n".join(lines),
        severity=str(event.data.get("severity", "warning")),
        urgent=bool(event.data.get("urgent")),
        facts=facts,
        links=links,
        data={"alerts": alerts, "status": "resolved" if event.type == "alert.resolved" else "firing"},
        channels=channels,
    )


def _change(one: Mapping[str, Any], fired: str) -> str:
    before = ""
    try:
        seconds = (datetime.fromisoformat(fired) - datetime.fromisoformat(str(one["at"]))).total_seconds()
        if seconds >= 0:
            before = f"{seconds / 60:.0f} min before: " if seconds >= 60 else f"{seconds:.0f} s before: "
    except ValueError:
        before = ""
    actor = Ref.parse(one["actor"], kind="user").short if one.get("actor") else "somebody"
    return f"{before}{one['cause']} of {one['commit'] or 'no commit'} by {actor} ({one['outcome']})"


def _lasted(one: Mapping[str, Any]) -> str:
    try:
        passed = datetime.fromisoformat(str(one["resolved_at"])) - datetime.fromisoformat(str(one["fired_at"]))
    except ValueError:
        return ""
    return f"{passed.total_seconds() / 60:.0f} min"


def _why(run: Run) -> str:
    said = run.error or {}
    return " ".join(str(said.get(key, "")) for key in ("summary", "detail")).strip() or run.state.value


def _refs(said: object) -> tuple[Ref, ...]:
    try:
        return tuple(Ref.parse(one, kind="group") for one in str(said or "").split()) or (PLATFORM,)
    except Refused:
        return (PLATFORM,)


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"


ABOUT: Mapping[str, Callable[[World, Snapshot, Event], Said]] = {
    "approval.asked": _asked,
    "approval.decided": _answered,
    "approval.expired": _answered,
    "environment.ends": _ends,
    "run.finished": _finished,
    "stack.failed": _stack_failed,
    "alert.firing": _firing,
    "alert.broken": _broken,
    "alert.escalated": _escalated,
    "alert.resolved": _resolved,
    "alert.test": _tested,
    "alert.blind": _blind,
    "feedback.answered": _feedback_answered,
    "notification.test": _channel_tested,
}
"""Who is told what of which event; no other event is anybody's news."""
