"""Letters and notes on a real PostgreSQL: taken once, told in the end, forgotten after a while; and who tells them."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Engine, text

from pave.adapters.postgres.post import PostgresPost
from pave.apply.retry import Transient
from pave.apply.run import State
from pave.engine.forge import telling
from pave.model.diagnostics import Refused, error
from pave.model.names import Address, Ref
from pave.ports import CommitStatus, Event, ForgeEvent
from pave.request.intent import CheckChange, Deploy, Request

EVENT = ForgeEvent(
    "gitea", "push", "d-1", "acme/orders", ("https://git.example.com/acme/orders",), "main", commit="c" * 40
)
PENDING = CommitStatus("c" * 40, "pending", "dev/orders is on its way", "link", "pave/dev")
LIVE = dataclasses.replace(PENDING, state="success", description="dev/orders is live")


@pytest.fixture
def post(records: Engine) -> PostgresPost:
    return PostgresPost(records)


def later(seconds: float = 1) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


def test_a_delivery_is_taken_once(post: PostgresPost) -> None:
    assert post.take("orders", EVENT)
    assert not post.take("orders", EVENT)
    assert post.take("orders", dataclasses.replace(EVENT, forge="github")), "another forge has deliveries of its own"
    (letter, _) = post.letters(later())
    assert (letter.id, letter.repository, letter.event, letter.attempts) == ("gitea/d-1", "orders", EVENT, 0)


def test_the_same_words_under_another_name_are_taken_once(post: PostgresPost) -> None:
    assert post.take("orders", EVENT, "digest")
    assert not post.take("orders", dataclasses.replace(EVENT, delivery="d-2"), "digest")
    assert post.take("orders", dataclasses.replace(EVENT, delivery="d-2")), "a push may well be repeated"


def test_a_letter_is_handled_or_tried_again(post: PostgresPost) -> None:
    post.take("orders", EVENT)
    post.again("gitea/d-1", later(60), "the forge is down")
    assert post.letters(later()) == ()
    (letter,) = post.letters(later(61))
    assert letter.attempts == 1
    post.handled("gitea/d-1")
    assert post.letters(later(61)) == ()
    assert not post.take("orders", EVENT), "it is remembered"


def test_the_newest_word_counts_and_the_same_one_is_no_news(post: PostgresPost) -> None:
    post.want("orders", PENDING, "run_1")
    post.want("orders", LIVE, "run_1")
    (note,) = post.notes(later())
    assert (note.status, note.run) == (LIVE, "run_1")
    post.told(note)
    assert post.notes(later()) == ()
    post.want("orders", LIVE, "run_2")
    assert post.notes(later()) == ()
    post.want("orders", PENDING, "run_2")
    assert len(post.notes(later())) == 1


def test_what_changed_while_it_was_told_stays_due(post: PostgresPost) -> None:
    post.want("orders", PENDING)
    (note,) = post.notes(later())
    post.want("orders", LIVE)
    post.told(note)
    post.retell(note, later(600), "down")
    assert [one.status for one in post.notes(later())] == [LIVE]


def test_what_is_old_and_done_is_forgotten_and_nothing_else(post: PostgresPost, records: Engine) -> None:
    for delivery in ("old", "open", "new"):
        post.take("orders", dataclasses.replace(EVENT, delivery=delivery))
    post.handled("gitea/old")
    post.want("orders", LIVE)
    post.told(post.notes(later())[0])
    with records.begin() as connection:
        connection.execute(text("UPDATE letters SET handled_at = now() - interval '31 days' WHERE id = 'gitea/old'"))
        connection.execute(text("UPDATE letters SET received_at = now() - interval '31 days' WHERE id = 'gitea/open'"))
        connection.execute(text("UPDATE notes SET told_at = now() - interval '31 days'"))
    post.handled("gitea/new")
    assert post.forget(later(-30 * 24 * 3600)) == 2
    assert [one.id for one in post.letters(later())] == ["gitea/open"]
    assert not post.take("orders", dataclasses.replace(EVENT, delivery="new"))


def test_a_mark_is_kept(post: PostgresPost) -> None:
    assert post.mark() is None
    post.set_mark(7)
    post.set_mark(9)
    assert post.mark() == 9


class FakeForge:
    """Takes statuses of a host, or does not."""

    def __init__(self, name: str, problem: Exception | None = None) -> None:
        self.name, self.problem = name, problem
        self.heard: list[tuple[str, str, str]] = []
        self.calls = 0

    def hosts(self, url: str) -> bool:
        return f"//{self.name}." in url

    def tell(self, url: str, status: CommitStatus) -> None:
        self.calls += 1
        if self.problem is not None:
            raise self.problem
        self.heard.append((url, status.context, status.state))


class FakeWorld(SimpleNamespace):
    """As much of a world as telling has to do with."""

    def link(self, run: str) -> str:
        return f"http://localhost/#run-{run}"


def world(post: PostgresPost, *forges: FakeForge, runs: dict[str, Any] | None = None) -> Any:
    events: list[Event] = []

    def emit(type_: str, subject: str, **data: Any) -> None:
        run = str(data.pop("run", ""))
        events.append(Event(len(events) + 1, datetime.now(UTC), type_, subject, run, "", data))

    def origin(name: str) -> str:
        host, _, rest = name.partition("-")
        return f"https://{host}.example.com/acme/{rest}" if rest else ""

    log = SimpleNamespace(
        emit=emit,
        last=lambda: len(events),
        read=lambda after, limit: events[after : after + limit],
        all=events,
    )
    return FakeWorld(
        clock=SimpleNamespace(now=lambda: datetime.now(UTC)),
        post=post,
        forges={one.name: one for one in forges},
        repositories=SimpleNamespace(origin=origin, resolve=lambda _name, revision: SimpleNamespace(id=revision)),
        events=log,
        runs=SimpleNamespace(get=(runs or {}).get),
        deliveries=SimpleNamespace(get=lambda _run, _stack: None),
        snapshots=SimpleNamespace(current=lambda: SimpleNamespace(deployments={})),
    )


def run(id_: str, intent: Any, state: State, why: str = "") -> Any:
    request = Request(Ref("user", "default", "dana"), "git", intent, datetime.now(UTC), "")
    return SimpleNamespace(id=id_, request=request, state=state, error={"summary": why} if why else None, stacks=())


def test_a_forge_that_is_down_keeps_no_other_one_waiting(post: PostgresPost) -> None:
    down = FakeForge("github", Transient(error("github answered 503"), 120))
    up = FakeForge("gitea")
    here = world(post, down, up)
    for number in range(3):
        telling.want(here, "github-orders", dataclasses.replace(PENDING, context=f"pave/{number}"))
    telling.want(here, "gitea-orders", LIVE)
    telling.tell(here)
    assert down.calls == 1, "it is left alone for the rest of the round"
    assert up.heard == [("https://gitea.example.com/acme/orders", "pave/dev", "success")]
    assert len(post.notes(later(119))) == 2, "the one that was tried waits as long as the forge wants"
    down.problem = None
    telling.tell(here)
    assert len(down.heard) == 2
    assert len(post.notes(later(121))) == 1


def test_what_a_forge_does_not_take_is_said_and_given_up(post: PostgresPost) -> None:
    here = world(post, FakeForge("gitlab", Refused(error("gitlab answered 401", remedy="Set gitlab_token."))))
    telling.want(here, "gitlab-orders", LIVE, "run_1")
    telling.tell(here)
    assert post.notes(later()) == ()
    (event,) = here.events.all
    assert (event.type, event.subject, event.run) == ("forge.refused", "repository/gitlab-orders", "run_1")
    assert "401" in event.data["problem"]


def test_an_error_nobody_expected_holds_no_other_status_up(post: PostgresPost) -> None:
    broken, good = FakeForge("github", RuntimeError("?")), FakeForge("gitea")
    here = world(post, broken, good)
    telling.want(here, "github-orders", LIVE)
    telling.want(here, "gitea-orders", LIVE)
    telling.tell(here)
    assert len(good.heard) == 1
    assert len(post.notes(later(60))) == 1


def test_runs_are_told_from_what_was_recorded_and_once(post: PostgresPost) -> None:
    check = CheckChange("gitea-orders", 3, "a" * 40)
    runs = {"run_1": run("run_1", check, State.PENDING)}
    here = world(post, FakeForge("gitea"), runs=runs)
    here.events.emit("run.created", "x", run="run_0")
    telling.look(here)
    assert post.mark() == 1, "what was before is nobody's news"
    here.events.emit("run.created", "x", run="run_1")
    telling.look(here)
    (note,) = post.notes(later())
    assert note.status == CommitStatus(
        "a" * 40, "pending", "The check is running", "http://localhost/#run-run_1", "pave/check"
    )
    runs["run_1"] = run("run_1", check, State.FAILED, "2 tests failed")
    here.events.emit("run.finished", "x", run="run_1")
    telling.look(here)
    (note,) = post.notes(later())
    assert (note.status.state, note.status.description) == ("failure", "The check failed: 2 tests failed")
    assert post.mark() == 3


def test_a_run_whose_end_nobody_told_is_looked_up(post: PostgresPost, records: Engine) -> None:
    intent = Deploy(Address("dev", "gitea-orders"), "b" * 40, automatic=True)
    runs = {"run_1": run("run_1", intent, State.RUNNING)}
    here = world(post, FakeForge("gitea"), runs=runs)
    telling.note(here, "run_1")
    runs["run_1"] = run("run_1", intent, State.CANCELLED)
    telling.settle(here)
    assert post.notes(later())[0].status.state == "pending", "a minute of doubt"
    with records.begin() as connection:
        connection.execute(text("UPDATE notes SET updated_at = now() - interval '2 minutes'"))
    telling.settle(here)
    (note,) = post.notes(later())
    assert (note.status.state, note.status.context) == ("error", "pave/dev")


def test_what_is_at_no_forge_is_not_noted(post: PostgresPost) -> None:
    here = world(post, FakeForge("gitea"), runs={"run_1": run("run_1", CheckChange("own", 1, "a" * 40), State.PENDING)})
    telling.note(here, "run_1")
    telling.note(here, "run_9")
    assert post.notes(later()) == ()
