from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from pave.adapters.git.platform import GitPlatformRepository
from pave.apply.retry import Moved
from pave.model.diagnostics import Refused, Unknown

LIBRARY = {
    "environments/dev.yaml": b"kind: Environment\n",
    "modules/local-postgres/main.tf": b"# postgres\n",
    "modules/local-postgres/module.yaml": b"kind: Module\n",
    "bin/check": b"#!/bin/sh\n",
}


@pytest.fixture
def platform(tmp_path: Path) -> GitPlatformRepository:
    repository = GitPlatformRepository(tmp_path / "platform.git")
    repository.ensure(LIBRARY)
    return repository


def git(path: Path, *arguments: str) -> str:
    command = ["git", "-c", "safe.directory=*", "--git-dir", str(path), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_it_begins_with_the_library_once(platform: GitPlatformRepository) -> None:
    head = platform.head()
    assert platform.ensure({"other": b""}) == head
    tree = platform.tree()
    assert list(tree.paths()) == sorted(LIBRARY)
    assert tree.read("environments/dev.yaml") == LIBRARY["environments/dev.yaml"]
    assert list(tree.paths("modules")) == ["modules/local-postgres/main.tf", "modules/local-postgres/module.yaml"]
    assert list(tree.paths("nowhere")) == []
    assert tree.read("modules") is None
    assert tree.read("nowhere/../environments/dev.yaml") is None
    assert git(platform.path, "fsck", "--strict") == ""
    assert git(platform.path, "ls-tree", "main", "bin/check").startswith("100755")
    assert {one.name for one in platform.path.parent.iterdir()} == {"platform.git", ".platform.git.lock"}


def test_a_change_carries_its_actor_and_its_id(platform: GitPlatformRepository) -> None:
    message = "Add a database\n\nBecause it is needed.\n\nPave-Actor: user:default/dana\nPave-Change: run-1\n"
    commit = platform.commit(platform.head(), {"deployments/dev/orders.yaml": b"a"}, message, "user:default/dana")
    newest = platform.log()[0]
    assert newest.id == commit == platform.head()
    assert newest.author == "user:default/dana"
    assert newest.trailers == {"Pave-Actor": "user:default/dana", "Pave-Change": "run-1"}
    assert newest.at.tzinfo is not None
    assert [one.id for one in platform.log("deployments/dev")] == [commit]
    assert [one.id for one in platform.log("deployments/dev/orders.yaml")] == [commit]
    assert len(platform.log()) == 2
    assert len(platform.log(limit=1)) == 1
    assert git(platform.path, "log", "-1", "--format=%(trailers:key=Pave-Change,valueonly)") == "run-1"


def test_an_id_moves_only_with_what_lies_below_it(platform: GitPlatformRepository) -> None:
    before = platform.tree()
    platform.commit("", {"modules/local-postgres/main.tf": b"# other\n"}, "Change a module", "dana")
    now = platform.tree()
    assert before.id("environments") == now.id("environments") != ""
    assert before.id("modules/local-postgres/") != now.id("modules/local-postgres")
    assert before.id("") != now.id("")
    assert now.id("nowhere") == ""
    assert platform.tree(platform.log()[1].id).id("modules") == before.id("modules")


def test_the_last_file_takes_its_folder_along(platform: GitPlatformRepository) -> None:
    platform.commit("", {"environments/dev.yaml": None, "bin/check": None}, "Remove", "dana")
    assert git(platform.path, "ls-tree", "--name-only", "main").split() == ["modules"]
    platform.commit("", dict.fromkeys(LIBRARY), "Remove everything", "dana")
    assert list(platform.tree().paths()) == []


def test_nothing_changed_makes_no_commit(platform: GitPlatformRepository) -> None:
    head = platform.head()
    assert platform.commit(head, {"environments/dev.yaml": LIBRARY["environments/dev.yaml"]}, "Same", "dana") == head
    assert platform.commit(head, {"not/there": None, "bin/check/below": None}, "Same", "dana") == head


def test_disjoint_edits_are_laid_on_a_moved_head(platform: GitPlatformRepository) -> None:
    base = platform.head()
    platform.commit(base, {"deployments/dev/one.yaml": b"1"}, "One", "dana")
    platform.commit(base, {"deployments/dev/two.yaml": b"2"}, "Two", "alex")
    assert list(platform.tree().paths("deployments")) == ["deployments/dev/one.yaml", "deployments/dev/two.yaml"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"environments/dev.yaml": b"a"}, {"environments/dev.yaml": b"b"}),
        ({"environments/dev.yaml": None}, {"environments/dev.yaml": b"b"}),
        ({"new.yaml": b"a"}, {"new.yaml": b"b"}),
        ({"new": b"a file"}, {"new/below.yaml": b"b"}),
        ({"new/below.yaml": b"b"}, {"new": b"a file"}),
    ],
)
def test_the_same_path_twice_is_said_and_nothing_written(
    platform: GitPlatformRepository, first: dict[str, bytes | None], second: dict[str, bytes | None]
) -> None:
    base = platform.head()
    head = platform.commit(base, first, "First", "dana")
    with pytest.raises(Moved, match="changed by someone else"):
        platform.commit(base, second, "Second", "alex")
    assert platform.head() == head


