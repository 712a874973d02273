"""Where the demo is told of alerts: a webhook receiver on loopback, and the visitors who notice before anybody does."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

ADDRESS = "demo-pager"
"""The name under which the platform keeps the receiver's address."""
_PAUSE = 0.04
_SECONDS = 5.0


@dataclass
class Receiver:
    """The messages that were posted to it, each with when it came (seconds of the machine's clock)."""

    url: str = ""
    came: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    def said(self, event: str, word: str = "") -> tuple[float, dict[str, Any]] | None:
        """The first message of an event in which a word stands."""
        return next((one for one in list(self.came) if one[1]["event"] == event and word in json.dumps(one[1])), None)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
            receiver.came += [(time.monotonic(), one) for one in body["messages"]]
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing: the timeline does."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    port = server.server_address[1]
    receiver.url = f"http://127.0.0.1:{port}"
    thread = threading.Thread(target=server.serve_forever, name="pave-demo-receiver", daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(_SECONDS)


@dataclass
class Visitors:
    """What became of their requests: (when, status), the oldest first; 0 where nobody answered."""

    answers: list[tuple[float, int]] = field(default_factory=list)

    @property
    def bad(self) -> list[float]:
        """When a request failed."""
        return [at for at, status in list(self.answers) if status >= 500 or not status]

    def well_since(self, began: float) -> bool:
        """Whether somebody was answered after `began`, and nobody failed."""
        after = [status for at, status in list(self.answers) if at > began]
        return len(after) >= 10 and all(0 < status < 500 for status in after)


@contextlib.contextmanager
def visiting(url: str) -> Iterator[Visitors]:
    """Ask for `url` through the router all the time, about twenty times a second."""
    parts, visitors, stop = httpx.URL(url), Visitors(), threading.Event()

    def ask() -> None:
        headers = {"Host": parts.netloc.decode()}
        at = str(parts.copy_with(host="127.0.0.1"))
        with httpx.Client(headers=headers, timeout=_SECONDS, trust_env=False) as client:
            while not stop.wait(_PAUSE):
                began, status = time.monotonic(), 0
                with contextlib.suppress(httpx.HTTPError):
                    status = client.get(at).status_code
                visitors.answers.append((began, status))

    thread = threading.Thread(target=ask, name="pave-demo-visitors", daemon=True)
    thread.start()
    try:
        yield visitors
    finally:
        stop.set()
        thread.join(2 * _SECONDS)
