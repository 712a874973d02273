"""Collecting: from files and from runs, masked before anything is kept, each line once over kills and full disks."""

from __future__ import annotations

import os
import time
from base64 import b64encode
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from pave.adapters.logs.collector import Collector
from pave.adapters.logs.files import CHUNK
from pave.adapters.logs.store import LocalLogs
from pave.apply.retry import Transient
from pave.model.diagnostics import error
from pave.observe.logs import Level, LogQuestion, Origin
from pave.ports import Event, LogFile

SECRET = "hunter2-and-more"
ORDERS = Origin("workload", "dev", "orders", "web.0", "aaaa", "rrrr")


class FakeEvents:
    def __init__(self):
        self.items = []

    def emit(self, type_, subject, run, lines):
        at = datetime.now(UTC)
        self.items.append(Event(len(self.items) + 1, at, type_, subject, run, "", {"lines": lines}))

    def last(self):
        return len(self.items)

    def read(self, after, *, subject="", run="", limit=500):
        return self.items[after : after + limit]


class Ground:
    def __init__(self, folder):
        self.folder, self.events = folder, FakeEvents()
        (folder / "logs").mkdir()
        self.files = [self.file("a")]
        self.start()

    def file(self, name, secrets=(SECRET,), origin=ORDERS):
        return LogFile(f"program/{name}", self.folder / "logs" / f"{name}.log", origin, secrets)

    def start(self):
        self.logs = LocalLogs(self.folder / "kept", 10**9, 14)
        clock = SimpleNamespace(now=lambda: datetime.now(UTC))
        self.collector = Collector(self.logs, lambda: self.files, self.events, clock)

    def killed(self):
        os.close(self.logs._file)
        self.logs._file = os.open("/dev/null", os.O_RDONLY)
        self.start()

    def write(self, data, name="a"):
        with (self.folder / "logs" / f"{name}.log").open("ab") as file:
            file.write(data)

    def collect(self):
        while self.collector.collect():
            pass

    def lines(self, **question):
        return self.logs.search(LogQuestion(**question), 5000).lines

    def texts(self, **question):
        return [one.text for one in self.lines(**question)]


@pytest.fixture
def ground(tmp_path):
    made = Ground(tmp_path)
    yield made
    made.logs.close()


def test_lines_are_collected_with_where_they_come_from(ground):
    ground.files.append(ground.file("b", origin=Origin("workload", "dev", "orders", "web.1", "bbbb", "ssss")))
    ground.write(b"INFO one\n")
    ground.write(b'{"level":"error","msg":"two","status":500}\n', "b")
    ground.collect()
    assert ground.texts(version="aaaa") == ["INFO one"]
    (two,) = ground.lines(fields=(("status", "500"),))
    assert (two.text, two.level, two.origin.process) == ("two", Level.ERROR, "web.1")


@pytest.mark.parametrize(
    "said",
    [
        f"password is {SECRET}",
        f'{{"msg":"x","password":"{SECRET}"}}',
        "x" * 70_000 + SECRET,
        "x" * (16 * 1024 - 5) + SECRET,
        "x" * (64 * 1024 - 5) + SECRET,
        b64encode(f"user:{SECRET}".encode()).decode(),
        f"\x1b[31m{SECRET}\x1b[0m",
    ],
    ids=range(7),
)
def test_secrets_are_masked_before_anything_is_kept(ground, said):
    ground.write(said.encode() + b"\n")
    ground.collect()
    ground.logs._seal()
    found = str(ground.lines())
    assert "hunter2" not in found
    assert b64encode(b"hunter2").decode()[:8] not in found
    for path in (ground.folder / "kept").iterdir():
        assert b"hunter2" not in path.read_bytes()


def test_a_restart_after_a_kill_goes_on_without_loss_or_doubling(ground):
    written = []
    for number in range(50):
        ground.write(b"line %d\n" % number)
        written.append(f"line {number}")
        if number % 3 == 0:
            ground.collect()
        if number % 7 == 0:
            ground.killed()
    ground.collect()
    assert ground.texts() == written


