"""What follows from what a forge told: with real repositories and records, in every order that messages may come in."""

from __future__ import annotations

import dataclasses
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from platform_for_tests import commit_all, git, repository
from sqlalchemy import Engine

from pave.adapters.git.services import GitRepositories
from pave.adapters.postgres.changes import PostgresChanges
from pave.adapters.postgres.post import PostgresPost
from pave.apply.retry import Transient
from pave.engine.forge import hearing, reviews
from pave.model.diagnostics import Refused, Unknown, error
from pave.ports import ForgeEvent
from pave.request.access import SYSTEM

LINK = "https://gitea.example.com/acme/orders/pulls/2"
OPENED = ForgeEvent(
    *("gitea", "opened", "d-1", "acme/orders", (), "changes", "main"),
    number=2,
    title="Greet with a wave",
    author="Robin[bot]",
    link=LINK,
)


class Scene:
    """A repository at a forge, its mirror, and a world that only remembers which checks were asked for."""

    def __init__(self, folder: Path, records: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self.theirs = repository(folder / "orders", {"app.py": "1\n"})
        self.repositories = GitRepositories(folder / "mirrors")
        self.repositories.mirror("orders", str(self.theirs), lambda: False)
        self.post, self.changes = PostgresPost(records), PostgresChanges(records)
        self.now = datetime.now(UTC) + timedelta(seconds=5)
        self.checked: list[tuple[int, str]] = []
        self.emitted: list[str] = []
        self.looked = 0
        events = SimpleNamespace(emit=lambda type_, _subject, **_: self.emitted.append(type_))
        self.world: Any = SimpleNamespace(
            clock=SimpleNamespace(now=lambda: self.now),
            repositories=self.repositories,
            post=self.post,
            changes=self.changes,
            events=events,
            forges={},
            runs=SimpleNamespace(get=lambda _: None),
            snapshots=SimpleNamespace(current=lambda: SimpleNamespace(environments={})),
        )
        monkeypatch.setattr(reviews, "check", self._check)
        monkeypatch.setattr(hearing, "process", self._process)

    def _check(self, _world: Any, change: Any, actor: Any) -> str:
        assert actor == SYSTEM
        self.checked.append((change.number, change.head))
        return "run"

    def _process(self, _world: Any, _repository: str) -> None:
        self.looked += 1

    def branch(self, text: str, name: str = "changes") -> str:
        git(self.theirs, "checkout", "--quiet", "-B", name)
        (self.theirs / "app.py").write_text(text)
        commit_all(self.theirs, text)
        head = self.head()
        git(self.theirs, "checkout", "--quiet", "main")
        return head

    def merge(self) -> str:
        git(self.theirs, "merge", "--quiet", "--no-ff", "-m", "Merge", "changes")
        return self.head()

    def head(self) -> str:
        argv = ["git", "-C", str(self.theirs), "rev-parse", "HEAD"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()

    def tell(self, kind: str = "opened", **parts: Any) -> None:
        """One message, acted on at once."""
        number = len(self.emitted) + self.looked + len(self.checked)
        event = dataclasses.replace(OPENED, kind=kind, **{"delivery": f"{kind}-{number}-{parts}", **parts})
        assert self.post.take("orders", event)
        self.act()

    def act(self) -> None:
        letters = self.post.letters(self.now)
        if letters:
            hearing.act(self.world, letters, lambda: False)

    def open_letters(self) -> int:
        return len(self.post.letters(self.now + timedelta(days=30)))

    def states(self) -> list[str]:
        return [one.state for one in reversed(self.changes.find(repository="orders"))]


@pytest.fixture
def scene(tmp_path: Path, records: Engine, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, records, monkeypatch)


def test_what_is_fetched_counts_and_not_what_was_said(scene: Scene) -> None:
    head = scene.branch("2\n")
    scene.tell(commit="f" * 40)
    change = scene.changes.get("orders", 1)
    assert change is not None
    assert (change.head, change.forge, change.title, str(change.author)) == (
        *(head, LINK, "Greet with a wave"),
        "user:gitea/robin-bot",
    )
    assert scene.checked == [(1, head)]
    assert scene.changes.seen("orders")["changes"] == head
    assert scene.looked == 1


def test_more_commits_another_title_and_another_target_are_taken_over(scene: Scene) -> None:
    scene.branch("2\n")
    scene.tell()
    git(scene.theirs, "branch", "--quiet", "next", "main")
    head = scene.branch("3\n")
    scene.tell("updated", title="Greet twice", target="next")
    change = scene.changes.get("orders", 1)
    assert change is not None
    assert (change.head, change.title, change.target) == (head, "Greet twice", "next")
    assert scene.states() == ["open"]


def test_a_pull_request_is_closed_opened_again_and_told_late(scene: Scene) -> None:
    scene.branch("2\n")
    scene.tell()
    scene.tell("closed")
    assert scene.states() == ["closed"]
    scene.tell("updated")
    assert scene.states() == ["closed"], "what was told late opens nothing"
    scene.tell("opened")
    assert scene.states() == ["closed", "open"]


def test_a_merge_is_true_when_it_is_on_the_target(scene: Scene) -> None:
    scene.branch("2\n")
    scene.tell()
    merged = scene.merge()
    scene.tell("merged", commit=merged, author="kim")
    change = scene.changes.get("orders", 1)
    assert change is not None
    assert (change.state, change.merged, change.merged_by) == ("merged", merged, "user:gitea/kim")
    assert scene.emitted[-1] == "change.merged"
    scene.tell("opened")
    scene.tell("closed")
    assert scene.states() == ["merged"]


def test_a_merge_that_is_not_there_is_waited_for_and_then_closed(scene: Scene) -> None:
    scene.branch("2\n")
    scene.tell()
    scene.tell("merged", commit="e" * 40)
    for _ in range(3):
        assert scene.states() == ["open"]
        scene.now += timedelta(minutes=1)
        scene.act()
    assert scene.states() == ["closed"]
    assert scene.open_letters() == 0
    assert "does not have it" in scene.changes.comments("orders", 1)[0].text


def test_a_branch_that_was_deleted_first_does_not_hide_the_merge(scene: Scene) -> None:
    scene.branch("2\n")
    scene.tell()
    merged = scene.merge()
    git(scene.theirs, "branch", "--quiet", "-D", "changes")
    change = scene.changes.get("orders", 1)
    assert change is not None
    reviews.close(scene.world, change)  # as the push that deleted it does
    scene.tell("merged", commit=merged)
    assert scene.states() == ["merged"]


def test_one_branch_has_one_pull_request(scene: Scene) -> None:
    scene.branch("2\n")
    scene.tell()
    scene.tell("opened", link="https://gitea.example.com/acme/orders/pulls/3")
    assert scene.states() == ["open"]
    assert scene.emitted[-1] == "forge.failed"
    assert scene.open_letters() == 0


@pytest.mark.parametrize("parts", [{"branch": "gone"}, {"target": "gone"}, {"branch": "main"}, {"fork": True}])
def test_what_cannot_be_checked_is_not(scene: Scene, parts: dict[str, Any]) -> None:
    scene.branch("2\n")
    scene.tell("opened", **parts)
    assert (scene.states(), scene.checked, scene.open_letters()) == ([], [], 0)


def test_a_forge_that_is_down_is_asked_again_and_given_up_after_three_days(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any) -> str:
        raise Transient(error("cannot be reached"))

    scene.branch("2\n")
    with monkeypatch.context() as patch:
        patch.setattr(scene.repositories, "mirror", down)
        scene.tell()
        assert scene.post.letters(scene.now) == ()
        assert scene.open_letters() == 1
        scene.now += timedelta(days=4)
        scene.act()
    assert scene.open_letters() == 0
    assert scene.emitted == ["forge.failed"]


def test_being_stopped_loses_nothing(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: Any) -> str:
        raise Transient(error("stopped"))

    scene.branch("2\n")
    assert scene.post.take("orders", OPENED)
    with monkeypatch.context() as patch:
        patch.setattr(scene.repositories, "mirror", stopped)
        hearing.act(scene.world, scene.post.letters(scene.now), lambda: True)
    assert [one.attempts for one in scene.post.letters(scene.now)] == [0]
    scene.act()
    assert scene.states() == ["open"]


def test_only_a_mirror_is_found_and_by_any_of_its_addresses(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene.repositories, "origin", lambda _: "git@gitea.example.com:acme/orders.git")
    assert hearing.mirror_of(scene.world, ("", "https://GITEA.example.com/Acme/Orders")) == "orders"
    with pytest.raises(Unknown):
        hearing.mirror_of(scene.world, ("https://gitea.example.com/acme/other",))
    monkeypatch.setattr(scene.repositories, "origin", lambda _: "")
    with pytest.raises(Unknown):
        hearing.mirror_of(scene.world, ("",))


def test_pave_does_not_merge_what_a_forge_merges(scene: Scene) -> None:
    scene.branch("2\n")
    scene.tell()
    change = scene.changes.get("orders", 1)
    assert change is not None
    with pytest.raises(Refused, match="merged where it was opened") as refused:
        reviews.ready(scene.world, change)
    assert LINK in refused.value.diagnostics[0].remedy
