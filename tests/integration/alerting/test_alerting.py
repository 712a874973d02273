"""Alerts on a real PostgreSQL, round by round: what fires, who is told, and what must not be told twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from alerting_for_tests import ORDERS, PAYMENTS, PLATFORM, PROD, SAM, SNAPSHOT, Watcher, alerting_world
from sqlalchemy import Engine

from pave.engine.signals import alerting, notifying
from pave.model.alert import BrokenRule
from pave.model.alert_file import read_alert
from pave.model.diagnostics import Conflict, Unknown, error
from pave.model.notifications import Channel, Notifications, Step
from pave.observe.alert_state import State
from pave.ports import Delivery, Silence

CRITICAL = "availability-burn"


@pytest.fixture
def world(records: Engine) -> Any:
    found = alerting_world(records)
    notifying.look(found)
    return found


def states(world: Any) -> dict[str, str]:
    return {f"{one.rule} {one.subject}": one.state.value for one in world.alerts.all()}


def one_of(world: Any, rule: str) -> Any:
    return next(one for one in world.alerts.all() if one.rule == rule)


def told(world: Any, recipient: Any = PAYMENTS) -> list[str]:
    notifying.look(world)
    found = world.outbox.find(recipients=[recipient], limit=100)
    return [one.title for one in reversed(found) if one.channel == "inbox"]


def test_a_release_that_breaks_is_told_within_fifteen_seconds(world: Any) -> None:
    watch = Watcher(world)
    watch.go(120)
    assert told(world) == []
    broken = world.clock.at
    while not told(world):
        watch.go(5, share=1.0)
        assert world.clock.at - broken <= timedelta(seconds=15)
    assert told(world) == ["dev/orders: Availability: the error budget burns"]
    (message,) = world.outbox.find(recipients=[PAYMENTS], limit=1)
    assert "requests to dev/orders failed in a minute" in message.text
    assert message.facts["Logs"] == "pave logs dev/orders"
    assert message.facts["Take care of it"] == f"pave alert ack {one_of(world, CRITICAL).fingerprint}"


def test_it_is_told_once_and_its_end_once(world: Any) -> None:
    watch = Watcher(world)
    watch.go(60)
    watch.go(60, share=1.0)
    watch.go(420)
    titles = told(world)
    assert titles.count("dev/orders: Availability: the error budget burns") == 1
    assert titles.count("dev/orders: over: Availability: the error budget burns") == 1
    assert states(world)[f"{CRITICAL} dev/orders"] == "resolved"


def test_flapping_is_told_once(world: Any) -> None:
    """Bad input of the issue: flapping."""
    watch = Watcher(world)
    watch.go(60)
    for _ in range(12):
        watch.go(15, up=0.0)
        watch.go(15)
    assert [one for one in told(world) if "No process" in one] == ["dev/orders: No process of it runs"]
    assert one_of(world, "down").episode == 1


def test_what_fires_together_is_one_message(world: Any) -> None:
    watch = Watcher(world)
    watch.go(60)
    watch.go(15, share=1.0, up=0.0)
    events = world.events_of("alert.firing")
    assert len(events) <= 2, "the second one only if it is worse, or later"
    watch.go(40, share=1.0, up=0.0)
    rules = {one["rule"] for event in world.events_of("alert.firing") for one in event.data["alerts"]}
    assert {CRITICAL, "down"} <= rules
    assert len(world.events_of("alert.firing")) <= 3


def test_a_restarted_server_and_a_second_one_tell_nothing_twice(world: Any) -> None:
    watch = Watcher(world)
    watch.go(60)
    watch.go(30, share=1.0)
    other = alerting.Alerting(alerting_world_of(world, "two"))
    assert not other.look(), "the first one holds the lease"
    again = alerting.Alerting(world)  # the same server, started again
    for _ in range(5):
        again.look()
    titles = told(world)
    assert titles.count("dev/orders: Availability: the error budget burns") == 1
    assert one_of(world, CRITICAL).episode == 1


def alerting_world_of(world: Any, holder: str) -> Any:
    other = type(world)(**vars(world))
    other.holder = holder
    return other


def test_the_lease_passes_on_when_its_holder_is_gone(records: Engine) -> None:
    world = alerting_world(records)
    assert world.alerts.lead("one", 0.0)
    assert world.alerts.lead("two", 60.0)
    assert not world.alerts.lead("one", 60.0)
    assert world.alerts.lead("two", 60.0)


def test_a_message_is_said_once_where_the_event_is_there_twice(world: Any) -> None:
    """A server that dies after the event and before the state emits it again after its restart."""
    watch = Watcher(world)
    watch.go(60)
    watch.go(15, share=1.0)
    before = one_of(world, CRITICAL)
    world.alerts.save([replace(before, told=False, told_at=None)])
    watch.go(5, share=1.0)
    assert len(world.events_of("alert.firing")) == 2
    assert len(told(world)) == 1


def test_a_rule_with_an_error_is_reported_as_broken_and_never_silently_off(world: Any) -> None:
    """Bad input of the issue: an alert rule with an error."""
    text = b"""
