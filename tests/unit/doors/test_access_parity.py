"""Every operation × every role, through REST: the door lets in whom the table says, and nobody else.

What an operation is about is what payments owns, in `dev`; the developer is of another team, the agent acts for a
member of payments. Behind the door stands a handler that says "reached", so a verdict is a status: 409 or 403.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from organisation_for_tests import BY_ROLE, context_of, organisation
from pydantic import BaseModel
from site_for_tests import NOW, FakeEvents, FakeSessions
from starlette.testclient import TestClient

from pave.apply.run import Run, State
from pave.doors.site import Parts, assemble
from pave.engine.context import Context
from pave.engine.operations import Call, Operation
from pave.engine.registry import OPERATIONS
from pave.engine.rights import may
from pave.engine.views import Overview
from pave.model.diagnostics import Conflict, Forbidden, error
from pave.model.names import Address, Ref
from pave.ports import Principal
from pave.request.intent import Deploy, Request
from pave.request.roles import Role, Verb

ROLES = ("viewer", "developer", "owner", "platform-engineer", "auditor", "agent")
EVERYBODY, OWNERS, OWNERS_AND_AGENTS, MAKERS, TALKERS = "yyyyyy", "nnyynn", "nnyyny", "nyyyny", "nyyyny"
TABLE = {
    #                      viewer, developer, owner, platform-engineer, auditor, agent
    "access.check": EVERYBODY,
    "access.uses": "nnyyyn",
    "alert.ack": TALKERS,  # whose alert it is, the handler asks
    "alert.list": EVERYBODY,
    "alert.rules": EVERYBODY,
    "alert.show": EVERYBODY,
    "alert.silence": TALKERS,
    "alert.test": TALKERS,
    "alert.unsilence": TALKERS,
    "approval.approve": "nyyynn",  # which teams may, the approval says
    "approval.list": EVERYBODY,
    "approval.refuse": "nyyynn",
    "approval.show": EVERYBODY,
    "artifact.materials": EVERYBODY,
    "changelog.show": EVERYBODY,
    "change.check": OWNERS_AND_AGENTS,
    "change.close": OWNERS_AND_AGENTS,
    "change.comment": TALKERS,
    "change.list": EVERYBODY,
    "change.merge": OWNERS,  # from there it goes on to production by itself
    "change.show": EVERYBODY,
    "check.list": EVERYBODY,
    "commit.where": EVERYBODY,
    "component.create": MAKERS,
    "component.import": MAKERS,
    "cost.explain": EVERYBODY,
    "cost.export": EVERYBODY,
    "cost.import": "nnnynn",
    "cost.show": EVERYBODY,
    "dashboard.export": EVERYBODY,
    "dashboard.list": EVERYBODY,
    "dashboard.show": EVERYBODY,
    "delivery.list": EVERYBODY,
    "demand.show": EVERYBODY,
    "dora.show": EVERYBODY,
    "entity.dependents": EVERYBODY,
    "entity.search": EVERYBODY,
    "entity.show": EVERYBODY,
    "environment.create": MAKERS,
    "environment.delete": OWNERS_AND_AGENTS,
    "environment.extend": OWNERS_AND_AGENTS,
    "environment.sleep": OWNERS_AND_AGENTS,
    "environment.wake": OWNERS_AND_AGENTS,
    "environment.list": EVERYBODY,
    "feedback.list": EVERYBODY,
    "feedback.reply": "nnnynn",
    "feedback.say": EVERYBODY,
    "guardrail.explain": EVERYBODY,
    "guardrail.findings": EVERYBODY,
    "guardrail.list": EVERYBODY,
    "guardrail.new": EVERYBODY,
    "guardrail.test": EVERYBODY,
    "insights.show": EVERYBODY,
    "log.search": EVERYBODY,
    "metrics.names": EVERYBODY,
    "metrics.query": EVERYBODY,
    "metrics.traces": EVERYBODY,
    "notification.list": EVERYBODY,
    "notification.test": TALKERS,
    "platform.findings": EVERYBODY,
    "platform.health": EVERYBODY,
    "platform.overview": EVERYBODY,
    "platform.whoami": EVERYBODY,
    "provenance.show": EVERYBODY,
    "provenance.verify": EVERYBODY,
    "resource.add": OWNERS_AND_AGENTS,
    "resource.add-several": OWNERS_AND_AGENTS,
    "resource.backups": EVERYBODY,
    "resource.connect": OWNERS_AND_AGENTS,
    "resource.extend": OWNERS_AND_AGENTS,
    "resource.remove": OWNERS_AND_AGENTS,
    "resource.restore": OWNERS_AND_AGENTS,
    "resource.trash": EVERYBODY,
    "roadmap.show": EVERYBODY,
    "run.cancel": OWNERS_AND_AGENTS,
    "run.fix": OWNERS_AND_AGENTS,
    "run.list": EVERYBODY,
    "run.log": EVERYBODY,
    "run.retry": OWNERS_AND_AGENTS,
    "run.show": EVERYBODY,
    "score.badge": EVERYBODY,
    "score.show": EVERYBODY,
    "scorecard.list": EVERYBODY,
    "scorecard.show": EVERYBODY,
    "slo.export": EVERYBODY,
    "slo.list": EVERYBODY,
    "slo.show": EVERYBODY,
    "stack.converge": OWNERS_AND_AGENTS,
    "stack.deploy": OWNERS_AND_AGENTS,
    "stack.history": EVERYBODY,
    "stack.list": EVERYBODY,
    "stack.promote": OWNERS_AND_AGENTS,
    "stack.release": OWNERS_AND_AGENTS,
    "stack.remove": OWNERS_AND_AGENTS,
    "stack.rollback": OWNERS_AND_AGENTS,
    "stack.show": EVERYBODY,
    "stack.sleep": OWNERS_AND_AGENTS,
    "stack.wake": OWNERS_AND_AGENTS,
    "stacks.rollback": OWNERS_AND_AGENTS,
    "survey.answer": EVERYBODY,
    "survey.show": EVERYBODY,
    "team.quota": EVERYBODY,
    "template.list": EVERYBODY,
    "token.create": "nnnynn",
    "waiver.list": EVERYBODY,
}
FIELDS: dict[str, Any] = {
    "address": "dev/orders/db", "stack": "dev/orders", "stacks": ["dev/orders"], "component": "orders", "name": "db",
    "env": "dev", "type": "postgres", "resources": [{"name": "db", "type": "postgres"}], "change": "orders/3",
    "run": "run_1", "approval": "apr_1", "text": "hello", "url": "u", "commit": "0123456", "digest": "sha256:0",
    "ref": "orders", "repository": "orders", "feedback": "fb_1", "user": "kim", "export": "x",
    "metric": "http_requests_total", "alert": "a", "silence": "s", "rule": "down", "on": "dev/orders",
    "reason": "because", "for": "1h", "to": "group:payments", "channel": "mail", "slo": "latency",
    "scopes": ["catalog:read"],
}  # fmt: skip
NAMES = {"environment": "try", "guardrail": "keep-backups", "component": "new-one"}
THERE = organisation()
SCOPES = frozenset(scope for one in OPERATIONS for scope in one.scopes)
PRINCIPALS = {role: Principal(actor, SCOPES, behalf) for role, (actor, behalf) in BY_ROLE.items()}
STRANGER = Principal(Ref.parse("user:stranger"), SCOPES)
DEPLOYED = Request(Ref.parse("user:olga"), "rest", Deploy(Address("dev", "orders")), NOW)
RUN = Run("run_1", "stack.deploy", "dev/orders", State.RUNNING, DEPLOYED)


def reached(_: Context, __: BaseModel) -> BaseModel:
    raise Conflict(error("reached"))


def site_of(operations: tuple[Operation[Any, Any], ...]) -> TestClient:
    runs = SimpleNamespace(get={"run_1": RUN}.get)
    world = SimpleNamespace(snapshots=SimpleNamespace(current=lambda: THERE))
    parts = Parts(
        operations=operations,
        context=lambda call: context_of(THERE, call, runs=runs),
        authenticate={**PRINCIPALS, "stranger": STRANGER}.get,
        sessions=FakeSessions(),
        events=FakeEvents(),
        run=lambda _: None,
        overview=lambda _: Overview(),
        may=lambda principal, verb: may(world, principal.actor, verb, principal.behalf),  # type: ignore[arg-type]
    )
    return TestClient(assemble(parts).app, base_url="http://localhost", raise_server_exceptions=False)


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with site_of(tuple(replace(one, handler=reached) for one in OPERATIONS)) as client:
        yield client


def ask(client: TestClient, operation: Operation[Any, Any], who: str, **fields: Any) -> int:
    method, _, path = operation.rest.replace(":path}", "}").partition(" ")
    known = {**FIELDS, **fields}
    if operation.name != "resource.add" and "name" not in fields:
        known["name"] = NAMES.get(operation.name.partition(".")[0], "db")
    given = {name: known[name] for name in operation.input.model_fields if f"{{{name}}}" in path or name in known}
    in_path = {name: value for name, value in given.items() if f"{{{name}}}" in path}
    rest = {name: value for name, value in given.items() if name not in in_path}
    sent: dict[str, Any] = {"params": rest} if method in ("GET", "DELETE") else {"json": rest}
    headers = {"Authorization": f"Bearer {who}"}
    return client.request(method, "/api/v1" + path.format(**in_path), headers=headers, **sent).status_code


def test_the_table_has_every_operation_and_every_role() -> None:
    assert sorted(TABLE) == sorted(one.name for one in OPERATIONS)
    assert set(ROLES) == set(BY_ROLE) == {role.value for role in Role}
    assert all(one.verb is not None for one in OPERATIONS), "who declares no verb is for nobody"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_every_operation_by_every_role(client: TestClient, operation: Operation[Any, Any], role: str) -> None:
    expected = {"y": 409, "n": 403}[TABLE[operation.name][ROLES.index(role)]]
    assert ask(client, operation, role) == expected


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_who_is_not_in_the_catalog_may_only_ask(client: TestClient, operation: Operation[Any, Any]) -> None:
    assert ask(client, operation, "stranger") == (409 if operation.verb is Verb.ASK else 403)


IN_PRODUCTION = {"env": "prod", "stack": "prod/orders", "stacks": ["prod/orders"], "address": "prod/orders/db"}


@pytest.mark.parametrize(
    "operation",
    [one for one in OPERATIONS if not one.read_only and one.name.startswith(("stack", "resource"))],
    ids=lambda one: one.name,
)
def test_production_is_not_for_agents_and_no_more_for_its_owners(
    client: TestClient, operation: Operation[Any, Any]
) -> None:
    assert ask(client, operation, "agent", **IN_PRODUCTION) == 403
    assert ask(client, operation, "owner", **IN_PRODUCTION) == 409


def test_of_several_stacks_one_too_many_is_refused(client: TestClient) -> None:
    rollback = next(one for one in OPERATIONS if one.name == "stacks.rollback")
    assert ask(client, rollback, "owner", stacks=["dev/orders", "dev/finder"]) == 403
    assert ask(client, rollback, "agent", stacks=["dev/orders", "prod/orders"]) == 403


def test_a_run_is_stopped_by_whoever_might_have_asked_for_it(client: TestClient) -> None:
    cancel = next(one for one in OPERATIONS if one.name == "run.cancel")
    assert ask(client, cancel, "owner", run="run_1") == 409
    assert ask(client, cancel, "developer", run="run_1") == 403


def test_an_operation_without_a_verb_is_for_nobody() -> None:
    forgotten = replace(OPERATIONS[0], verb=None, handler=reached)
    with site_of((forgotten,)) as client:
        assert ask(client, forgotten, "platform-engineer") == 403


def test_a_refusal_says_the_reason_and_where_it_is_written(client: TestClient) -> None:
    headers = {"Authorization": "Bearer developer"}
    answer = client.post("/api/v1/stacks/dev/orders/deploy", json={}, headers=headers)
    assert answer.status_code == 403
    [said] = answer.json()["diagnostics"]
    assert said["summary"] == "user:dev may not deploy dev/orders"
    assert "component:orders is owned by group:payments (catalog/components.yaml:1)" in said["detail"]
    assert "user:dev is a member of group:search (catalog/people.yaml:6)" in said["detail"]
    assert "user:dev were a member of group:payments" in said["remedy"]


@pytest.mark.parametrize(("who", "status"), [("stranger", 403), ("viewer", 200)])
def test_the_stream_of_events_is_read_by_whoever_may_read(client: TestClient, who: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {who}"}
    path = "/api/v1/events" if status == 403 else "/api/v1/openapi.json"
    assert client.get(path, headers=headers).status_code == status
    assert client.get("/api/v1/runs/none/events", headers=headers).status_code == (403 if status == 403 else 404)


def test_a_context_without_rights_raises_before_the_handler() -> None:
    deploy = next(one for one in OPERATIONS if one.name == "stack.deploy")
    context = context_of(THERE, Call(BY_ROLE["viewer"][0], "mcp"))
    with pytest.raises(Forbidden, match="may not deploy"):
        replace(deploy, handler=reached).carry_out(context, deploy.input(stack="dev/orders"))
