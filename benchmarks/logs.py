"""What the figures of logs do: a real program that writes, a real follower, and a gigabyte that was written before."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from benchmarks.running import Running, folder, platform, start
from pave.adapters.logs.store import LocalLogs
from pave.observe.logs import Level, LogLine, Origin

Pairs = Iterator[tuple[float, float | None]]
BURST = 50_000
GIGABYTE = 10**9
_RARE = "gone astray"
_AROUND = '{"level":"info","msg":""}'
_APP = """
import http.server, os, time, urllib.parse

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = dict(urllib.parse.parse_qsl(self.path.partition("?")[2]))
        if "burst" in asked:
            name, count = asked["burst"], int(asked["count"])
            for number in range(count):
                print(f"INFO {name} {number:08d} an order of three things for customer 4711, paid by card, was sent")
        else:
            print("said", asked.get("name"), time.time(), flush=True)
        self.send_response(200)
        self.end_headers()
    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@contextlib.contextmanager
def talker() -> Iterator[tuple[Running, str]]:
    """A platform with a service that says what it is asked to, and where that answers."""
    with platform() as running, tempfile.TemporaryDirectory() as place:
        source = Path(place, "talker")
        source.mkdir()
        for name, text in {"Procfile": "web: python app.py\n", "requirements.txt": "", "app.py": _APP}.items():
            (source / name).write_text(text)
        git = ["git", "-c", "user.name=Dana", "-c", "user.email=dana@example.com", "-C", str(source)]
        for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "First"]):
            subprocess.run([*git, *words], check=True)
        run = running.run("POST", "/components/import", {"url": str(source), "name": "talker"})
        yield running, next(iter(run["result"]["urls"].values()))


def rate(runs: int) -> Pairs:
    """Lines per second, from a program's first one until its last one is found; every one of them has to be there."""
    with talker() as (running, url):
        for number in range(runs):
            name = f"burst-{number}-{time.time_ns()}"
            began = time.monotonic()
            _visit(url, {"burst": name, "count": str(BURST)})
            last = f"{name} {BURST - 1:08d}"
            while not running.get("/logs", stack="dev/talker", grep=last, lines=1)["lines"]:
                time.sleep(0.01)
            yield BURST / (time.monotonic() - began), None
            _check_whole(running, name)


def tail(runs: int) -> Pairs:
    """Seconds from the moment at which a program writes a line until a follower has it."""
    with talker() as (running, url):
        for number in range(runs):
            name = f"line-{number}-{time.time_ns()}"
            seen: list[float] = []
            reader = threading.Thread(target=_follow, args=(running, name, seen))
            reader.start()
            time.sleep(0.5)
            _visit(url, {"name": name})
            reader.join(30)
            yield seen[0], None


def search(runs: int) -> Pairs:
    """The slowest of six questions over a gigabyte of lines: rare text, none, a field, a level, a time, a stack."""
    with folder() as data:
        _fill(data / "logs" / "kept")
        running = start(data)
        try:
            questions: list[dict[str, str]] = [
                {"grep": _RARE},
                {"grep": "never said"},
                {"field": "status=503"},
                {"level": "fatal"},
                {"grep": "order", "until": "2026-01-01T01:00:00Z"},
                {"stack": "dev/shop-0", "grep": _RARE},
            ]
            for _ in range(runs):
                yield max(_asked(running, one) for one in questions), None
        finally:
            running.end()


def _asked(running: Running, question: Mapping[str, str]) -> float:
    began = time.monotonic()
    found = running.get("/logs", **question)["lines"]
    seconds = time.monotonic() - began
    if bool(found) == ("never said" in question.values()):
        raise RuntimeError(f"{question} found {len(found)} lines")
    return seconds


def _fill(place: Path) -> None:
    """A gigabyte of forty stacks, as programs write it with a JSON object a line, every 10 ms."""
    logs, chance = LocalLogs(place, 10**11, 365), random.Random(7)
    origins = [Origin("workload", env, f"shop-{n}", "web.0", f"{n:012x}") for env in ("dev", "prod") for n in range(20)]
    words = [f"{chance.getrandbits(48):x}" for _ in range(20_000)]
    said = [" ".join(chance.choices(words, k=14)) for _ in range(50_000)]
    began, size, number = datetime(2026, 1, 1, tzinfo=UTC), 0, 0
    while size < GIGABYTE:
        lines = []
        for _ in range(5000):
            number += 1
            text = f"order {number} of {said[number * 7919 % len(said)]}"
            text += f" and {_RARE}" if number == 100_000 else ""
            fields = {"status": "503" if number % 1_000_000 == 0 else "200", "path": f"/{number % 1000}"}
            level = Level.FATAL if number % 1_000_000 == 1 else Level.INFO
            at = began + timedelta(milliseconds=10 * number)
            lines.append(LogLine(at, origins[number % len(origins)], text, level, fields))
            size += len(text) + sum(len(name) + len(value) + 6 for name, value in fields.items()) + len(_AROUND)
        logs.write(lines, {})
    logs.close()


def _check_whole(running: Running, name: str) -> None:
    found, cursor = [], ""
    while True:
        page = running.get("/logs", stack="dev/talker", source="workload", grep=name, lines=5000, cursor=cursor)
        found += [one["text"].split()[2] for one in page["lines"]]
        cursor = page["cursor"]
        if not cursor:
            break
    if sorted(found) != [f"{number:08d}" for number in range(BURST)]:
        raise RuntimeError(f"{len(found)} lines instead of {BURST}, {len(set(found))} of them different")


def _follow(running: Running, name: str, seen: list[float]) -> None:
    query = {"stack": "dev/talker", "grep": name, "lines": 1}
    with running.client.stream("GET", "/api/v1/logs/follow", params=query) as response:
        for line in response.iter_lines():
            if line.startswith("data: "):
                now = time.time()
                seen.append(now - float(json.loads(line[6:])["text"].split()[2]))
                return


def _visit(url: str, query: Mapping[str, str]) -> None:
    parts = httpx.URL(url)
    where = parts.copy_with(host="127.0.0.1")
    httpx.get(where, params=query, headers={"Host": parts.netloc.decode()}, timeout=60).raise_for_status()
