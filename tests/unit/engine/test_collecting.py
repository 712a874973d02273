"""Collecting: meters side by side; what is slow or broken is said, and nothing else is hurt."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from pave.apply.retry import Transient
from pave.engine.signals.collecting import Collector
from pave.model.diagnostics import error
from pave.observe.series import Sample

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Meter:
    def __init__(self, name: str, act: object) -> None:
        self.name, self._act = name, act

    def measure(self, now: datetime) -> Iterable[tuple[str, Sample]]:
        return self._act()  # type: ignore[operator]


class World(SimpleNamespace):
    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []
        self.kept: dict[str, int] = {}
        self.most = 1000
        self.down = False
        emit = lambda type_, subject, **_: self.said.append((type_, subject))  # noqa: E731
        super().__init__(
            clock=SimpleNamespace(now=lambda: NOW),
            events=SimpleNamespace(emit=emit),
            metrics=SimpleNamespace(write=self.write, tidy=lambda now: None),
            traces=SimpleNamespace(tidy=lambda: None),
        )

    def write(self, at: datetime, source: str, samples: list[Sample]) -> int:
        if self.down:
            raise Transient(error("it does not answer"))
        self.kept[source] = min(len(samples), self.most)
        return self.kept[source]


@pytest.fixture
def world() -> World:
    return World()


def well(source: str = "dev/orders", number: int = 1) -> Meter:
    return Meter("well", lambda: [(source, Sample("seen", {"n": str(one)}, 1.0)) for one in range(number)])


def test_what_meters_say_of_a_source_is_written_together(world: World) -> None:
    collector = Collector(world, [well(), well(number=2), well("dev/other")])  # type: ignore[arg-type]
    assert collector.look() == 4
    assert world.kept == {"dev/orders": 3, "dev/other": 1}
    collector._pool.shutdown()


def test_a_meter_that_fails_is_said_once_and_again_when_it_works(world: World) -> None:
    broken = {"now": True}

    def measure() -> list[tuple[str, Sample]]:
        if broken["now"]:
            raise ConnectionError("refused")
        return []

    collector = Collector(world, [Meter("queues", measure), well()])  # type: ignore[arg-type]
    collector.look()
    assert world.said == [], "what is only just starting is no news"
    assert [collector.look(), collector.look()] == [1, 1]
    assert world.said == [("metrics.missing", "metrics/queues")]
    assert collector.collected.problems == {"queues": "ConnectionError: refused"}
    broken["now"] = False
    collector.look()
    assert world.said[1:] == [("metrics.measured", "metrics/queues")]
    collector._pool.shutdown()


def test_a_meter_that_hangs_holds_nothing_up_and_is_not_asked_twice(world: World) -> None:
    asked, go = [], threading.Event()

    def hang() -> list[tuple[str, Sample]]:
        asked.append(1)
        go.wait(5)
        return [("dev/orders", Sample("late", {}, 1.0))]

    collector = Collector(world, [Meter("databases", hang), well()])  # type: ignore[arg-type]
    assert [collector.look(0.05), collector.look(0.05)] == [1, 1]
    assert len(asked) == 1
    assert collector.collected.problems == {"databases": "it has not answered in time"}
    go.set()
    assert collector.look(2) == 2
    collector._pool.shutdown()


def test_cardinality_explosion_is_said_once_while_it_lasts(world: World) -> None:
    world.most = 3
    collector = Collector(world, [well("dev/orders:app", 10)])  # type: ignore[arg-type]
    collector.look()
    collector.look()
    assert world.said == [("metrics.capped", "dev/orders")]
    assert collector.collected.left_out == 14
    world.most = 1000
    collector.look()
    world.most = 3
    collector.look()
    assert len(world.said) == 2
    collector._pool.shutdown()


def test_a_store_that_is_down_is_said_and_does_not_end_collecting(world: World) -> None:
    world.down = True
    collector = Collector(world, [well()])  # type: ignore[arg-type]
    assert [collector.look(), collector.look()] == [0, 0]
    assert world.said == [("metrics.missing", "metrics/store")]
    world.down = False
    assert collector.look() == 1
    assert world.said[1:] == [("metrics.measured", "metrics/store")]
    collector._pool.shutdown()
