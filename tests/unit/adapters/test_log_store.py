"""Lines on this machine: found again by anything that is known of them, whatever was sealed, torn or forgotten."""

from __future__ import annotations

import os
import random
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pave.adapters.logs import segments, store
from pave.adapters.logs.store import LocalLogs
from pave.apply.retry import Transient
from pave.model.diagnostics import Refused
from pave.observe.logs import Level, LogLine, LogQuestion, Origin

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
ORIGINS = [
    Origin("workload", environment, component, f"web.{number}", version)
    for environment in ("dev", "prod")
    for component in ("orders", "orders-api", "pay")
    for number, version in ((0, "aaaa"), (1, "bbbb"))
] + [Origin("router", "dev", "orders", "router")]


def line(number, text="", **parts):
    origin = parts.pop("origin", ORIGINS[number % len(ORIGINS)])
    return LogLine(NOW + timedelta(milliseconds=number), origin, text or f"line {number}", **parts)


@pytest.fixture
def logs(tmp_path):
    made = LocalLogs(tmp_path, 10**9, 14, open_bytes=4000)
    yield made
    made.close()


def again(logs, tmp_path):
    """As after a kill: nothing was closed in order."""
    os.close(logs._file)
    logs._file = os.open("/dev/null", os.O_RDONLY)
    return LocalLogs(tmp_path, 10**9, 14, open_bytes=4000)


def texts(found):
    return [one.text for one in found.lines]


def test_a_line_comes_back_as_it_was(logs):
    kept = [
        line(0, 'tab\t"quotes" \\ back • 漢字 \x1b', level=Level.ERROR, fields={"a.b": "c\td", '"': "\n"}),
        line(1, "", level=None, coloured="\x1b[31mred\x1b[0m"),
        line(2, "#not a mark"),
    ]
    logs.write(kept, {})
    assert logs.search(LogQuestion(), 10).lines == kept
    logs._seal()
    assert logs.search(LogQuestion(), 10).lines == kept


def test_the_newest_come_and_a_cursor_leads_to_those_before(logs):
    logs.write([line(number) for number in range(500)], {})
    assert len(logs._sealed) == 1
    for number in range(500, 1000):
        logs.write([line(number)], {})
    found, cursor = [], ""
    while True:
        page = logs.search(LogQuestion(), 170, cursor)
        found = [*texts(page), *found]
        cursor = page.position
        if not cursor:
            break
    assert found == [f"line {number}" for number in range(1000)]


def test_lines_are_found_in_the_order_of_their_own_time(logs):
    logs.write([line(5), line(1)], {})
    logs._seal()
    logs.write([line(3), line(2)], {})
    assert texts(logs.search(LogQuestion(), 3)) == ["line 2", "line 3", "line 5"]


@given(st.integers(0, 10**6))
@settings(max_examples=40, deadline=None)
def test_a_search_finds_exactly_what_answers(tmp_path_factory, seed):
    chance = random.Random(seed)
    logs = LocalLogs(tmp_path_factory.mktemp("kept"), 10**9, 14, open_bytes=chance.choice([500, 5000, 10**6]))
    words = ["refused", "Connection", "ÄRGER", 'say "hi"', "\\d+", "#", "200", "status", "e", "日本"]
    everything = []
    for _ in range(chance.randrange(1, 20)):
        some = [
            LogLine(
                NOW + timedelta(seconds=chance.randrange(-300, 300)),
                chance.choice(ORIGINS),
                " ".join(chance.choices(words, k=3)),
                chance.choice([None, *Level]),
                {"status": chance.choice(["200", "500"])} if chance.random() < 0.5 else {},
            )
            for _ in range(chance.randrange(20))
        ]
        logs.write(some, {})
        everything += some
    for _ in range(20):
        origin = chance.choice(ORIGINS)
        question = LogQuestion(
            environment=chance.choice(["", origin.environment]),
            component=chance.choice(["", origin.component]),
            sources=chance.choice([(), ("workload",), ("router",)]),
            process=chance.choice(["", "web", "web.1"]),
            version=chance.choice(["", "", "bb"]),
            text=chance.choice(["", *words]).swapcase() if chance.random() < 0.7 else "",
            fields=chance.choice([(), (("status", "500"),)]),
            level=chance.choice([None, *Level]),
            since=chance.choice([None, NOW]),
            until=chance.choice([None, NOW + timedelta(seconds=100)]),
        )
        wanted = sorted((one for one in everything if question.wants(one)), key=lambda one: one.at)
        assert logs.search(question, 10_000).lines == wanted
        newest = logs.search(question, 5)
        assert newest.lines == wanted[-5:]
        logs._recent.clear()
        read, position = [], "0"
        while position != logs.last():
            page = logs.read(position, question, 10_000)
            read, position = [*read, *page.lines], page.position
        assert read == [one for one in everything if question.wants(one)]
    logs.close()


