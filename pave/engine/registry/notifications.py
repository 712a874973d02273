"""Notifications: what was said to whom, what did not arrive, and whether a channel works."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Operation
from pave.model.diagnostics import Forbidden, Unknown, error
from pave.model.names import Ref
from pave.observe.routing import Notice, ways
from pave.ports import INBOX, Delivered, Message
from pave.request.roles import Verb


class WayView(BaseModel):
    """Where a message goes."""

    recipient: str
    channel: str
    type: str
    due_at: datetime | None = Field(None, description="When, where it is held back for quiet hours or a digest.")
    problem: str = Field("", description="Why it cannot go there.")


class MessageView(BaseModel):
    """One thing that was said to somebody."""

    state: str = Field(description="waiting, sent or given-up.")
    at: datetime
    recipient: str
    channel: str = Field(description="inbox is this list.")
    title: str
    text: str = ""
    severity: str
    subject: str
    event: str = ""
    facts: dict[str, str] = Field(default_factory=dict)
    links: dict[str, str] = Field(default_factory=dict)
    attempts: int = 0
    due_at: datetime | None = Field(None, description="When it is tried next.")
    problem: str = Field("", description="Why it has not arrived.")


class MessageList(BaseModel):
    """Messages, newest first."""

    messages: list[MessageView]


class MessageFilter(BaseModel):
    """Which messages: yours and your teams', unless it says others."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field("", description="Only to this team or person; all: to everybody (for the platform's own team).")
    state: Literal["", "waiting", "sent", "given-up"] = Field("", description="Only these.")
    channel: str = Field("", description="Only on this channel; inbox is what everybody has.")
    subject: str = Field("", description="Only about this stack or environment.")
    limit: int = Field(30, ge=1, le=500)


class ChannelTest(BaseModel):
    """Sends a test message."""

    model_config = ConfigDict(extra="forbid")

    to: str = Field("", description="A team of yours, such as group:payments; else yourself.")
    channel: str = Field("", description="Only this channel.")


class SentTest(BaseModel):
    """Where a test message goes."""

    ways: list[WayView]


def ways_view(context: Context, notice: Notice) -> list[WayView]:
    """Where a notice would go."""
    world, snapshot = context.world, context.world.snapshots.current()
    now, found = world.clock.now(), []
    for way in ways(notice, snapshot.notifications, snapshot.entities, now):
        courier = world.couriers.get(way.type)
        missing = "" if way.type == INBOX else f"this platform sends no {way.type}" if courier is None else ""
        found.append(
            WayView(
                recipient=str(way.recipient),
                channel=way.channel,
                type=way.type,
                due_at=way.due if way.due > now else None,
                problem=missing or (courier.problem(way.address) if courier else ""),
            )
        )
    return found


def _list(context: Context, given: MessageFilter) -> MessageList:
    world, actor = context.world, context.call.actor
    who = world.snapshots.current().people.standing(actor)
    if given.to == "all":
        recipients: tuple[Ref, ...] = ()
        if not who.is_platform:
            raise Forbidden(
                error("What is said to everybody is for the platform's own team", remedy="Name a team of yours.")
            )
    else:
        recipients = (_mine(context, given.to),) if given.to else (actor, *sorted(who.teams))
    state = Delivered(given.state) if given.state else None
    found = world.outbox.find(recipients=recipients, state=state, subject=given.subject, limit=given.limit)
    return MessageList(messages=[_view(one) for one in found if given.channel in ("", one.channel)])


def _mine(context: Context, text: str) -> Ref:
    """A team or person that whoever asks may read for. Raises `Forbidden` or `Unknown`."""
    snapshot = context.world.snapshots.current()
    ref, who = Ref.parse(text, kind="group"), snapshot.people.standing(context.call.actor)
    if ref not in snapshot.entities or ref.kind not in ("group", "user"):
        raise Unknown(error(f"There is no team or person {ref.short}", remedy="Write group:payments or user:dana."))
    if not who.is_platform and ref != who.actor and ref not in who.teams:
        raise Forbidden(error(f"{who.actor.short} is not in {ref.short}", remedy=f"Ask a member of {ref.short}."))
    return ref


def _view(one: Message) -> MessageView:
    waiting = one.state is Delivered.WAITING
    assert one.created_at is not None
    return MessageView(
        state=one.state.value,
        at=one.created_at,
        recipient=str(one.recipient),
        channel=one.channel,
        title=one.title,
        text=one.text,
        severity=one.severity,
        subject=one.subject,
        event=one.event,
        facts=dict(one.facts),
        links=dict(one.links),
        attempts=one.attempts,
        due_at=one.due_at if waiting else None,
        problem=one.problem,
    )


def _test(context: Context, given: ChannelTest) -> SentTest:
    to = _mine(context, given.to) if given.to else context.call.actor
    channels = (given.channel,) if given.channel else ()
    notice = Notice("", (to,), "alert", str(to), "A test from Pave", "", "critical", urgent=True, channels=channels)
    found = ways_view(context, notice)
    if given.channel and not any(one.channel == given.channel for one in found):
        known = ", ".join(one.name for one in _channels(context, to)) or "none"
        raise Unknown(error(f"{to.short} has no channel {given.channel!r}", remedy=f"There are: {known}."))
    context.world.events.emit(
        "notification.test", f"notifications/{to.kind}/{to.name}", actor=str(context.call.actor), to=str(to),
        channels=list(channels),
    )  # fmt: skip
    return SentTest(ways=found)


def _channels(context: Context, to: Ref) -> tuple[Any, ...]:
    said = context.world.snapshots.current().notifications.get(to)
    return said.channels if said else ()


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="notification.list",
        summary="What was said to you and your teams, and what did not arrive",
        rest="GET /notifications",
        cli="notification list",
        input=MessageFilter,
        output=MessageList,
        handler=_list,
        scopes=("catalog:read",),
        verb=Verb.READ,
        read_only=True,
        examples=("pave notification list --state given-up --to all",),
    ),
    Operation(
        name="notification.test",
        summary="Send a test message, to see whether it arrives",
        rest="POST /notifications/test",
        cli="notification test",
        input=ChannelTest,
        output=SentTest,
        handler=_test,
        scopes=("component:write",),
        verb=Verb.COMMENT,
        idempotent=False,
        examples=("pave notification test --to group:payments --channel chat",),
    ),
)
