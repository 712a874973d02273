"""`pave health` sees the rounds of collecting, alerting and notifying, also those that go wrong."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from pave.engine.pulse import Beat, Pulse
from pave.engine.registry.health import _SLOW_ROUNDS
from pave.engine.signals.alerting import Alerting
from pave.engine.signals.collecting import Collector
from pave.engine.signals.notifying import Notifier


def beaten(name: str, of: Any) -> Beat:
    """The first beat of a round whose world has nothing but a pulse."""
    pulse = Pulse()
    at = datetime(2026, 11, 24, 12, tzinfo=UTC)
    world: Any = SimpleNamespace(pulse=pulse, mirror=None, holder="here", clock=SimpleNamespace(now=lambda: at))
    going = of(world)
    going.start()
    until = time.monotonic() + 1.5
    while name not in pulse.beats() and time.monotonic() < until:
        time.sleep(0.01)
    going.close()
    return pulse.beats()[name]


@pytest.mark.parametrize(("name", "of"), [("alerting", Alerting), ("notifier", Notifier)])
def test_a_round_that_goes_wrong_is_seen(name: str, of: Any) -> None:
    assert name in _SLOW_ROUNDS
    assert beaten(name, of).problem, "its world has neither alerts nor an outbox"


def test_a_round_of_collecting_is_seen() -> None:
    assert "collector" in _SLOW_ROUNDS
    assert beaten("collector", lambda world: Collector(world, [], 0.05)).problem == ""