def test_a_reader_goes_on_where_it_was_through_all_segments(logs):
    logs.write([line(number) for number in range(300)], {})
    found, position = [], "0"
    for number in range(300, 600):
        logs.write([line(number)], {})
        if number % 50 == 0:
            logs._recent.clear()
        page = logs.read(position, LogQuestion(), 7)
        position = page.position
        found += texts(page)
    while (page := logs.read(position, LogQuestion(), 100)).lines:
        position = page.position
        found += texts(page)
    assert found == [f"line {number}" for number in range(600)]
    assert position == logs.last()


def test_a_reader_passes_what_is_no_answer(logs):
    logs.write([line(number) for number in range(300)], {})
    page = logs.read("0", LogQuestion(text="line 299"), 10)
    while not page.lines:
        page = logs.read(page.position, LogQuestion(text="line 299"), 10)
    assert texts(page) == ["line 299"]


def test_whoever_waits_is_woken(logs):
    threading.Timer(0.05, logs.write, ([line(0)], {})).start()
    began = time.monotonic()
    assert logs.wait(logs.last(), 1.5)
    assert time.monotonic() - began < 1
    assert not logs.wait(logs.last(), 0.01)


def test_a_restart_finds_lines_and_marks(logs, tmp_path):
    for number in range(200):
        logs.write([line(number)], {"a": str(number), f"b{number}": "x"})
        logs.write([], {f"b{number}": ""})
    anew = again(logs, tmp_path)
    assert anew.marks() == {"a": "199"}
    assert texts(anew.search(LogQuestion(), 1000)) == [f"line {number}" for number in range(200)]
    assert anew.last() == logs.last()
    anew.write([line(200)], {})
    assert texts(anew.read(logs.last(), LogQuestion(), 10)) == ["line 200"]
    anew.close()


@pytest.mark.parametrize("torn", [1, 10, 60, 75])
def test_a_torn_end_is_cut_off_with_its_marks(logs, tmp_path, torn):
    logs.write([line(0)], {"a": "1"})
    size = logs._path.stat().st_size
    logs.write([line(1)], {"a": "2"})
    os.truncate(logs._path, max(logs._path.stat().st_size - torn, size))
    anew = again(logs, tmp_path)
    assert anew.marks() == {"a": "1"}
    assert texts(anew.search(LogQuestion(), 10)) == ["line 0"]
    anew.write([line(1)], {"a": "2"})
    assert texts(anew.search(LogQuestion(), 10)) == ["line 0", "line 1"]
    anew.close()


@pytest.mark.parametrize("point", ["index", "begin", "unlink"])
def test_a_crash_while_sealing_keeps_each_line_once(logs, tmp_path, monkeypatch, point):
    class Crash(BaseException):
        pass

    def crash(*_, **__):
        raise Crash

    logs.write([line(number) for number in range(20)], {"a": "1"})
    match point:
        case "index":
            monkeypatch.setattr(segments.json, "dump", crash)
        case "begin":
            monkeypatch.setattr(LocalLogs, "_begin", crash)
        case "unlink":
            monkeypatch.setattr(store.Path, "unlink", crash)
    with pytest.raises(Crash):
        logs._seal()
    monkeypatch.undo()
    anew = LocalLogs(tmp_path, 10**9, 14)
    assert anew.marks() == {"a": "1"}
    assert len(anew.search(LogQuestion(), 100).lines) == 20
    anew.write([line(20)], {"a": "2"})
    assert len(anew.search(LogQuestion(), 100).lines) == 21
    anew.close()


