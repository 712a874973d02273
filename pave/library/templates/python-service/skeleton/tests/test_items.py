"""Items, in a real PostgreSQL: set DATABASE_URL to run these."""

import os
from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from app.main import app

pytestmark = pytest.mark.skipif("DATABASE_URL" not in os.environ, reason="DATABASE_URL is not set")


@pytest.fixture(name="client", scope="module")
def started() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


def test_an_item_is_created_read_changed_and_deleted(client: TestClient):
    item = client.post("/items", json={"name": "first"}).json()
    path = f"/items/{item['id']}"
    assert item in client.get("/items").json()
    assert client.put(path, json={"name": "renamed"}).json()["name"] == "renamed"
    assert client.get(path).json()["name"] == "renamed"
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_an_item_needs_a_name(client: TestClient):
    assert client.post("/items", json={"name": " "}).status_code == 422


def test_is_healthy_while_the_database_answers(client: TestClient):
    assert client.get("/healthz").json() == {"status": "ok"}
