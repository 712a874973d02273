"""The page: what it shows, how one signs in, and what it must never contain."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from site_for_tests import OPERATIONS, World, sample_overview, site
from starlette.testclient import TestClient

from pave.engine.views import Overview, StackView

HTML = {"Accept": "text/html"}


@pytest.fixture
def world() -> World:
    return World(seen=sample_overview())


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with TestClient(site(world).app, base_url="http://localhost", headers=HTML) as client:
        yield client


def test_a_stranger_is_told_how_to_sign_in(client: TestClient) -> None:
    response = client.get("/")
    assert response.status_code == 401
    assert "pave login" in response.text
    assert "orders" not in response.text


def test_a_login_link_works_once(client: TestClient) -> None:
    response = client.get("/login?token=once")
    cookie = response.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/").status_code == 200
    client.cookies.clear()
    again = client.get("/login?token=once")
    assert again.status_code == 401
    assert "used already" in again.text
    assert "set-cookie" not in again.headers


def signed_in(client: TestClient, path: str = "/") -> str:
    client.get("/login?token=once")
    response = client.get(path)
    assert response.status_code == 200
    return response.text


def test_the_page_shows_what_runs_where_and_how_it_is(client: TestClient) -> None:
    page = signed_in(client)
    for text in (
        "Development",
        "Production",
        "orders.dev.localhost:8080",
        "9f2c1e0",
        "team-payments",
        "GET /healthz answers 503",
        "built from source",
        "without its Dockerfile: there is no container engine",
        "The database of dev/ledger is full",
        "6.1 s",
        "1 min 12 s",
        "Denied",
        "pave add orders db --env prod",
        "2 need a look",
    ):
        assert text in page, text
    assert 'data-after="41"' in page


def test_the_fragment_is_the_board_alone(client: TestClient) -> None:
    fragment = signed_in(client, "/?fragment")
    assert "<html" not in fragment
    assert "Development" in fragment


def test_the_empty_page_teaches(client: TestClient, world: World) -> None:
    world.seen = Overview()
    assert "pave new orders --template python-service" in signed_in(client)


def test_foreign_text_is_shown_and_never_run(client: TestClient, world: World) -> None:
    hostile = "<script>alert(1)</script>"
    stack = StackView(
        address="dev/x",
        environment="dev",
        component="x",
        status="degraded",
        reason=hostile,
        urls={"a": "javascript:alert(1)"},
    )
    world.seen = sample_overview().model_copy(update={"stacks": [stack]})
    page = signed_in(client)
    assert hostile not in page
    assert "&lt;script&gt;" in page
    assert "javascript:" not in page


@pytest.mark.parametrize("path", ["/", "/api"])
def test_pages_need_nothing_inline_and_no_outside_address(client: TestClient, path: str) -> None:
    page = signed_in(client, path)
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=", page)
    for address in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert address.startswith(("/", "#")) or ".localhost" in address
        if address.startswith("/assets/"):
            assert client.get(address).status_code == 200


def test_the_api_page_documents_every_operation(client: TestClient) -> None:
    page = signed_in(client, "/api")
    for operation in OPERATIONS:
        assert f'id="{operation.name}"' in page
        assert operation.summary in page
        for name, info in operation.input.model_fields.items():
            assert f"<code>{info.alias or name}</code>" in page


def test_a_token_makes_a_login_link_and_a_session_does_not(client: TestClient) -> None:
    signed_in(client)
    own = {"Origin": "http://localhost"}
    assert client.post("/api/v1/login-links", headers=own).status_code == 401
    client.cookies.clear()
    assert client.post("/api/v1/login-links", headers={"Authorization": "Bearer bad"}).status_code == 401
    made = client.post("/api/v1/login-links", headers={"Authorization": "Bearer good"})
    assert made.status_code == 201
    assert client.get(made.json()["url"]).status_code == 200
    assert client.get("/").status_code == 200
