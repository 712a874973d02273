"""Where applications send their telemetry: OTLP/HTTP, through the router, with the credential of their stack.

It answers as the protocol says: 200 where all was taken, 400 for what cannot be read, 401 without the credential,
413 for too much. Nothing here waits for the database.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Protocol

from pave.doors.listener import Listener
from pave.model.names import Address

MOST_BYTES = 4 * 2**20
_SECONDS = 30.0

Whose = Callable[[str], Address | None]
"""The stack that a credential is of."""


class Taker(Protocol):
    """Takes what was sent; raises `ValueError` where it cannot be read."""

    def take_metrics(self, stack: Address, body: bytes, *, json: bool) -> None:
        """An ExportMetricsServiceRequest."""

    def take_traces(self, stack: Address, body: bytes, *, json: bool) -> None:
        """An ExportTraceServiceRequest."""


def door(path: Path, whose: Whose, taker: Taker) -> Listener:
    """The door, on a socket at `path`."""
    takes = {"/v1/metrics": taker.take_metrics, "/v1/traces": taker.take_traces}
    handler = type("Handler", (_Handler,), {"whose": staticmethod(whose), "takes": takes})
    return Listener(path, handler, "pave-telemetry")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SECONDS
    whose: Whose
    takes: Mapping[str, Callable[..., None]]

    def do_POST(self) -> None:
        """Take one message."""
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            self.close_connection = True
            self._say(413 if length.isdecimal() else 411, f"A message has at most {MOST_BYTES} bytes.")
            return
        body = self.rfile.read(int(length))
        stack = self.whose(self.headers.get("Authorization", "").removeprefix("Bearer ").strip())
        take = self.takes.get(self.path.rstrip("/"))
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip()
        if stack is None:
            self._say(401, "Send the header that OTEL_EXPORTER_OTLP_HEADERS holds.")
        elif take is None:
            self._say(404, "There are /v1/traces and /v1/metrics; logs are read from what a program prints.")
        elif kind not in ("application/x-protobuf", "application/json"):
            self._say(415, "Send application/x-protobuf or application/json.")
        else:
            try:
                take(stack, self._whole(body), json=kind == "application/json")
            except (ValueError, zlib.error) as problem:
                self._say(400, str(problem)[:300])
            else:
                self._answer(200, kind, b"{}" if kind == "application/json" else b"")

    def _whole(self, body: bytes) -> bytes:
        if self.headers.get("Content-Encoding", "") != "gzip":
            return body
        unpacker = zlib.decompressobj(16 + zlib.MAX_WBITS)
        content = unpacker.decompress(body, MOST_BYTES)
        if unpacker.unconsumed_tail:
            raise ValueError(f"A message has at most {MOST_BYTES} bytes, unpacked.")
        return content

    def _say(self, status: int, text: str) -> None:
        self._answer(status, "text/plain; charset=utf-8", f"{text}\n".encode())

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — the base class's own name
        """Every few seconds from every process: nothing to write down."""
