"""The waker: answers requests for stacks that are asleep, by waking them and sending the caller back.

It listens on a Unix socket that only the router reaches. The router says which stack was asked for; the caller waits
until it is up and is then sent to the same address again, with the same method and body.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from pave.doors.listener import Listener
from pave.model.diagnostics import Refused
from pave.model.names import Address

Wake = Callable[[Address], str]
"""Wakes a stack and waits until it answers; an empty text, or why it does not."""

_PATIENCE = 10.0


class Waker(Listener):
    """Listens on `path` until `stop`."""

    def __init__(self, path: Path, wake: Wake) -> None:
        super().__init__(path, _handler(wake), "pave-waker")


def _handler(wake: Wake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = _PATIENCE

        def answer(self) -> None:
            """Wake, then send the caller to where they were going."""
            try:
                problem = wake(Address.parse(self.headers.get("X-Pave-Stack", "")))
            except Refused as refused:
                problem = str(refused)
            self.close_connection = True
            if problem:
                body = f"This was asleep, and could not be woken: {problem}\n".encode()
                self.send_response(503)
                self.send_header("Retry-After", "5")
            else:
                body = b""
                self.send_response(307)
                self.send_header("Location", self.path if self.path.startswith("/") else "/")
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Connection", "close")
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the base class's own name
            """The router logs."""

    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        setattr(Handler, f"do_{method}", Handler.answer)
    return Handler
