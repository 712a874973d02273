"""Alerts, objectives and notifications as files: what is read, what is refused and where, and what is never lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pave.model.alert_file import built_in_alerts, built_in_slos, read_alert, read_slo
from pave.model.diagnostics import Refused, Severity
from pave.model.environment_file import read_environment, write_environment
from pave.model.names import Ref
from pave.model.notifications import read_notifications
from pave.model.reading import read_snapshot

ALERT = """\
apiVersion: pave/v1
kind: Alert
metadata: {name: down, title: It is down, owner: payments}
spec:
  severity: critical
  ask:
    up: {metric: workload_up, aggregation: max, over: 30s, where: {a: b, c: [d, e]}}
  when: up == 0.0
  for: 2m
"""
SLO = """\
apiVersion: pave/v1
kind: SLO
metadata: {name: availability, title: Availability}
spec: {indicator: latency, objective: 99.95 %, threshold: 2.5s, window: 7d}
"""
NOTIFICATIONS = """\
apiVersion: pave/v1
kind: Notifications
metadata: {name: payments}
spec:
  for: group:payments
  channels: [{name: chat, type: slack, address: payments-chat}]
  hours: ["Mon-Fri 08:00-18:00 Europe/Berlin"]
  digest: 1h
  escalate: [{after: 30m, to: [group:platform]}, {after: 10m, to: [chat]}]
"""


def test_an_alert_is_read() -> None:
    found = read_alert(ALERT.encode(), "alerts/down.yaml")
    assert found.owner == Ref("group", "default", "payments")
    assert (found.hold, found.keep) == (timedelta(minutes=2), timedelta(minutes=2))
    assert found.ask["up"].where == {"a": "b", "c": ("d", "e")}


def test_an_objective_is_read() -> None:
    found = read_slo(SLO.encode(), "slos/x.yaml")
    assert (found.objective, found.threshold, found.window) == (0.9995, 2.5, timedelta(days=7))


def test_notifications_are_read_and_say_when_something_may_come() -> None:
    found = read_notifications(NOTIFICATIONS.encode(), "x")
    assert [one.after for one in found.escalate] == [timedelta(minutes=10), timedelta(minutes=30)]
    assert found.escalate[1].refs == (Ref("group", "default", "platform"),)
    noon = datetime(2026, 11, 24, 12, 20, tzinfo=UTC)
    assert found.due(noon, urgent=True) == noon
    assert found.due(noon, urgent=False) == noon.replace(hour=13, minute=0)
    evening = noon.replace(hour=20)
    assert found.due(evening, urgent=False) == datetime(2026, 11, 25, 7, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "line", "summary", "remedy"),
    [
        (ALERT.replace("critical", "bad"), 5, "'severity' must be one of", "nfo, warning or critical"),
        (ALERT.replace("  when: up == 0.0\n", ""), 4, "'when' is missing", "a CEL condition"),
        (ALERT.replace("over: 30s", "over: 30"), 7, "'over' must be text", ""),
        (ALERT.replace("over: 30s", "over: 90d"), 7, "longer than 30d", "shorter"),
        (ALERT.replace("for: 2m", "fro: 2m"), 9, "'fro' is not known", "'for'"),
        (SLO.replace("99.95 %", "100 %"), 4, "'objective' cannot be", "99.9 %"),
        (SLO.replace("2.5s", "3s"), 4, "3s is not what the router counts at", "2.5s"),
        (NOTIFICATIONS.replace("[chat]", "[chart]"), 9, "there is no channel 'chart'", "chat"),
        (NOTIFICATIONS.replace("Berlin", "Atlantis"), 7, "no time zone", "Europe/Berlin"),
    ],
)
def test_what_is_wrong_is_said_with_its_line_and_a_remedy(text: str, line: int, summary: str, remedy: str) -> None:
    kind = text.split("kind: ")[1].split("\n", maxsplit=1)[0]
    read = {"Alert": read_alert, "SLO": read_slo, "Notifications": read_notifications}[kind]
    with pytest.raises(Refused) as refused:
        read(text.encode(), "x.yaml")
    (one, *_) = refused.value.diagnostics
    assert summary in one.summary
    assert (one.source.file, one.source.line) == ("x.yaml", line)
    assert remedy in one.remedy


def test_a_file_takes_the_place_of_the_built_in_one(tree_of) -> None:
    bare = read_snapshot(tree_of({}), "x")
    assert bare.alerts == built_in_alerts()
    assert bare.slos == built_in_slos()
    own = read_snapshot(tree_of({"alerts/mine.yaml": ALERT}), "x")
    assert set(own.alerts) == set(bare.alerts)
    assert own.alerts["down"].title == "It is down"


def test_a_file_that_cannot_be_read_is_a_broken_rule_and_the_built_in_one_holds(tree_of) -> None:
    """Bad input of the issue: an alert rule with an error (reported as broken, never silently off)."""
    wrong = {"alerts/down.yaml": ALERT.replace("when:", "wenn:"), "slos/availability.yaml": "kind: ["}
    for _ in range(2):  # the second time from what was kept
        found = read_snapshot(tree_of(wrong), "x")
        assert {one.name for one in found.broken_rules} == {"down", "availability"}
        assert all(one.problem.source.file in wrong for one in found.broken_rules)
        assert found.alerts["down"] == built_in_alerts()["down"]
        assert found.slos["availability"] == built_in_slos()["availability"]
        assert {one.source.file for one in found.findings if one.severity is Severity.ERROR} == set(wrong)


def test_where_somebody_is_reached_lies_at_their_place(tree_of) -> None:
    right = read_snapshot(tree_of({"notifications/group/payments.yaml": NOTIFICATIONS}), "x")
    assert set(right.notifications) == {Ref("group", "default", "payments")}
    for path in ("notifications/payments.yaml", "notifications/user/payments.yaml", "notifications/group/x.yaml"):
        found = read_snapshot(tree_of({path: NOTIFICATIONS}), "x")
        assert found.notifications == {}
        assert any("describes group/payments" in one.summary for one in found.findings)


def test_an_environment_names_the_alerts_that_send_a_version_back() -> None:
    text = b"""apiVersion: pave/v1
kind: Environment
metadata:
  name: prod
spec:
  kind: production
  owner: group:platform
  deploy:
    from: staging
    rollbackOn:
      - availability-burn
    rollbackWithin: 10m
"""
    found = read_environment(text, "x")
    assert (found.deploy.rollback_on, found.deploy.rollback_within) == (("availability-burn",), "10m")
    assert write_environment(found) == text
