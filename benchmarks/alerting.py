"""From a service that breaks to the message about it: a real receiver, a real load, the rules that Pave comes with.

It needs what is measured of everything; the platform runs as anybody's does.
"""

from __future__ import annotations

import http.server
import json
import tempfile
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from benchmarks.delivery import Visitor
from benchmarks.running import platform

Pairs = Iterator[tuple[float, float | None]]
_APP = """\
import http.server
import os

bad = False


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        global bad
        bad = self.path == "/break" if self.path in ("/break", "/mend") else bad
        self.send_response(500 if bad and self.path == "/orders" else 200)
        self.end_headers()

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
_CHANNEL = """\
apiVersion: pave/v1
kind: Notifications
metadata: {name: platform}
spec: {for: group:platform, channels: [{name: bench, type: webhook, address: bench}]}
"""
_BEFORE, _PATIENCE, _EACH = 75.0, 120.0, 0.1
_LONG, _SHORT, _SHARE, _FEWEST = 60.0, 20.0, 0.1, 5
"""The fast windows of `pave.observe.burn` for 99.9 %: when the condition holds, as whoever asks counts it."""


class _Receiver:
    """Remembers when a firing was posted."""

    def __init__(self) -> None:
        self.fired: list[float] = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if any(one["event"] == "alert.firing" for one in body["messages"]):
                    receiver.fired.append(time.monotonic())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()


def alert_delay(runs: int) -> Pairs:
    """Seconds from the moment from which the fast windows burn to the message at the receiver."""
    for _ in range(runs):
        receiver = _Receiver()
        try:
            with (
                platform(PAVE_NOTIFY_ADDRESSES=f"bench={receiver.url}") as running,
                tempfile.TemporaryDirectory() as at,
            ):
                visitor = Visitor(running, Path(at))
                _reach(visitor)
                _make(visitor)
                yield _measured(running.get("/stacks/dev/orders"), receiver), None
        finally:
            receiver.close()


def _reach(visitor: Visitor) -> None:
    """Say where the team is reached: a change of the platform repository like any other."""
    url = str(visitor.running.client.base_url).rstrip("/")
    visitor.git("clone", "--quiet", f"{url}/git/platform.git", at=".")
    visitor.git("checkout", "--quiet", "-b", "bench", at="platform")
    file = visitor.folder / "platform" / "notifications" / "group" / "platform.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(_CHANNEL)
    visitor.git("add", "--all", at="platform")
    visitor.git("commit", "--quiet", "-m", "Reach us", at="platform")
    visitor.git("push", "--quiet", "origin", "bench", at="platform")
    until = time.monotonic() + _PATIENCE
    while visitor.running.client.post(
        "/api/v1/notifications/test", json={"to": "group:platform", "channel": "bench"}
    ).is_error:
        if time.monotonic() > until:
            raise RuntimeError("the channel did not come to be")
        time.sleep(0.2)


def _make(visitor: Visitor) -> None:
    source = visitor.folder / "orders"
    source.mkdir()
    (source / "Procfile").write_text("web: python app.py\n")
    (source / "requirements.txt").write_text("")
    (source / "app.py").write_text(_APP)
    visitor.git("init", "--quiet", "--initial-branch=main")
    visitor.git("add", "--all")
    visitor.git("commit", "--quiet", "-m", "First")
    wanted = {"url": str(source), "name": "orders", "owner": "group:platform"}
    visitor.running.run("POST", "/components/import", wanted)


def _measured(stack: dict[str, Any], receiver: _Receiver) -> float:
    url = httpx.URL(next(iter(stack["urls"].values())))
    seen: deque[tuple[float, bool]] = deque()
    began, held, broken = time.monotonic(), 0.0, False
    base = f"http://127.0.0.1:{url.port}"
    with httpx.Client(base_url=base, headers={"Host": url.host}, timeout=5, trust_env=False) as client:
        while not receiver.fired:
            now = time.monotonic()
            if not broken and now - began > _BEFORE:
                client.get("/break")
                broken = True
            seen.append((now, client.get("/orders").status_code >= 500))
            if not held and _holds(seen, now):
                held = now
            if now - began > _BEFORE + _PATIENCE:
                raise RuntimeError("nobody was told")
            time.sleep(max(_EACH - (time.monotonic() - now), 0))
    return receiver.fired[0] - (held or receiver.fired[0])


def _holds(seen: deque[tuple[float, bool]], now: float) -> bool:
    while seen and seen[0][0] < now - _LONG:
        seen.popleft()
    long = [bad for _, bad in seen]
    short = [bad for at, bad in seen if at >= now - _SHORT]
    return sum(long) >= _FEWEST and sum(long) >= _SHARE * len(long) and sum(short) >= _SHARE * len(short)