apiVersion: pave/v1
kind: Alert
metadata: {name: mine, title: Mine, owner: group:payments}
spec: {severity: info, ask: {up: {metric: workload_up, aggregation: max, over: 30s}}, when: up > nothing}
"""
    unreadable = BrokenRule("other", error("alerts/other.yaml: 'when' is missing"))
    alerts = {**SNAPSHOT.alerts, "mine": read_alert(text, "alerts/mine.yaml")}
    world.say(alerts=alerts, broken_rules=(unreadable,))
    watch = Watcher(world)
    watch.go(20)
    assert told(world, PAYMENTS) == ["An alert rule is broken: what it watches is not watched"]
    assert told(world, PLATFORM) == ["An alert rule is broken: what it watches is not watched"]
    (message,) = world.outbox.find(recipients=[PAYMENTS], limit=1)
    assert "mine: on dev/orders:" in message.text
    assert "nothing" in message.text
    watch.go(60)
    watch.go(20, share=1.0)
    assert states(world)[f"{CRITICAL} dev/orders"] == "firing", "the others go on"
    world.say(alerts=dict(SNAPSHOT.alerts), broken_rules=())
    watch.go(120)
    assert states(world)["alert-broken alert/mine"] == "resolved"


def test_a_broken_question_leaves_what_fires_as_it_is(world: Any) -> None:
    watch = Watcher(world)
    watch.go(30)
    watch.go(30, up=0.0)
    assert states(world)["down dev/orders"] == "firing"
    broken = replace(SNAPSHOT.alerts["down"], when="up ==")
    world.say(alerts={**SNAPSHOT.alerts, "down": broken})
    watch.go(120)
    assert states(world)["down dev/orders"] == "firing"
    assert states(world)["alert-broken alert/down"] == "firing"


def test_a_rule_that_is_off_is_off(world: Any) -> None:
    world.say(alerts={**SNAPSHOT.alerts, "down": replace(SNAPSHOT.alerts["down"], off=True)})
    watch = Watcher(world)
    watch.go(60, up=0.0)
    assert "down dev/orders" not in states(world)


def test_a_clock_that_jumps_back_or_ahead_fires_nothing_by_itself(world: Any) -> None:
    """Bad input of the issue: clock skew."""
    watch = Watcher(world)
    watch.go(60)
    world.clock.at += timedelta(days=400)
    watch.go(5)
    world.clock.at -= timedelta(days=800)
    watch.go(30)
    assert not [one for one in world.alerts.all() if one.on]
    assert told(world) == []
    watch.go(60)
    watch.go(20, share=1.0)
    assert told(world) == ["dev/orders: Availability: the error budget burns"], "and it still sees what is wrong"


def test_nobody_is_told_of_what_is_silenced_until_the_silence_ends(world: Any) -> None:
    silence = Silence("", CRITICAL, "*/orders", SAM, "load test", world.clock.at, world.clock.at + timedelta(minutes=3))
    made = world.alerts.silence(silence)
    assert [one.id for one in world.alerts.silences(world.clock.at)] == [made.id]
    watch = Watcher(world)
    watch.go(60)
    watch.go(60, share=1.0)
    assert states(world)[f"{CRITICAL} dev/orders"] == "firing"
    assert not [one for one in told(world) if "budget" in one]
    assert world.events_of("alert.firing")[0].data["silenced"]
    watch.go(120, share=1.0)
    assert [one for one in told(world) if "Availability" in one], "it still fires when the silence is over"


def test_an_acknowledged_alert_is_not_escalated_and_others_are(world: Any) -> None:
    steps = (Step(timedelta(minutes=1), ("pager",)), Step(timedelta(minutes=2), refs=(PLATFORM,)))
    channels = (Channel("pager", "slack", "pager", topics=("approval",)),)
    world.couriers["slack"] = object()
    world.say(notifications={PAYMENTS: Notifications(PAYMENTS, channels, escalate=steps)})
    watch = Watcher(world)
    watch.go(60)
    watch.go(30, share=1.0)
    assert not world.events_of("alert.escalated")
    watch.go(60, share=1.0)
    notifying.look(world)
    (pager,) = [one for one in world.outbox.find(limit=100) if one.channel == "pager"]
    assert pager.title.startswith("Nobody has acknowledged: dev/orders")
    for one in world.alerts.all():
        if one.on:
            world.alerts.acknowledge(one.fingerprint, SAM, "on it", world.clock.at)
    watch.go(120, share=1.0)
    assert told(world, PLATFORM) == []
    assert one_of(world, CRITICAL).acknowledged_by == str(SAM)
    watch.go(120)
    assert not one_of(world, CRITICAL).on
    watch.go(30, share=1.0)
    assert one_of(world, CRITICAL).acknowledged_by == "", "a new firing is nobody's yet"


def test_a_critical_alert_goes_to_the_platform_team_where_nobody_says_otherwise(world: Any) -> None:
    watch = Watcher(world)
    watch.go(60)
    watch.go(20, share=1.0)
    world.clock.at += timedelta(minutes=14)
    watch.go(5, share=1.0)
    assert told(world, PLATFORM) == []
    world.clock.at += timedelta(minutes=1)
    watch.go(5, share=1.0)
    assert len(told(world, PLATFORM)) == 1
    assert told(world, PLATFORM)[0].startswith("Nobody has acknowledged")


def test_only_what_fires_can_be_acknowledged(world: Any) -> None:
    with pytest.raises(Unknown):
        world.alerts.acknowledge("nothing", SAM, "", world.clock.at)
    watch = Watcher(world)
    watch.go(60)
    watch.go(20, share=1.0)
    watch.go(300)
    with pytest.raises(Conflict):
        world.alerts.acknowledge(one_of(world, CRITICAL).fingerprint, SAM, "", world.clock.at)


def delivery(world: Any, seconds_ago: float, **parts: Any) -> Delivery:
    at = world.clock.at - timedelta(seconds=seconds_ago)
    given = {"cause": "push", "commit": "c" * 40, "outcome": "live", "recorded_at": at, "live_at": at, **parts}
    return Delivery("x", given.pop("stack", PROD), "run_bad", **given)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, str, str]]:
    """What the engine would be asked for; the whole of it is a journey's matter."""
    found: list[tuple[Any, str, str]] = []

    def ask(_world: Any, intent: Any, key: str, reason: str = "") -> list[str]:
        found.append((intent, key, reason))
        return ["run_back"]

    monkeypatch.setattr(alerting, "ask", ask)
    return found


