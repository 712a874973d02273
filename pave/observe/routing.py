"""Who is told of something on which channel, and when: one notice becomes a list of ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pave.model.alert import SEVERITIES
from pave.model.entity import Entity
from pave.model.names import Ref
from pave.model.notifications import Channel, Notifications

INBOX = "inbox"
"""The channel that everybody has: what `pave notification list` shows."""
MAIL = "mail"


@dataclass(frozen=True)
class Notice:
    """Something to be said to some people and teams. `key` makes it the same thing however often it is found.

    With `channels` only those of the recipients' channels are meant, whatever they are usually for.
    """

    key: str
    to: tuple[Ref, ...]
    topic: str
    subject: str
    title: str
    text: str
    severity: str = "info"
    urgent: bool = False
    facts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    channels: tuple[str, ...] = ()


@dataclass(frozen=True)
class Way:
    """One way to one recipient, from when on, and whether it comes together with what else waits for them."""

    recipient: Ref
    channel: str
    type: str
    address: str
    due: datetime
    together: bool


def ways(
    notice: Notice, notifications: Mapping[Ref, Notifications], entities: Mapping[Ref, Entity], now: datetime
) -> Iterator[Way]:
    """How a notice reaches whom it is for; each destination once, whoever shares it."""
    seen: set[tuple[str, str]] = set()
    for recipient in dict.fromkeys(notice.to):
        yield Way(recipient, INBOX, INBOX, str(recipient), now, together=False)
        for who, channel in _channels(recipient, notice, notifications, entities):
            if (channel.type, channel.address) in seen:
                continue
            seen.add((channel.type, channel.address))
            due = notifications.get(who, Notifications(who)).due(now, urgent=notice.urgent)
            yield Way(recipient, channel.name, channel.type, channel.address, due, together=due > now)


def _channels(
    recipient: Ref, notice: Notice, notifications: Mapping[Ref, Notifications], entities: Mapping[Ref, Entity]
) -> Iterator[tuple[Ref, Channel]]:
    said = notifications.get(recipient)
    if said is not None and said.channels:
        yield from ((recipient, one) for one in said.channels if _wants(one, notice))
        return
    if notice.channels:
        return
    address = _mail(entities.get(recipient))
    if address:
        yield recipient, Channel(MAIL, MAIL, address)
        return
    for member in _members(recipient, entities):
        found = _mail(entities.get(member))
        if found:
            yield member, Channel(MAIL, MAIL, found)


def _wants(channel: Channel, notice: Notice) -> bool:
    if notice.channels:
        return channel.name in notice.channels
    mild = SEVERITIES.index(notice.severity) < SEVERITIES.index(channel.severity)
    return notice.topic in channel.topics and not mild


def _mail(entity: Entity | None) -> str:
    profile = (entity.spec.get("profile") or {}) if entity else {}
    address = str(profile.get("email", "")) if isinstance(profile, Mapping) else ""
    return address if "@" in address else ""


def _members(team: Ref, entities: Mapping[Ref, Entity]) -> Iterable[Ref]:
    if team.kind != "group":
        return ()
    found = {
        ref
        for ref, entity in entities.items()
        if ref.kind == "user"
        and team in {Ref.parse(str(one), kind="group") for one in (entity.spec.get("memberOf") or ())}
    }
    entity = entities.get(team)
    found |= {Ref.parse(str(one), kind="user") for one in ((entity.spec.get("members") or ()) if entity else ())}
    return sorted(found)