def test_a_full_disk_keeps_nothing_of_a_batch_and_says_so(logs, monkeypatch):
    logs.write([line(0)], {"a": "1"})
    real = os.write
    monkeypatch.setattr(store.os, "write", lambda file, content: real(file, content[:20]))
    with pytest.raises(Transient, match="disk is full"):
        logs.write([line(1)], {"a": "2"})
    monkeypatch.undo()
    assert logs.marks() == {"a": "1"}
    logs.write([line(1)], {"a": "2"})
    assert texts(logs.search(LogQuestion(), 10)) == ["line 0", "line 1"]


def test_the_oldest_go_where_it_is_too_much(tmp_path):
    chance = random.Random(1)
    logs = LocalLogs(tmp_path, 40_000, 14, open_bytes=20_000)
    for number in range(200):
        logs.write([line(number * 10 + k, f"{chance.randbytes(100).hex()}") for k in range(10)], {})
    assert logs.size > 80_000
    logs.tidy(datetime.now(UTC))
    assert 10_000 < logs.size < 65_000
    newest = logs.search(LogQuestion(), 10_000).lines
    assert newest[-1].at == NOW + timedelta(milliseconds=1999)
    assert newest[0].at > NOW + timedelta(milliseconds=500)
    assert logs.read("0", LogQuestion(), 10_000).lines
    logs.close()


def test_the_oldest_go_where_they_are_too_old(logs, tmp_path):
    logs.write([line(number) for number in range(100)], {"a": "1"})
    logs.write([line(100)], {"a": "2"})
    logs.tidy(datetime.now(UTC) + timedelta(days=13))
    assert len(logs.search(LogQuestion(), 1000).lines) == 101
    logs.tidy(datetime.now(UTC) + timedelta(days=15))
    assert logs.search(LogQuestion(), 1000).lines == []
    assert not list(tmp_path.glob("*.zst"))
    assert logs.marks() == {"a": "2"}


def test_a_segment_that_is_gone_in_the_middle_of_a_search_is_passed_over(logs):
    logs.write([line(number) for number in range(100)], {})
    logs.write([line(100)], {})
    for path in logs._folder.glob("*.zst"):
        path.unlink()
    assert texts(logs.search(LogQuestion(), 1000)) == ["line 100"]


def test_what_cannot_be_sealed_stays_open_and_is_kept_once(logs, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LocalLogs, "_begin", full)
    logs.write([line(number) for number in range(100)], {"a": "1"})
    monkeypatch.undo()
    assert len(logs.search(LogQuestion(), 1000).lines) == 100
    logs.write([line(100)], {})
    assert len(logs._sealed) == 1
    assert len(logs.search(LogQuestion(), 1000).lines) == 101


@pytest.mark.parametrize("position", ["x", "-1", "1" * 30, "٣"])
def test_a_position_that_is_none_is_refused(logs, position):
    for ask in (
        lambda: logs.search(LogQuestion(), 1, position),
        lambda: logs.read(position, LogQuestion(), 1),
        lambda: logs.wait(position, 0),
    ):
        with pytest.raises(Refused, match="no position"):
            ask()


def test_a_position_from_the_future_waits_for_what_comes(logs):
    logs.write([line(0)], {})
    assert logs.read("999999", LogQuestion(), 10).position == logs.last()


def test_files_are_their_owners_alone(logs, tmp_path):
    logs.write([line(number) for number in range(100)], {})
    modes = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
    assert len(modes) == 3
    assert set(modes.values()) == {0}
