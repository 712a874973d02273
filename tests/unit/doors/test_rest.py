"""REST as made from the registry: routes, inputs, answers and errors."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
from site_for_tests import OPERATIONS, World, site
from starlette.testclient import TestClient

AUTH = {"Authorization": "Bearer good"}
ADD = "/api/v1/stacks/dev/orders/resources"


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def client(world: World) -> Iterator[TestClient]:
    with TestClient(site(world).app, base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


def problem(response, status: int, name: str) -> dict:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    data = response.json()
    assert data["type"] == f"urn:pave:problem:{name}"
    assert data["status"] == status
    assert data["request"] == response.headers["x-request-id"]
    return data


def test_a_change_answers_with_a_run(client: TestClient, world: World) -> None:
    sent = {"name": "db", "type": "postgres", "class": "large", "inputs": {"size": "medium"}}
    response = client.post(ADD, json=sent, headers=AUTH)
    assert response.status_code == 202
    run = response.json()
    assert response.headers["location"] == f"/api/v1/runs/{run['id']}"
    assert run["result"]["asked"] == sent | {"component": "orders", "environment": "dev", "count": 1}
    assert client.get(response.headers["location"], headers=AUTH).json() == run
    [call] = world.calls
    assert (str(call.actor), call.door, call.dry_run) == ("user:default/dana", "rest", False)


def test_the_same_key_is_the_same_run(client: TestClient) -> None:
    headers = AUTH | {"Idempotency-Key": "k1"}
    first, second = (client.post(ADD, json={"name": "db", "type": "s3"}, headers=headers) for _ in range(2))
    assert first.json()["id"] == second.json()["id"]
    assert first.headers["location"] == second.headers["location"]


def test_a_dry_run_is_passed_on_and_leaves_no_run(client: TestClient, world: World) -> None:
    response = client.post(ADD + "?dry_run=true", json={"name": "db", "type": "s3"}, headers=AUTH)
    assert response.status_code == 200
    assert response.json()["verdict"]["outcome"] == "allowed"
    assert "location" not in response.headers
    assert world.calls[0].dry_run
    assert not world.runs


def test_a_dry_run_is_refused_where_there_is_none(client: TestClient, world: World) -> None:
    data = problem(client.delete(ADD + "/db?dry_run=true", headers=AUTH), 422, "invalid")
    assert data["errors"] == [{"pointer": "/dry_run", "detail": "is not known; known: reason"}]
    assert not world.runs


def test_query_fields_are_typed(client: TestClient) -> None:
    client.post(ADD, json={"name": "db", "type": "s3"}, headers=AUTH)
    assert len(client.get("/api/v1/runs?limit=1", headers=AUTH).json()["runs"]) == 1
    assert client.get("/api/v1/runs?state=running", headers=AUTH).json() == {"runs": []}
    assert problem(client.get("/api/v1/runs?limit=0", headers=AUTH), 422, "invalid")["errors"][0]["pointer"] == "/limit"


def test_a_delete_takes_its_input_from_path_and_query(client: TestClient) -> None:
    assert client.delete(ADD + "/db?reason=unused", headers=AUTH).json()["remedy"] == "unused"


def test_an_unknown_key_names_the_nearest_known_one(client: TestClient) -> None:
    sent = {"name": "db", "type": "s3", "input": {"password": "hunter2"}}
    response = client.post(ADD, json=sent, headers=AUTH)
    data = problem(response, 422, "invalid")
    assert data["errors"] == [{"pointer": "/input", "detail": "is not known; did you mean inputs?"}]
    assert "hunter2" not in response.text


def test_every_wrong_field_is_named_and_no_value_repeated(client: TestClient) -> None:
    response = client.post(ADD, json={"name": 7, "type": "hunter2", "count": 99}, headers=AUTH)
    data = problem(response, 422, "invalid")
    assert {one["pointer"] for one in data["errors"]} == {"/name", "/type", "/count"}
    assert "hunter2" not in response.text


@pytest.mark.parametrize(
    ("content", "kind", "status", "name"),
    [
        (b"{", "application/json", 400, "malformed"),
        (b'{"name": "db", "type": "s3"}', "text/plain", 415, "unsupported-media-type"),
        (b"name=db&type=s3", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
        (b'"' + b"x" * 2_000_000 + b'"', "application/json", 413, "too-large"),
        (b"[]", "application/json", 422, "invalid"),
        (b"", "application/json", 422, "invalid"),
        (b"\xff\xfe", "application/json", 400, "malformed"),
    ],
)
def test_a_body_that_cannot_be_read(client: TestClient, content: bytes, kind: str, status: int, name: str) -> None:
    problem(client.post(ADD, content=content, headers=AUTH | {"Content-Type": kind}), status, name)


def test_a_body_without_a_length_is_limited_too(client: TestClient) -> None:
    chunks = (b"x" * 100_000 for _ in range(20))
    problem(client.post(ADD, content=chunks, headers=AUTH | {"Content-Type": "application/json"}), 413, "too-large")


def test_unknown_paths_and_methods(client: TestClient) -> None:
    problem(client.get("/api/v1/nothing", headers=AUTH), 404, "unknown")
    response = client.put(ADD, json={}, headers=AUTH)
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("component", "status", "name"),
    [
        ("gone", 404, "unknown"),
        ("taken", 409, "conflict"),
        ("stale", 409, "conflict"),
        ("busy", 503, "unavailable"),
        ("wrong", 422, "invalid"),
    ],
)
def test_what_the_engine_refuses(client: TestClient, component: str, status: int, name: str) -> None:
    problem(client.get(f"/api/v1/stacks/dev/{component}", headers=AUTH), status, name)


def test_a_refusal_carries_file_line_and_every_reason(client: TestClient) -> None:
    data = client.get("/api/v1/stacks/dev/wrong", headers=AUTH).json()
    assert data["errors"] == [{"pointer": "/containers/main/image", "detail": "image is null"}]
    assert [one.get("line") for one in data["diagnostics"]] == [7, None]


def test_a_defect_shows_nothing_of_the_inside(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    response = client.get("/api/v1/stacks/dev/broken", headers=AUTH)
    data = problem(response, 500, "internal")
    assert "hunter2" not in response.text
    assert data["request"] in caplog.text


def test_scopes_are_needed(client: TestClient, world: World) -> None:
    weak = {"Authorization": "Bearer weak"}
    data = problem(client.post(ADD, json={"name": "db", "type": "s3"}, headers=weak), 403, "forbidden")
    assert "write" in data["detail"]
    assert not world.runs
    assert client.get("/api/v1/runs", headers=weak).status_code == 200


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer bad"}, {"Authorization": "Basic Z29vZA=="}, {"Cookie": "pave_session=x"}]
)
def test_nobody_comes_in_without_a_credential(client: TestClient, operation, headers: dict) -> None:
    method, _, path = operation.rest.partition(" ")
    if "Cookie" in headers:
        headers = headers | {"Origin": "http://localhost"}
    response = client.request(method, "/api/v1" + path, headers=headers)
    problem(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1/openapi.json", "/api/v1/events", "/api/v1/runs/x/events", "/nothing"]
)
def test_pages_and_streams_need_a_credential_too(client: TestClient, path: str) -> None:
    problem(client.get(path), 401, "unauthenticated")


def test_health_is_open(client: TestClient, world: World) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").status_code == 200
    world.waiting["database"] = "starts"
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["waiting"] == {"database": "starts"}


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.example:8800", "", "[::2]"])
def test_a_foreign_host_name_is_refused(client: TestClient, host: str) -> None:
    problem(client.get("/healthz", headers={"Host": host}), 421, "misdirected")


@pytest.mark.parametrize("host", ["localhost:8800", "127.0.0.1:1", "[::1]:8800", "LOCALHOST", "pave.example:9"])
def test_loopback_and_configured_hosts_are_answered(world: World, host: str) -> None:
    with TestClient(site(world, hosts=("pave.example",)).app, base_url="http://localhost") as client:
        assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:1", "http://localhost.evil.example"]
)
def test_a_page_of_another_origin_changes_nothing(client: TestClient, world: World, origin: str) -> None:
    response = client.post(ADD, json={"name": "db", "type": "s3"}, headers=AUTH | {"Origin": origin})
    problem(response, 403, "forbidden")
    assert not world.runs
    own = client.post(ADD, json={"name": "db", "type": "s3"}, headers=AUTH | {"Origin": "http://localhost"})
    assert own.status_code == 202


def test_a_session_changes_things_only_from_our_own_pages(client: TestClient, world: World) -> None:
    assert client.get("/login?token=once").status_code == 200
    sent = {"name": "db", "type": "s3"}
    assert client.get("/api/v1/runs").status_code == 200
    problem(client.post(ADD, json=sent), 403, "forbidden")
    assert client.post(ADD, json=sent, headers={"Origin": "http://localhost"}).status_code == 202
    assert world.calls[-1].door == "portal"


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    for response in (client.get("/healthz"), client.get("/nothing"), client.get("/api/v1/runs", headers=AUTH)):
        assert "script-src 'self'" in response.headers["content-security-policy"]
        assert "unsafe" not in response.headers["content-security-policy"]
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert len(response.headers["x-request-id"]) == 16


def test_the_access_log_is_structured_and_free_of_secrets(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "pave.access"):
        client.get("/login?token=once")
        client.get("/api/v1/runs", headers=AUTH)
    lines = [json.loads(record.message) for record in caplog.records if record.name == "pave.access"]
    assert [line["path"] for line in lines] == ["/login", "/api/v1/runs"]
    assert lines[1]["actor"] == "user:default/dana"
    assert lines[1]["status"] == 200
    assert "once" not in caplog.text.replace("once more", "")
    assert "good" not in caplog.text


def test_the_openapi_document_says_it_all(client: TestClient) -> None:
    document = client.get("/api/v1/openapi.json", headers=AUTH).json()
    assert document["openapi"].startswith("3.1")
    found = {
        one["operationId"]: (method, path, one) for path, by in document["paths"].items() for method, one in by.items()
    }
    assert set(found) == {one.name for one in OPERATIONS}
    _, path, add = found["resource.add"]
    assert path == ADD.replace("dev/orders", "{environment}/{component}")
    assert add["x-pave-command"] == "pave add {component} {name}"
    assert "Location" in add["responses"]["202"]["headers"]
    body = document["components"]["schemas"]["AddInputBody"]
    assert body["additionalProperties"] is False
    assert set(body["properties"]) == {"name", "type", "class", "inputs", "count"}
    for _, _, operation in found.values():
        assert operation["summary"]
        for code in ("401", "403", "404", "422"):
            assert operation["responses"][code]["content"]["application/problem+json"]["schema"]["$ref"].endswith(
                "Problem"
            )


def test_doors_that_authenticate_themselves_are_mounted_as_they_are(world: World) -> None:
    async def state(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with TestClient(site(world, mounts={"/state": state}).app, base_url="http://localhost") as client:
        assert client.get("/state/dev/orders").status_code == 204
        assert client.get("/state/dev/orders", headers={"Host": "evil.example"}).status_code == 421
        assert client.get("/statement").status_code == 401
