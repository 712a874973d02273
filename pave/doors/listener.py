"""A door on a Unix socket that only the router reaches."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingMixIn, UnixStreamServer
from typing import Any


class Listener:
    """Listens on `path` until `stop`; every connection has a thread."""

    def __init__(self, path: Path, handler: type[BaseHTTPRequestHandler], name: str) -> None:
        self._path, self._handler, self._name = path, handler, name
        self._server: UnixStreamServer | None = None

    def start(self) -> None:
        """Begin; the folder is the router's."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.unlink(missing_ok=True)
        self._server = _Server(str(self._path), self._handler)
        self._path.chmod(0o666)  # the folder above is what keeps others out
        threading.Thread(target=self._server.serve_forever, name=self._name, daemon=True).start()

    def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        self._path.unlink(missing_ok=True)


class _Server(ThreadingMixIn, UnixStreamServer):
    daemon_threads = True

    def get_request(self) -> tuple[Any, Any]:
        connection, _ = super().get_request()
        return connection, ("router", 0)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller who went away is nothing to tell of."""
