"""Messages to real receivers: over HTTP, over SMTP, to a real Alertmanager; and receivers that are not well."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller
from alerting_for_tests import NOW, PAYMENTS, SAM, Watcher, alerting_world
from receiver_for_tests import Receiver, receiving
from sqlalchemy import Engine

from pave.adapters.notify import Addresses, Alertmanager, Mail, Slack, Webhook
from pave.adapters.notify.post import post
from pave.apply.retry import Transient
from pave.engine.signals import notifying
from pave.engine.signals.notifying import Notifier
from pave.model.diagnostics import Refused
from pave.model.notifications import Channel, Notifications
from pave.ports import Delivered


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def world_with(records: Engine, receiver: Receiver, *channels: Channel, **parts: Any) -> Any:
    addresses = Addresses.read(f"chat={receiver.url}/chat\nhook={receiver.url}/hook key=whsec_c2VjcmV0", "")
    world = alerting_world(records, {"slack": Slack(addresses), "webhook": Webhook(addresses)})
    world.say(notifications={PAYMENTS: Notifications(PAYMENTS, channels, **parts)})
    notifying.look(world)
    return world


CHAT, HOOK = Channel("chat", "slack", "chat"), Channel("hook", "webhook", "hook")


def say(world: Any, text: str = "x", severity: str = "warning") -> None:
    alert = {"id": text, "rule": "r", "title": text, "severity": severity, "message": text, "episode": 1}
    world.events.emit("alert.firing", "dev/orders", alerts=[alert], owner=str(PAYMENTS), severity=severity)
    notifying.look(world)


def deliver(world: Any) -> None:
    """One round of deliveries, here and now."""
    due = world.outbox.due(world.clock.at, ())
    for destination in {one.destination for one in due}:
        for batch in notifying.batches([one for one in due if one.destination == destination]):
            if not notifying.deliver(world, batch):
                break


def messages(world: Any, channel: str) -> list[Any]:
    return [one for one in world.outbox.find(limit=500) if one.channel == channel]


def test_an_alert_reaches_a_chat_and_a_webhook_while_the_platform_runs(records: Engine, receiver: Receiver) -> None:
    world = world_with(records, receiver, CHAT, HOOK)
    notifier = Notifier(world)
    notifier.start()
    try:
        watch = Watcher(world)
        watch.go(60)
        watch.go(20, share=1.0)
        receiver.wait(2)
    finally:
        notifier.close()
    by_kind = {"blocks" in one: one for one in receiver.got}
    assert "dev/orders: Availability: the error budget burns" in by_kind[True]["text"]
    assert by_kind[True]["blocks"][0]["type"] == "header"
    (message,) = by_kind[False]["messages"]
    assert (message["event"], message["status"], message["severity"]) == ("alert.firing", "firing", "critical")
    assert message["alerts"][0]["rule"] == "availability-burn"
    assert {one.state for one in (*messages(world, "chat"), *messages(world, "hook"))} == {Delivered.SENT}


def test_a_webhook_is_signed_as_the_standard_says(records: Engine, receiver: Receiver) -> None:
    world = world_with(records, receiver, HOOK)
    say(world)
    deliver(world)
    headers, body = receiver.headers[0], receiver.bodies[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = hmac.new(b"secret", signed, hashlib.sha256).digest()
    assert headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()
    assert abs(int(headers["webhook-timestamp"]) - time.time()) < 60


def test_a_receiver_that_answers_500_for_an_hour_gets_each_message_once_it_is_well(
    records: Engine, receiver: Receiver
) -> None:
    """Bad input of the issue: a webhook receiver that answers 500 for an hour (retried, bounded, shown)."""
    world = world_with(records, receiver, HOOK)
    receiver.behaviour = 500
    say(world, "first")
    say(world, "second")
    until = world.clock.at + timedelta(hours=1)
    while world.clock.at < until:
        deliver(world)
        world.clock.at += timedelta(seconds=10)
    assert 8 <= len(receiver.got) <= 25, "tried again and again, and less and less often"
    (waiting, _) = messages(world, "hook")
    assert waiting.state is Delivered.WAITING
    assert "127.0.0.1 answered 500" in waiting.problem
    assert {one.attempts > 0 for one in messages(world, "hook")} == {True, False}, "one knocks for both"
    receiver.behaviour = 200
    before = len(receiver.got)
    for _ in range(100):
        deliver(world)
        world.clock.at += timedelta(seconds=10)
    assert {one.state for one in messages(world, "hook")} == {Delivered.SENT}
    assert sorted(one["messages"][0]["title"] for one in receiver.got[before:]) == [
        "dev/orders: first",
        "dev/orders: second",
    ]
    repeated = {one["webhook-id"] for one in receiver.headers}
    assert len(repeated) == 2, "a receiver can tell a repetition by its id"


def test_what_does_not_arrive_within_a_day_is_given_up_and_shown(records: Engine, receiver: Receiver) -> None:
    world = world_with(records, receiver, HOOK)
    receiver.behaviour = 503
    say(world)
    for _ in range(200):
        deliver(world)
        world.clock.at += timedelta(minutes=10)
    (lost,) = messages(world, "hook")
    assert lost.state is Delivered.GIVEN_UP
    assert "given up after" in lost.problem
    assert len(receiver.got) < 120
    (event,) = world.events_of("notification.failed")
    assert event.data["recipient"] == str(PAYMENTS)
    before = len(receiver.got)
    deliver(world)
    assert len(receiver.got) == before


def test_what_a_receiver_refuses_is_given_up_at_once(records: Engine, receiver: Receiver) -> None:
    world = world_with(records, receiver, HOOK)
    receiver.behaviour = 404
    say(world)
    deliver(world)
    (lost,) = messages(world, "hook")
    assert (lost.state, lost.attempts) == (Delivered.GIVEN_UP, 1)
    receiver.behaviour = "redirect"
    say(world, "again")
    deliver(world)
    assert len(receiver.got) == 2, "nothing is redirected anywhere"


def test_a_receiver_that_hangs_is_cut_and_hurts_nobody_else(records: Engine, receiver: Receiver) -> None:
    """Bad input of the issue: a webhook receiver that hangs."""
    receiver.behaviour = "hang"
    with receiving() as well:
        addresses = Addresses.read(f"stuck={receiver.url}; fine={well.url}", "")
        world = alerting_world(records, {"slack": Slack(addresses), "webhook": Webhook(addresses)})
        channels = (Channel("stuck", "webhook", "stuck"), Channel("fine", "webhook", "fine"))
        world.say(notifications={PAYMENTS: Notifications(PAYMENTS, channels)})
        notifying.look(world)
        for number in range(5):
            say(world, f"m{number}")
        notifier = Notifier(world)
        notifier.start()
        try:
            began = time.monotonic()
            well.wait(5, 10)
            assert time.monotonic() - began < 5, "nobody waits for the one that hangs"
            for _ in range(150):
                if any(one.problem for one in messages(world, "stuck")):
                    break
                time.sleep(0.1)
        finally:
            notifier.close()
        assert len(receiver.got) <= 2, "one at a time"
        assert any("did not answer" in one.problem for one in messages(world, "stuck"))
        assert {one.state for one in messages(world, "fine")} == {Delivered.SENT}


def test_a_receiver_that_trickles_is_cut_as_a_whole(receiver: Receiver) -> None:
    receiver.behaviour = "trickle"
    began = time.monotonic()
    with pytest.raises(Transient, match="did not answer"):
        post(receiver.url, {}, b"{}", seconds=1.0)
    assert time.monotonic() - began < 8


def test_nothing_goes_to_an_address_that_nobody_allowed(records: Engine, receiver: Receiver) -> None:
    addresses = Addresses.read(f"chat={receiver.url}", "hooks.example.com")
    assert addresses.find("https://hooks.example.com/x").host == "hooks.example.com"
    for address in (
        receiver.url,
        "http://hooks.example.com/x",
        "https://127.0.0.1/latest/meta-data",
        "https://localhost:8800/api/v1/runs",
        "https://hooks.example.com@evil.example.org/",
        "https://user@hooks.example.com/",
        "https://hooks.example.com.evil.example.org/",
        "file:///etc/passwd",
        "unknown-name",
    ):
        with pytest.raises(Refused):
            addresses.find(address)
    world = alerting_world(records, {"webhook": Webhook(addresses)})
    world.say(notifications={PAYMENTS: Notifications(PAYMENTS, (Channel("x", "webhook", receiver.url),))})
    notifying.look(world)
    say(world)
    deliver(world)
    (lost,) = messages(world, "x")
    assert lost.state is Delivered.GIVEN_UP
    assert "Nothing may go to 127.0.0.1" in lost.problem
    assert receiver.got == []


@pytest.mark.parametrize("text", ["chat", "Chat Room=https://x.example.com", "chat=ftp://x.example.com", "chat=x"])
def test_addresses_that_cannot_be_read_are_refused_without_being_shown(text: str) -> None:
    with pytest.raises(Refused, match="notify_addresses cannot be read"):
        Addresses.read(text, "")


def test_a_digest_comes_together_and_what_is_urgent_at_once(records: Engine, receiver: Receiver) -> None:
    world = world_with(records, receiver, HOOK, digest=timedelta(hours=1))
    for number in range(3):
        say(world, f"m{number}")
    deliver(world)
    assert receiver.got == []
    alert = {"id": "u", "rule": "r", "title": "urgent", "severity": "critical", "message": "now", "episode": 1}
    world.events.emit(
        "alert.firing", "prod/orders", alerts=[alert], owner=str(PAYMENTS), severity="critical", urgent=True
    )
    notifying.look(world)
    deliver(world)
    assert [one["messages"][0]["title"] for one in receiver.got] == ["prod/orders: urgent"]
    world.clock.at += timedelta(hours=1)
    deliver(world)
    assert len(receiver.got) == 2
    assert len(receiver.got[1]["messages"]) == 3


def test_quiet_hours_hold_back_what_is_not_urgent(records: Engine, receiver: Receiver) -> None:
    world = world_with(records, receiver, HOOK, hours=("Mon-Fri 08:00-10:00",))  # it is Tuesday noon
    say(world)
    (held,) = messages(world, "hook")
    assert held.due_at == NOW.replace(hour=8) + timedelta(days=1)
    deliver(world)
    assert receiver.got == []
    world.clock.at = held.due_at
    deliver(world)
    assert len(receiver.got) == 1


def test_two_servers_say_a_message_once(records: Engine, receiver: Receiver) -> None:
    world = world_with(records, receiver, HOOK)
    say(world)
    due = world.outbox.due(world.clock.at, ())
    assert notifying.deliver(world, due)
    assert notifying.deliver(world, due), "the other one had read it before"
    assert len(receiver.got) == 1


class Mailbox:
    """A real SMTP server that keeps what it is given."""

    def __init__(self) -> None:
        self.mails: list[Any] = []
        self.answer = "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 — aiosmtpd's name
        if self.answer.startswith("2"):
            self.mails.append((envelope.rcpt_tos, message_from_bytes(envelope.content, policy=policy.default)))
        return self.answer


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, str]]:
    box = Mailbox()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, ready_timeout=20)
    controller.start()
    try:
        yield box, f"smtp://127.0.0.1:{port}"
    finally:
        controller.stop()


def test_a_team_that_says_nothing_gets_mail(records: Engine, mailbox: tuple[Mailbox, str]) -> None:
    box, url = mailbox
    world = alerting_world(records, {"mail": Mail(url, "pave@example.com")})
    notifying.look(world)
    say(world, "Grüße\nBcc: evil@example.org")
    deliver(world)
    ((to, mail),) = box.mails
    assert to == ["payments@example.com"]
    assert mail["Subject"] == "dev/orders: Grüße Bcc: evil@example.org"
    assert mail["Bcc"] is None
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "pave logs dev/orders" in mail.get_content()


def test_a_mail_server_that_is_busy_is_tried_again_and_one_that_refuses_is_not(
    records: Engine, mailbox: tuple[Mailbox, str]
) -> None:
    box, url = mailbox
    world = alerting_world(records, {"mail": Mail(url, "pave@example.com")})
    notifying.look(world)
    box.answer = "451 later"
    say(world, "later")
    deliver(world)
    (one,) = messages(world, "mail")
    assert (one.state, one.attempts) == (Delivered.WAITING, 1)
    box.answer = "554 no"
    world.clock.at += timedelta(minutes=1)
    deliver(world)
    (one,) = messages(world, "mail")
    assert one.state is Delivered.GIVEN_UP
    assert "answered 554" in one.problem


def test_a_mail_server_that_is_not_there_is_tried_again() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        courier = Mail(f"smtp://127.0.0.1:{probe.getsockname()[1]}", "pave@example.com", seconds=1)
        one = SimpleNamespace(key="k", title="t", text="", facts={}, links={}, severity="info")
        with pytest.raises(Transient):
            courier.deliver("sam@example.com", [one])  # type: ignore[list-item]
    assert courier.problem("sam@example.com") == ""
    assert courier.problem("sam@example.com, evil@example.org")
    assert courier.problem("nobody")


def test_who_is_told_may_read_it_in_the_list(records: Engine) -> None:
    world = alerting_world(records)
    notifying.look(world)
    approval = SimpleNamespace(
        id="apr_1", approvers=(PAYMENTS,), requester=SAM, subject="prod/orders", run="run_1",
        findings=({"message": "F"},),
        expires_at=NOW, decided_by=None, reason="",
    )  # fmt: skip
    world.approvals = SimpleNamespace(get={"apr_1": approval}.get)
    world.events.emit("approval.asked", "approval/apr_1", run="run_1")
    world.events.emit("approval.expired", "approval/apr_1", run="run_1")
    world.events.emit("environment.ends", "environment/try", until="2026-11-25", owner=str(PAYMENTS), remedy="pave …")
    notifying.look(world)
    found = {(one.recipient, one.title) for one in world.outbox.find()}
    assert found == {
        (PAYMENTS, "user:sam asks for an approval: prod/orders"),
        (SAM, "Nobody approved prod/orders in time"),
        (PAYMENTS, "The environment try ends soon"),
    }
    assert len(world.outbox.find(recipients=[SAM])) == 1
    assert len(world.outbox.find(subject="prod/orders")) == 2
    assert world.outbox.forget(NOW + timedelta(days=1)) == 3


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("prometheus-alertmanager")
    if program is None:
        pytest.skip("this needs Debian's prometheus-alertmanager")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
    argv = [program, f"--config.file={config}", f"--storage.path={tmp_path / 'data'}", "--cluster.listen-address="]
    with (tmp_path / "log").open("wb") as log:
        child = subprocess.Popen([*argv, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{url}/-/ready", timeout=2).status_code == 200:
                    break
            assert child.poll() is None, (tmp_path / "log").read_text()
            time.sleep(0.1)
        yield url
    finally:
        child.terminate()
        child.wait(20)


def test_a_real_alertmanager_shows_what_fires_and_what_is_over(records: Engine, alertmanager: str) -> None:
    world = alerting_world(records)
    world.mirror = Alertmanager(alertmanager, "http://localhost:8800")
    world.clock.at = NOW.now(NOW.tzinfo)  # an Alertmanager goes by the true time
    watch = Watcher(world)
    watch.go(60)
    watch.go(20, share=1.0)
    notifying.show(world)

    def shown() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = httpx.get(f"{alertmanager}/api/v2/alerts", timeout=5).json()
        return found

    (alert,) = [one for one in shown() if one["labels"]["alertname"] == "availability-burn"]
    assert alert["labels"]["environment"] == "dev"
    assert alert["labels"]["component"] == "orders"
    assert alert["labels"]["severity"] == "critical"
    assert "requests to dev/orders failed" in alert["annotations"]["description"]
    for one in world.alerts.all():
        past = NOW.now(NOW.tzinfo) - timedelta(seconds=2)
        world.alerts.save([type(one)(**{**vars(one), "state": one.state.RESOLVED, "resolved_at": past,
                                        "fired_at": past - timedelta(seconds=60)})])  # fmt: skip
    world.clock.at = NOW.now(NOW.tzinfo)
    notifying.show(world)
    for _ in range(50):
        if shown() == []:
            break
        time.sleep(0.1)
    assert shown() == []


def test_an_alertmanager_that_is_away_is_no_harm(records: Engine) -> None:
    world = alerting_world(records)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        world.mirror = Alertmanager(f"http://127.0.0.1:{probe.getsockname()[1]}", "")
        watch = Watcher(world)
        watch.go(60)
        watch.go(20, share=1.0)
        with pytest.raises(Transient):
            notifying.show(world)
