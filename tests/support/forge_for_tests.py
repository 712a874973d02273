"""An outside forge for tests, over HTTPS on loopback: it holds bare repositories and a conversation about statuses.

What is fetched from it is served by git's own `http-backend`. What its API answers stands in `answers`; what it was
asked stands in `asked`.
"""

from __future__ import annotations

import hashlib
import hmac
import http.server
import ipaddress
import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

RECORDED = Path(__file__).parents[1] / "integration" / "forges" / "recorded"
EXAMPLES = {"github": "acme/orders", "gitea": "acme/orders", "gitlab": "acme/shop/orders"}


def recorded(name: str) -> dict[str, Any]:
    """A webhook's body as a forge sends it, such as `github-push`."""
    found: dict[str, Any] = json.loads((RECORDED / f"{name}.json").read_bytes())
    return found


def packed(document: Any) -> bytes:
    """As forges send it."""
    return json.dumps(document, separators=(",", ":")).encode()


def signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256 in hexadecimal digits."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def headers(forge: str, kind: str, delivery: str, secret: str, body: bytes) -> dict[str, str]:
    """The headers that a forge sends with a webhook; `kind` is push or pull."""
    signed = signature(secret, body)
    common = {"content-type": "application/json", "user-agent": "test"}
    match forge:
        case "github":
            event = "push" if kind == "push" else "pull_request"
            return common | {
                "x-github-event": event,
                "x-github-delivery": delivery,
                "x-github-hook-id": "292430182",
                "x-hub-signature-256": f"sha256={signed}",
            }
        case "gitea":
            event = "push" if kind == "push" else "pull_request"
            return common | {
                "x-gitea-event": event,
                "x-gitea-event-type": event,
                "x-gitea-delivery": delivery,
                "x-gitea-signature": signed,
                "x-github-event": event,
                "x-github-delivery": delivery,
                "x-hub-signature-256": f"sha256={signed}",
            }
        case _:
            event = "Push Hook" if kind == "push" else "Merge Request Hook"
            return common | {"x-gitlab-event": event, "x-gitlab-event-uuid": delivery, "x-gitlab-token": secret}


@dataclass
class Answer:
    """What the API answers once."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Asked:
    """What the API was asked."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class StandIn:
    """The forge: `url` is where it is, `repositories` the folder of its bare repositories.

    While it is `down`, nothing can be fetched.
    """

    url: str
    repositories: Path
    certificate: Path
    answers: list[Answer] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    down: bool = False

    def said(self, commit: str, context: str) -> list[str]:
        """The states that it was told of a commit, in order."""
        found = [one.body for one in self.asked if one.path.endswith(commit)]
        return [str(one["state"]) for one in found if context in (one.get("context"), one.get("name"))]


@contextmanager
def stand_in(folder: Path) -> Iterator[StandIn]:
    """A forge that listens until the end."""
    certificate, key = _certificate(folder)
    server = _Server(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    port = server.server_address[1]
    there = StandIn(f"https://localhost:{port}", folder / "repositories", certificate)
    there.repositories.mkdir()
    _Handler.forges[port] = there
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield there
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that hung up."""


class _Handler(http.server.BaseHTTPRequestHandler):
    forges: dict[int, StandIn] = {}  # noqa: RUF012 — one for all handlers, by port

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 — its name
        """Say nothing."""

    def do_GET(self) -> None:
        self._git(b"")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if "/git-upload-pack" in self.path:
            self._git(body)
            return
        forge = self._forge()
        forge.asked.append(
            Asked(self.path, {key.lower(): value for key, value in self.headers.items()}, json.loads(body))
        )
        answer = forge.answers.pop(0) if forge.answers else Answer(201, {"id": len(forge.asked)})
        said = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _forge(self) -> StandIn:
        return self.forges[self.server.server_address[1]]

    def _git(self, body: bytes) -> None:
        if self._forge().down:
            self.send_error(503)
            return
        path, _, query = self.path.partition("?")
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self._forge().repositories),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
            "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True, check=True)
        head, _, rest = done.stdout.partition(b"\r\n\r\n")
        found = dict(line.split(": ", 1) for line in head.decode().splitlines())
        self.send_response(int(found.pop("Status", "200 OK").split()[0]))
        for name, value in found.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        self.wfile.write(rest)


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=12))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, secret = folder / "forge.pem", folder / "forge.key"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, *private))
    return certificate, secret
