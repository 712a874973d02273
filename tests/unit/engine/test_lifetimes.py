"""What ends: who is told when, what is asked for once it is over, and a clock that moves back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pave.engine.judging import moment
from pave.engine.upkeep import tending
from pave.engine.world import World
from pave.model.deployment import Deployment
from pave.model.entity import Entity
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.model.workload import Need
from pave.request.intent import Intent, RemoveResource

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
STACK = Address("dev", "orders")
TRIAL = STACK.at("trial")
DAY = timedelta(days=1)


@dataclass
class Told:
    """The record of events."""

    events: list[SimpleNamespace] = field(default_factory=list)

    def read(self, _after: int, subject: str = "") -> list[SimpleNamespace]:
        return [one for one in self.events if one.subject == subject]

    def emit(self, type_: str, subject: str, **data: Any) -> None:
        self.events.append(SimpleNamespace(type=type_, subject=subject, data=data))


@dataclass
class Round:
    """The rounds of a platform whose clock is turned by hand, and what they asked for."""

    until: str
    now: datetime = NOW
    asked: list[tuple[Intent, str]] = field(default_factory=list)
    told: Told = field(default_factory=Told)

    def reap(self, busy: Collection[str] = ()) -> datetime | None:
        world = cast("World", SimpleNamespace(clock=SimpleNamespace(now=lambda: self.now), events=self.told))
        owned = Ref.parse("component:orders")
        entity = Entity(owned, "Component", "backstage.io/v1alpha1", {"name": "orders"}, {"owner": "payments"})
        deployment = Deployment(STACK, owned, resources={"trial": Need("trial", "redis")}, ends={"trial": self.until})
        snapshot = Snapshot("base", deployments={STACK: deployment}, entities={owned: entity})
        return tending.reap_resources(world, snapshot, busy)


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Round:
    found = Round("2026-11-27T12:00:00Z")
    monkeypatch.setattr(tending, "ask", lambda _world, intent, key: found.asked.append((intent, key)))
    return found


def test_its_owner_is_told_once_a_day_before_and_how_it_goes_on(rounds: Round) -> None:
    assert rounds.reap() == NOW + 2 * DAY, "the next thing to do is to tell"
    assert rounds.told.events == []
    rounds.now += 2 * DAY
    assert rounds.reap() == NOW + 3 * DAY
    rounds.reap()
    (told,) = rounds.told.events
    assert (told.type, told.subject) == ("resource.ends", "dev/orders/trial")
    assert told.data == {
        "until": "2026-11-27T12:00:00Z",
        "owner": "group:default/payments",
        "remedy": "pave extend dev/orders/trial --by 3d",
    }
    rounds.until = "2026-11-27T11:00:00Z"
    rounds.reap()
    assert len(rounds.told.events) == 2, "another end is told anew"
    assert rounds.asked == []


def test_what_is_over_is_asked_to_be_removed_like_anything_else(rounds: Round) -> None:
    rounds.now += 3 * DAY
    assert rounds.reap() is None
    ((intent, key),) = rounds.asked
    assert intent == RemoveResource(TRIAL, "2026-11-27T12:00:00Z")
    rounds.reap()
    rounds.now += DAY
    rounds.reap()
    keys = [one for _, one in rounds.asked]
    assert (keys[1] == key, keys[2] == key) == (True, False), "once a day, until it is gone"


def test_what_is_worked_on_is_left_alone_meanwhile(rounds: Round) -> None:
    rounds.now += 3 * DAY
    rounds.reap(busy={"dev/orders"})
    assert rounds.asked == []


def test_a_clock_that_is_moved_back_removes_nothing_and_revives_nothing() -> None:
    """Pave judges by the latest moment it knows; one that lies absurdly far ahead is no moment."""

    def judged(latest: datetime | None) -> datetime:
        records = SimpleNamespace(latest=lambda: latest)
        return moment(cast("World", SimpleNamespace(clock=SimpleNamespace(now=lambda: NOW), judgements=records)))

    assert judged(None) == NOW
    assert judged(NOW - DAY) == NOW
    assert judged(NOW + DAY) == NOW + DAY, "a waiver that ended before the clock was moved back has ended"
    assert judged(NOW + 300 * DAY) == NOW, "a clock that was wrong for once is not believed for a year"


def test_a_clock_that_is_moved_back_lets_nothing_end_twice(rounds: Round) -> None:
    rounds.now += 3 * DAY
    rounds.reap()
    rounds.now -= 3 * DAY
    rounds.reap()
    assert len(rounds.asked) == 1
    assert rounds.told.events == []
