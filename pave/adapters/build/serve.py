"""Serves a folder over HTTP on $PORT. It is copied into artifacts and runs without Pave.

Pages are revalidated on every visit, everything else after an hour; `404.html` is used where there is one.
Files and folders whose name begins with a dot, and listings of folders, are never served.

    python serve.py FOLDER…     the first folder that exists
"""

from __future__ import annotations

import os
import sys
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Site(SimpleHTTPRequestHandler):
    """GET and HEAD of the files below one folder."""

    protocol_version = "HTTP/1.1"
    server_version = "static"
    sys_version = ""
    timeout = 60

    def send_head(self) -> Any:
        """Refuse what is hidden, then serve as usual."""
        path = Path(self.translate_path(self.path)).relative_to(self.directory)
        if any(part.startswith(".") for part in path.parts):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def list_directory(self, path: Any) -> None:
        """A folder without index.html is not found."""
        del path
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Say how long it may be kept."""
        name = self.path.split("?")[0]
        page = name.endswith((".html", "/")) or "." not in name.rsplit("/", 1)[-1]
        self.send_header("Cache-Control", "no-cache" if page else "public, max-age=3600")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The site's own page for what is not there."""
        own = Path(self.directory) / "404.html"
        if code != HTTPStatus.NOT_FOUND or not own.is_file():
            super().send_error(code, message, explain)
            return
        content = own.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def main() -> None:
    """Serve until stopped."""
    folder = next((Path(one) for one in sys.argv[1:] if Path(one).is_dir()), None)
    if folder is None:
        sys.exit(f"none of these folders exists: {' '.join(sys.argv[1:])}")
    address = (os.environ.get("HOST", "0.0.0.0"), int(os.environ.get("PORT", "8080")))  # noqa: S104 — as Heroku's apps do
    with ThreadingHTTPServer(address, partial(Site, directory=str(folder))) as server:
        server.serve_forever()


if __name__ == "__main__":
    main()
