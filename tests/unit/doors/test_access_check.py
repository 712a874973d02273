"""`pave can`: the question over REST and how the answer looks; who saw credentials; streams without what is audited."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from organisation_for_tests import BY_ROLE, context_of, organisation
from pydantic import BaseModel
from site_for_tests import FakeEvents

from pave.cli import render
from pave.doors.events import AUDITED, _events
from pave.engine.operations import Call
from pave.engine.registry.access import OPERATIONS, AccessAnswer, Question, Uses, UsesOf
from pave.model.diagnostics import Forbidden, Refused
from pave.model.names import Ref
from pave.request.roles import Verb

CHECK, USES = OPERATIONS
THERE = organisation()


def asked(actor: str = "user:petra", **given: Any) -> AccessAnswer:
    answer = CHECK.carry_out(context_of(THERE, Call(Ref.parse(actor, kind="user"), "rest")), Question(**given))
    assert isinstance(answer, AccessAnswer)
    return answer


def shown(capsys: pytest.CaptureFixture[str], answer: BaseModel) -> str:
    render.show(answer.model_dump(mode="json"), type(answer).__name__)
    return capsys.readouterr().out


def test_yes_with_the_whole_chain(capsys: pytest.CaptureFixture[str]) -> None:
    answer = asked(user="user:olga", verb="deploy", address="prod/orders", explain=True)
    assert (answer.allowed, answer.role) == (True, "owner")
    assert [(one.file, one.line) for one in answer.reasons if one.file] == [
        ("catalog/people.yaml", 11),
        ("catalog/components.yaml", 1),
        ("environments/prod.yaml", 0),
    ]
    said = shown(capsys, answer)
    assert "Yes" in said
    assert "as owner" in said
    assert "component:orders is owned by group:payments  catalog/components.yaml:1" in said


def test_yes_in_one_line_where_no_reason_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(shown(capsys, asked(user="olga", verb="deploy", address="prod/orders")).strip().splitlines()) == 1


def test_no_with_every_way_to_a_yes(capsys: pytest.CaptureFixture[str]) -> None:
    answer = asked(user="user:dev", verb="deploy", address="prod/orders", explain=True)
    assert answer.allowed is False
    said = shown(capsys, answer)
    assert "No" in said
    assert "user:dev may not deploy prod/orders" in said
    assert "→ It would be allowed if user:dev were a member of group:payments." in said
    assert "→ It would be allowed if user:dev were a member of group:platform." in said


def test_without_a_verb_all_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    for given in ({"verb": "prod/orders"}, {"address": "prod/orders"}):
        answer = asked(user="user:olga", **given)
        assert answer.allowed is None
        assert [one.verb for one in answer.verbs] == [verb.value for verb in Verb]
        assert {one.verb for one in answer.verbs if not one.allowed} == {"administer", "waive"}
    said = shown(capsys, answer)
    assert "user:olga and prod/orders" in said
    assert "if user:olga were a member of group:platform" in said


def test_without_anything_what_i_may_here() -> None:
    answer = asked("user:vera")
    assert answer.user == "user:default/vera"
    assert {one.verb for one in answer.verbs if one.allowed} == {"ask", "read"}


def test_an_agent_and_whom_it_acts_for() -> None:
    assert asked(user="agent:helper", verb="deploy", address="dev/orders").needed == [
        "it acts for a person who may do the same"
    ]
    assert asked(user="agent:helper", verb="deploy", address="dev/orders", behalf="user:olga").allowed is True
    assert asked(user="agent:helper", verb="deploy", address="prod/orders", behalf="user:olga").needed == [
        "the environment is known and no production"
    ]


def test_a_stranger_asks_about_themselves_and_about_nobody_else() -> None:
    assert asked("user:stranger", verb="read").allowed is False
    assert "user:stranger is not in the catalog" in [one.said for one in asked("user:stranger", verb="read").reasons]
    with pytest.raises(Forbidden):
        asked("user:stranger", user="user:olga", verb="read")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"verb": "deploi", "address": "dev/orders"}, "There is no verb 'deploi'. Did you mean 'deploy'"),
        ({"address": "a/b/c/d"}, "is not an address"),
        ({"address": "group:payments"}, "is no place"),
        ({"address": "../etc"}, "cannot be used"),
        ({"user": "user:a:b"}, "is not an entity reference"),
        ({"address": "guardrail:"}, "cannot be used"),
    ],
)
def test_questions_that_cannot_be_asked(given: dict[str, str], said: str) -> None:
    with pytest.raises(Refused, match=said):
        asked(**given)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("try", "environment try is owned by group:payments"),
        ("environment:try", "environment try"),
        ("orders", "component:orders is owned by group:payments"),
        ("component:dev", "nobody owns component:dev yet"),
        ("keep-backups", "guardrail keep-backups is owned by group:payments"),
        ("gone/orders", "there is no environment gone"),
        ("guardrail:gone", "there is no guardrail gone"),
        ("platform", "platform is the platform's own repository"),
    ],
)
def test_what_an_address_means(address: str, kind: str) -> None:
    reasons = asked(user="user:dev", verb="delete", address=address).reasons
    assert any(one.said.startswith(kind) for one in reasons), reasons


def uses(role: str, address: str, events: FakeEvents) -> Uses:
    actor, behalf = BY_ROLE[role]
    context = context_of(THERE, Call(actor, "rest", behalf=behalf), events=events)
    found = USES.carry_out(context, UsesOf(address=address))
    assert isinstance(found, Uses)
    return found


def test_who_saw_credentials_is_for_auditors_and_owners() -> None:
    events = FakeEvents()
    for number in range(3):
        events.emit("credentials.read", "prod/orders/db", actor=f"user:default/u{number}", door="rest")
        events.emit("run.created", "prod/orders", actor="user:default/olga")
    events.emit("credentials.read", "prod/finder/db", actor="user:default/dev", door="rest")
    for role in ("auditor", "owner", "platform-engineer"):
        found = uses(role, "prod/orders", events).uses
        assert [one.actor for one in found] == [f"user:default/u{number}" for number in (2, 1, 0)]
        assert {one.address for one in found} == {"prod/orders/db"}
    for role in ("viewer", "developer", "agent"):
        with pytest.raises(Forbidden):
            uses(role, "prod/orders", events)
    with pytest.raises(Forbidden):
        uses("owner", "prod/finder", events)


@pytest.mark.parametrize(("hidden", "count"), [(AUDITED, 1), (frozenset(), 2)])
def test_a_stream_leaves_out_what_only_auditors_may_see(hidden: frozenset[str], count: int) -> None:
    events = FakeEvents()
    events.emit("credentials.read", "prod/orders/db", actor="user:default/olga")
    events.emit("run.created", "prod/orders", actor="user:default/olga")

    class Stored:
        """The hub's stored events, and then its end."""

        async def follow(self, after: int | None, subject: str, run: str) -> Any:
            for one in events.read(after or 0, subject=subject, run=run):
                yield one

    async def read() -> list[str]:
        stream = _events(Stored(), 0, ("prod", ""), hidden)  # type: ignore[arg-type]
        return [one async for one in stream if "event: event" in one]

    said = asyncio.run(read())
    assert len(said) == count
    assert "run.created" in said[-1]
