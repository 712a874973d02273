"""The door for telemetry, on its socket: who is let in, what is taken, what is too much."""

from __future__ import annotations

import gzip
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from pave.doors.telemetry import MOST_BYTES, door
from pave.model.names import Address

ORDERS = Address("dev", "orders")
GOOD = {"Authorization": "Bearer good", "Content-Type": "application/json"}


class Taker:
    def __init__(self) -> None:
        self.taken: list[tuple[str, bytes, bool]] = []

    def take_metrics(self, stack: Address, body: bytes, *, json: bool) -> None:
        if body == b"wrong":
            raise ValueError("it is no message")
        self.taken.append((f"metrics of {stack}", body, json))

    def take_traces(self, stack: Address, body: bytes, *, json: bool) -> None:
        self.taken.append((f"traces of {stack}", body, json))


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def path(taker: Taker) -> Iterator[Path]:
    with TemporaryDirectory() as folder:  # a socket's path has to be short
        listening = door(Path(folder, "t.sock"), {"good": ORDERS}.get, taker)
        listening.start()
        yield Path(folder, "t.sock")
        listening.stop()


def post(path: Path, where: str, body: bytes = b"{}", headers: dict[str, str] | None = None) -> int:
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(str(path))
    try:
        connection.request("POST", where, body, GOOD if headers is None else headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


def test_what_is_sent_is_taken_for_the_stack_of_its_credential(path: Path, taker: Taker) -> None:
    assert post(path, "/v1/metrics", b"{1}") == 200
    assert post(path, "/v1/traces", b"\x0a", GOOD | {"Content-Type": "application/x-protobuf"}) == 200
    assert post(path, "/v1/traces", gzip.compress(b"{2}"), GOOD | {"Content-Encoding": "gzip"}) == 200
    assert taker.taken == [
        ("metrics of dev/orders", b"{1}", True),
        ("traces of dev/orders", b"\x0a", False),
        ("traces of dev/orders", b"{2}", True),
    ]


@pytest.mark.parametrize(
    ("where", "body", "headers", "status"),
    [
        ("/v1/metrics", b"{}", {"Content-Type": "application/json"}, 401),
        ("/v1/metrics", b"{}", GOOD | {"Authorization": "Bearer other"}, 401),
        ("/v1/logs", b"{}", GOOD, 404),
        ("/v1/metrics", b"{}", GOOD | {"Content-Type": "text/plain"}, 415),
        ("/v1/metrics", b"wrong", GOOD, 400),
        ("/v1/metrics", b"no gzip", GOOD | {"Content-Encoding": "gzip"}, 400),
        ("/v1/metrics", gzip.compress(b"0" * (MOST_BYTES + 1)), GOOD | {"Content-Encoding": "gzip"}, 400),
    ],
)
def test_the_rest_is_refused(
    path: Path, taker: Taker, where: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert post(path, where, body, headers) == status
    assert taker.taken == []


def test_more_than_a_message_may_have_is_not_read(path: Path, taker: Taker) -> None:
    connection = http.client.HTTPConnection("localhost", timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.sock.connect(str(path))
    connection.putrequest("POST", "/v1/metrics")
    for name, value in (GOOD | {"Content-Length": str(10**12)}).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    answer.read()
    connection.close()
