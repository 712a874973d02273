"""The forges' door: what is answered to whom, without a word of what was sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from site_for_tests import World, site
from starlette.applications import Starlette
from starlette.testclient import TestClient

from pave.doors import webhooks
from pave.engine.forge.hearing import Heard
from pave.model.diagnostics import Forbidden, Refused, Unknown, error
from pave.ports import Unsigned

SENT = b"what was sent"


class Ear:
    """Hears what it is told to hear."""

    def __init__(self) -> None:
        self.answer: Heard | Refused = Heard("Pave fetches orders.", new=True)
        self.heard: list[tuple[str, Mapping[str, str], bytes]] = []

    def __call__(self, forge: str, headers: Mapping[str, str], body: bytes) -> Heard:
        self.heard.append((forge, headers, body))
        if isinstance(self.answer, Refused):
            raise self.answer
        return self.answer


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def client(ear: Ear) -> Iterator[TestClient]:
    app = site(World(), mounts={"/webhooks": whole(Starlette(routes=webhooks.routes(ear)))}).app
    with TestClient(app, base_url="http://localhost") as client:
        yield client


def whole(app: Any) -> Any:
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "root_path": ""}, receive, send)

    return mounted


@pytest.mark.parametrize("forge", ["github", "gitlab", "gitea"])
def test_a_webhook_is_taken_in_at_once(client: TestClient, ear: Ear, forge: str) -> None:
    answer = client.post(f"/webhooks/{forge}", content=SENT, headers={"X-Some-Signature": "abc"})
    assert (answer.status_code, answer.text) == (202, "Pave fetches orders.\n")
    [(name, headers, body)] = ear.heard
    assert (name, headers["x-some-signature"], body) == (forge, "abc", SENT)


def test_what_means_nothing_is_answered_as_done(client: TestClient, ear: Ear) -> None:
    ear.answer = Heard("Nothing to do.")
    assert client.post("/webhooks/github", content=SENT).status_code == 200


@pytest.mark.parametrize(("kind", "status"), [(Unsigned, 401), (Forbidden, 403), (Unknown, 404), (Refused, 400)])
def test_every_refusal_has_its_status_and_says_what_to_do(
    client: TestClient, ear: Ear, kind: type[Refused], status: int
) -> None:
    ear.answer = kind(error("It is not taken", remedy="Do this."))
    answer = client.post("/webhooks/gitlab", content=SENT)
    assert (answer.status_code, answer.text) == (status, "It is not taken. Do this.\n")


def test_what_is_too_large_is_not_heard(client: TestClient, ear: Ear) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(6):
            yield b"x" * 1024 * 1024

    assert client.post("/webhooks/github", content=b"x" * (webhooks.MOST_BYTES + 1)).status_code == 413
    assert client.post("/webhooks/github", content=endless()).status_code == 413
    assert client.post("/webhooks/github", content=SENT, headers={"Content-Length": "9" * 30}).status_code == 413
    assert ear.heard == []
    assert client.post("/webhooks/github", content=b"x" * webhooks.MOST_BYTES).status_code == 202


def test_others_pages_hosts_and_ways_do_not_come_in(client: TestClient, ear: Ear) -> None:
    assert client.post("/webhooks/other", content=SENT).status_code == 404
    assert client.get("/webhooks/github").status_code == 405
    assert client.post("/webhooks/github", headers={"Origin": "https://evil.example.org"}).status_code == 403
    assert client.post("/webhooks/github", headers={"Host": "evil.example.org"}).status_code == 421
    assert ear.heard == []


def test_what_does_not_arrive_is_left(client: TestClient, ear: Ear, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhooks, "_MOST_AT_ONCE", 0)
    busy = client.post("/webhooks/github", content=SENT)
    assert (busy.status_code, busy.headers["retry-after"]) == (503, "5")
    assert ear.heard == []