@pytest.mark.parametrize(
    "path",
    [
        "../escape",
        "a/../../escape",
        "/absolute",
        "",
        "a//b",
        "a/./b",
        ".git/hooks/post-receive",
        "a/.GIT/config",
        ".git",
        "git~1/config",
        ".git /config",
        ".git.../config",
        ".git::$INDEX_ALLOCATION/config",
        ".g\u200cit/config",
        "a\\.git\\config",
        "a\\..\\b",
        "line\nbreak",
        "nul\0byte",
        "x" * 300,
        "bin/check/below-a-file",
    ],
)
def test_a_path_that_may_not_be_is_refused(platform: GitPlatformRepository, path: str) -> None:
    head = platform.head()
    with pytest.raises(Refused):
        platform.commit(head, {"good.yaml": b"", path: b"bad"}, "Bad", "mallory")
    assert platform.head() == head


def test_a_commit_that_is_not_there_is_unknown(platform: GitPlatformRepository) -> None:
    for commit in ("0" * 40, "main", "HEAD~1", platform.tree().id("bin")):
        with pytest.raises(Unknown):
            platform.tree(commit)
        with pytest.raises(Unknown):
            platform.commit(commit, {"a": b""}, "A", "dana")


def test_eight_threads_land_all_their_commits_in_one_line(platform: GitPlatformRepository) -> None:
    base = platform.head()
    made: list[str] = []

    def write(thread: int) -> None:
        made.extend(
            platform.commit(base, {f"deployments/t{thread}/c{n}.yaml": b"x"}, f"{thread}/{n}", "dana") for n in range(5)
        )

    threads = [threading.Thread(target=write, args=(one,)) for one in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 40
    assert len(list(platform.tree().paths("deployments"))) == 40
    assert {one.id for one in platform.log(limit=100)} >= set(made)
    assert git(platform.path, "rev-list", "--count", "--min-parents=2", "main") == "0"
    assert git(platform.path, "rev-list", "--count", "main") == "41"


WRITER = """
import sys
from pathlib import Path
from pave.adapters.git.platform import GitPlatformRepository
repository = GitPlatformRepository(Path(sys.argv[1]))
for count in range(10_000):
    edits = {f"deployments/{sys.argv[2]}.yaml": str(count).encode()}
    print(repository.commit("", edits, f"Change {count}", sys.argv[2]), flush=True)
"""


def test_a_killed_writer_loses_nothing_it_said_and_blocks_nobody(
    platform: GitPlatformRepository, tmp_path: Path
) -> None:
    writers = []
    for name in "ab":
        with (tmp_path / f"said-{name}").open("w") as said:
            writers.append(subprocess.Popen([sys.executable, "-c", WRITER, str(platform.path), name], stdout=said))
    deadline = time.monotonic() + 60
    while len(platform.log(limit=100)) < 12 and time.monotonic() < deadline:
        time.sleep(0.02)
    for writer in writers:
        writer.kill()
        writer.wait()
    said = {line for file in tmp_path.glob("said-*") for line in file.read_text().split()}
    after = platform.commit("", {"after.yaml": b""}, "After the kill", "dana")
    history = {one.id for one in platform.log(limit=100_000)}
    assert said <= history
    assert len(said) >= 8
    assert after in history
    assert "missing" not in git(platform.path, "fsck", "--strict", "--no-dangling")


def test_the_newest_commit_of_each_path(platform: GitPlatformRepository) -> None:
    first = platform.head()
    second = platform.commit("", {"environments/dev.yaml": b"2", "new.yaml": b"2"}, "Second", "dana")
    third = platform.commit("", {"new.yaml": b"3"}, "Third", "dana")
    paths = {"environments/dev.yaml", "new.yaml", "bin/check", "nowhere"}
    assert platform.last_changes(paths) == {"environments/dev.yaml": second, "new.yaml": third, "bin/check": first}
    assert platform.last_changes(paths, second)["new.yaml"] == second


def test_a_killed_creation_is_begun_again(tmp_path: Path) -> None:
    left = tmp_path / ".platform.git.new-4711"
    (left / "objects").mkdir(parents=True)
    repository = GitPlatformRepository(tmp_path / "platform.git")
    repository.ensure(LIBRARY)
    assert not left.exists()
    assert list(repository.tree().paths()) == sorted(LIBRARY)
