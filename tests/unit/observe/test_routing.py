"""Who is told on which channel: by topic and severity, each place once, and somebody always."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from pave.model.entity import Entity
from pave.model.names import Ref
from pave.model.notifications import Channel, Notifications
from pave.observe.routing import Notice, ways

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TEAM, DANA, SAM = Ref("group", "default", "payments"), Ref("user", "default", "dana"), Ref("user", "default", "sam")
NOTICE = Notice("k", (TEAM,), "alert", "dev/orders", "T", "t", "warning")


def person(ref: Ref, **spec: object) -> Entity:
    return Entity(ref, ref.kind.capitalize(), "x", {"name": ref.name}, spec)


PEOPLE = {
    TEAM: person(TEAM, members=["dana"]),
    DANA: person(DANA, profile={"email": "dana@example.com"}),
    SAM: person(SAM, memberOf=["payments"], profile={"email": "sam@example.com"}),
}


def found(notice: Notice, *channels: Channel, people: dict[Ref, Entity] = PEOPLE) -> list[tuple[str, str]]:
    said = {TEAM: Notifications(TEAM, channels)} if channels else {}
    return [(one.channel, one.address) for one in ways(notice, said, people, NOW)]


def test_everybody_has_an_inbox() -> None:
    assert found(NOTICE, people={}) == [("inbox", "group:default/payments")]


def test_a_team_without_an_address_is_its_members() -> None:
    assert found(NOTICE)[1:] == [("mail", "dana@example.com"), ("mail", "sam@example.com")]
    with_address = {**PEOPLE, TEAM: person(TEAM, profile={"email": "team@example.com"})}
    assert found(NOTICE, people=with_address)[1:] == [("mail", "team@example.com")]


def test_a_channel_gets_what_it_is_for() -> None:
    chat = Channel("chat", "slack", "a", topics=("alert",))
    pager = Channel("pager", "webhook", "b", severity="critical")
    assert found(NOTICE, chat, pager)[1:] == [("chat", "a")]
    assert found(replace(NOTICE, severity="critical"), chat, pager)[1:] == [("chat", "a"), ("pager", "b")]
    assert found(replace(NOTICE, topic="approval"), chat, pager)[1:] == []


def test_a_named_channel_gets_it_whatever_it_is_for() -> None:
    pager = Channel("pager", "webhook", "b", topics=("approval",), severity="critical")
    assert found(replace(NOTICE, channels=("pager",)), pager)[1:] == [("pager", "b")]
    assert found(replace(NOTICE, channels=("pager",)))[1:] == [], "nobody else's channel"


def test_one_place_is_told_once() -> None:
    notice = replace(NOTICE, to=(TEAM, DANA, TEAM))
    assert [one for one in found(notice) if one[0] == "mail"] == [
        ("mail", "dana@example.com"),
        ("mail", "sam@example.com"),
    ]
