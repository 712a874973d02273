"""What does not need a database."""

from fastapi.testclient import TestClient

from app.main import app

client = TestClient(app)


def test_says_who_it_is():
    assert client.get("/").json()["service"] == "${{ values.name }}"


def test_describes_its_own_interface():
    assert "/healthz" in client.get("/openapi.json").json()["paths"]