def test_what_cannot_be_kept_now_is_read_again(ground, monkeypatch):
    def full(*_):
        raise Transient(error("the disk is full"))

    ground.write(b"one\n")
    with monkeypatch.context() as patched:
        patched.setattr(LocalLogs, "write", full)
        with pytest.raises(Transient):
            ground.collect()
    ground.write(b"two\n")
    ground.collect()
    assert ground.texts() == ["one", "two"]


def test_more_than_a_chunk_is_taken_in_rounds_in_order(ground):
    count = 3 * CHUNK // 100
    ground.write(b"".join(b"%-98d!\n" % number for number in range(count)))
    ground.collect()
    found = ground.logs.search(LogQuestion(), 10**6).lines
    assert [int(one.text[:-1]) for one in found] == list(range(count))


def test_a_log_line_of_50_mb_hurts_nothing_else(ground):
    ground.files.append(ground.file("b"))
    ground.write(b"z" * 50_000_000 + b"\nafter\n")
    ground.write(b"beside\n", "b")
    ground.collect()
    assert ground.texts(text="after") == ["after"]
    assert ground.texts(text="beside") == ["beside"]
    (cut,) = ground.texts(text="cut:")
    assert len(cut) < 17_000
    assert ground.logs.size < 100_000


def test_binary_logs_break_no_reader(ground):
    ground.write(os.urandom(100_000) + b"\n\xff\xfe\x00text\n" + bytes(range(256)) + b"\n")
    ground.collect()
    for one in ground.lines():
        one.text.encode()
        assert not set(one.text) & set("\x00\x07\x1b\n\r")
    assert ground.texts(text="text") == ["\ufffd\ufffd\ufffdtext"]


def test_a_file_that_cannot_be_read_holds_up_no_other(ground):
    ground.files.insert(0, ground.file("link"))
    ground.files[0].path.symlink_to("/etc/hostname")
    ground.write(b"one\n")
    ground.collect()
    assert ground.texts() == ["one"]
    assert list(ground.logs.marks()) == ["program/a"]


def test_a_progress_bar_is_a_line_for_each_state(ground):
    ground.write(b"10%\r50%\r100%\r\ndone\r\n")
    ground.collect()
    assert ground.texts() == ["10%", "50%", "100%", "done"]


def test_last_words_are_taken_before_a_file_goes(ground):
    ground.write(b"one\n")
    ground.collect()
    ground.write(b"killed by")
    path = ground.files[0].path
    ground.collector.finish(path)
    path.unlink()
    ground.collect()
    assert ground.texts() == ["one", "killed by"]
    assert ground.logs.marks() == {}


def test_a_name_that_comes_again_begins_anew(ground):
    ground.write(b"a long first line\n")
    ground.collector.finish(ground.files[0].path)
    ground.files[0].path.unlink()
    ground.write(b"short\n")
    ground.collect()
    assert ground.texts() == ["a long first line", "short"]


def test_marks_of_what_is_gone_are_forgotten(ground):
    ground.write(b"one\n")
    ground.collect()
    ground.files.clear()
    ground.collect()
    assert ground.logs.marks() == {}


def test_what_runs_say_is_collected_with_their_name(ground):
    ground.collector.start()
    time.sleep(0.3)
    ground.events.emit("run.log", "dev/orders", "r1", ["Building", "ERROR it failed"])
    ground.events.emit("step.started", "dev/orders", "r1", ["not a line"])
    ground.events.emit("run.log", "change/pay/3", "r2", ["Checking"])
    deadline = time.monotonic() + 1.5
    while len(ground.texts()) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ground.texts(sources=("run",), fields=(("run", "r1"),)) == ["Building", "ERROR it failed"]
    (checking,) = ground.lines(fields=(("run", "r2"),))
    assert (checking.origin.environment, checking.origin.component) == ("", "pay")
    ground.collector.close()
    assert ground.logs.marks()["events"] == "3"
