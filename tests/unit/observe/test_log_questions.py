"""Questions about log lines: what answers them, and the command that asks them."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta

import pytest
import typer

from pave.cli.main import build
from pave.engine.registry import OPERATIONS
from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.observe.logs import Level, LogLine, LogQuestion, Origin, around, moment, of_delivery, of_run

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
STACK = Address("dev", "orders")
LINE = LogLine(
    NOW,
    Origin("workload", "dev", "orders", "web.0", "abcdef012345"),
    "Connection refused",
    Level.ERROR,
    {"status": "500"},
)


@pytest.mark.parametrize(
    ("question", "answers"),
    [
        (LogQuestion(), True),
        (LogQuestion("dev", "orders"), True),
        (LogQuestion("dev", "order"), False),
        (LogQuestion("prod"), False),
        (LogQuestion(sources=("router",)), False),
        (LogQuestion(process="web"), True),
        (LogQuestion(process="web.0"), True),
        (LogQuestion(process="web.01"), False),
        (LogQuestion(process="we"), False),
        (LogQuestion(version="abcd"), True),
        (LogQuestion(version="bcd"), False),
        (LogQuestion(text="connection REFUSED"), True),
        (LogQuestion(fields=(("status", "500"),)), True),
        (LogQuestion(fields=(("status", "50"),)), False),
        (LogQuestion(fields=(("status", "500"), ("path", "/"))), False),
        (LogQuestion(level=Level.WARNING), True),
        (LogQuestion(level=Level.FATAL), False),
        (LogQuestion(since=NOW), True),
        (LogQuestion(until=NOW), False),
        (LogQuestion(since=NOW + timedelta(seconds=1)), False),
    ],
)
def test_what_answers(question, answers):
    assert question.wants(LINE) is answers


def test_an_alert_points_at_the_lines_around_it():
    assert around(STACK, NOW, Level.ERROR).command == (
        "pave logs dev/orders --level error --since 2026-11-24T11:50:00Z --until 2026-11-24T12:05:00Z"
    )


def test_a_delivery_points_at_what_its_version_said():
    command = of_delivery(STACK, "sha256:abcdef0123456789", NOW, NOW + timedelta(minutes=1)).command
    assert command == (
        "pave logs dev/orders --version abcdef012345 --since 2026-11-24T12:00:00Z --until 2026-11-24T12:06:00Z"
    )


@pytest.mark.parametrize(
    "question",
    [
        around(STACK, NOW),
        of_delivery(STACK, "sha256:abcdef0123456789", NOW),
        of_run("01ab"),
        LogQuestion("dev", text="it's $(gone)", fields=(("a b", "c=d"),), process="web", sources=("router", "run")),
    ],
)
def test_the_command_is_one_that_can_be_typed(question):
    words = shlex.split(question.command)[1:]
    command = typer.main.get_command(build(OPERATIONS)).commands[words[0]]
    context = command.make_context("logs", words[1:])
    assert context.params["grep"] in (None, question.text)
    assert list(context.params["field"] or ()) == [f"{name}={value}" for name, value in question.fields]


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("15m", NOW - timedelta(minutes=15)),
        ("2h", NOW - timedelta(hours=2)),
        ("3d", NOW - timedelta(days=3)),
        ("2026-11-24T10:00:00", NOW - timedelta(hours=2)),
        ("2026-11-24T12:00:00+02:00", NOW - timedelta(hours=2)),
    ],
)
def test_times_as_people_give_them(text, at):
    assert moment(text, NOW) == at


@pytest.mark.parametrize("text", ["yesterday", "-1h", "1y", "999999999h", "2026-13-01"])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(Refused, match="is no time"):
        moment(text, NOW)