def test_a_version_goes_back_once_where_an_alert_that_was_named_fires(world: Any, asked: list[Any]) -> None:
    watch = Watcher(world, PROD)
    watch.go(120)
    world.found.append(delivery(world, 0))
    watch.go(120, share=1.0)
    ((intent, key, reason),) = asked
    assert (intent.stack, intent.automatic) == (PROD, True)
    assert key == f"alert/{one_of(world, CRITICAL).fingerprint}/run_bad"
    assert reason.startswith(f"the alert {CRITICAL} fires: ")
    (message,) = [one for one in world_messages(world) if "budget" in one.title]
    assert message.facts["Going back by itself"] == "pave run run_back"
    assert "push of cccccccccccc by somebody (live)" in message.facts["Changed before"]
    assert message.facts["Changed before"].endswith("(live)")


def world_messages(world: Any) -> list[Any]:
    notifying.look(world)
    return [one for one in world.outbox.find(recipients=[PAYMENTS], limit=100) if one.channel == "inbox"]


@pytest.mark.parametrize(
    ("ago", "parts"),
    [
        (3600, {}),  # too long ago
        (-60, {}),  # it came after the trouble began
        (0, {"cause": "rollback"}),  # it is itself the way back
        (0, {"outcome": "failed"}),  # the way back is asked for already
    ],
)
def test_what_the_version_is_not_to_blame_for_sends_nobody_back(
    world: Any, asked: list[Any], ago: float, parts: dict[str, Any]
) -> None:
    watch = Watcher(world, PROD)
    watch.go(120)
    world.found.append(delivery(world, ago, **parts))
    watch.go(60, share=1.0)
    assert one_of(world, CRITICAL).on
    assert asked == []


def test_an_environment_that_named_no_alert_goes_nowhere(world: Any, asked: list[Any]) -> None:
    watch = Watcher(world, ORDERS)
    watch.go(120)
    world.found.append(delivery(world, 0, stack=ORDERS))
    watch.go(60, share=1.0)
    assert one_of(world, CRITICAL).on
    assert asked == []


def test_a_stack_that_is_gone_ends_its_alerts(world: Any) -> None:
    watch = Watcher(world)
    watch.go(60)
    watch.go(20, share=1.0)
    world.say(deployments={})
    watch.go(5)
    assert one_of(world, CRITICAL).state is State.RESOLVED


def test_metrics_that_do_not_answer_are_told_after_a_minute(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.metrics.fails = OSError("the store is away")
    one = alerting.Alerting(world, seconds=0.01)
    one.start()
    try:
        for _ in range(500):
            if world.events_of("alert.blind"):
                break
            one._stop.wait(0.01)
    finally:
        one.close()
    assert told(world, PLATFORM)[:1] == ["Alerts are not evaluated at the moment"]


def test_what_ended_long_ago_is_forgotten(world: Any) -> None:
    watch = Watcher(world)
    watch.go(60)
    watch.go(20, share=1.0)
    watch.go(300)
    assert world.alerts.forget(world.clock.at - timedelta(days=1)) == 0
    assert world.alerts.forget(world.clock.at + timedelta(days=1)) > 0
    assert not [one for one in world.alerts.all() if one.state is State.RESOLVED]
