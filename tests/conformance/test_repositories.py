"""What every implementation of `pave.ports.Repositories` does."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pave.adapters.git.services import GitRepositories
from pave.model.diagnostics import Conflict, Refused, Unknown
from pave.ports import Repositories

FILES = {"README.md": b"# Orders\n", "src/app.py": b"print('hello')\n", "run": b"#!/bin/sh\necho hello\n"}


def never() -> bool:
    return False


@pytest.fixture(params=[GitRepositories], ids=["git"])
def repositories(request: pytest.FixtureRequest, tmp_path: Path) -> Repositories:
    make: Callable[[Path], Repositories] = request.param
    return make(tmp_path / "repositories")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Somebody's repository with two commits, a tag and a branch besides `trunk`."""
    path = tmp_path / "guestbook"
    path.mkdir()
    commit(path, {"app.py": "one"}, init=True)
    git(path, "tag", "-a", "v1", "-m", "First")
    git(path, "branch", "feature/x")
    commit(path, {"app.py": "two", "Procfile": "web: python app.py"})
    return path


def git(path: Path, *arguments: str) -> str:
    who = ["-c", "user.name=Sam", "-c", "user.email=sam@example.org", "-c", "init.defaultBranch=trunk"]
    return subprocess.run(
        ["git", *who, *arguments], cwd=path, check=True, capture_output=True, text=True
    ).stdout.strip()


def commit(path: Path, files: dict[str, str], *, init: bool = False) -> str:
    if init:
        git(path, "init", "--quiet")
    for name, content in files.items():
        (path / name).write_text(content)
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "-m", "Change")
    return git(path, "rev-parse", "HEAD")


def test_what_is_created_can_be_read(repositories: Repositories, tmp_path: Path) -> None:
    made = repositories.create("orders", FILES, "Begin", "user:default/dana")
    assert repositories.names() == ["orders"]
    head = repositories.resolve("orders")
    assert (head.id, head.author, head.message) == (made, "user:default/dana", "Begin\n")
    tree = repositories.tree("orders", made)
    assert list(tree.paths()) == sorted(FILES)
    assert tree.read("src/app.py") == FILES["src/app.py"]
    repositories.export("orders", made, tmp_path / "out")
    written = {str(one.relative_to(tmp_path / "out")): one for one in (tmp_path / "out").rglob("*") if one.is_file()}
    assert {name: path.read_bytes() for name, path in written.items()} == FILES
    assert {name for name, path in written.items() if path.stat().st_mode & 0o111} == {"run"}


def test_creating_again_is_the_same_commit_and_other_files_are_a_conflict(repositories: Repositories) -> None:
    made = repositories.create("orders", FILES, "Begin", "dana")
    assert repositories.create("orders", FILES, "Begin again", "dana") == made
    with pytest.raises(Conflict, match="holds something else"):
        repositories.create("orders", {"other": b""}, "Begin", "dana")
    assert repositories.resolve("orders").id == made


def test_removing_is_for_good_and_may_be_repeated(repositories: Repositories) -> None:
    repositories.create("orders", FILES, "Begin", "dana")
    repositories.remove("orders")
    repositories.remove("orders")
    assert repositories.names() == []
    with pytest.raises(Unknown):
        repositories.resolve("orders")
    assert repositories.create("orders", {"other": b""}, "Begin", "dana")


def test_a_mirror_follows_its_origin(repositories: Repositories, source: Path) -> None:
    first = repositories.mirror("guestbook", str(source), never)
    assert first == git(source, "rev-parse", "HEAD")
    assert repositories.tree("guestbook", first).read("app.py") == b"two"
    assert repositories.mirror("guestbook", str(source), never) == first
    second = commit(source, {"app.py": "three"})
    git(source, "branch", "-D", "feature/x")
    assert repositories.mirror("guestbook", f"{source}/", never) == second
    with pytest.raises(Unknown):
        repositories.resolve("guestbook", "feature/x")
    git(source, "reset", "--quiet", "--hard", first)
    assert repositories.mirror("guestbook", f"file://{source}", never) == first


def test_revisions_are_names_and_ids_and_nothing_cleverer(repositories: Repositories, source: Path) -> None:
    head = repositories.mirror("guestbook", str(source), never)
    before = git(source, "rev-parse", "HEAD~1")
    for revision, commit_id in {
        "": head,
        "trunk": head,
        "feature/x": before,
        "v1": before,
        before: before,
        before[:10]: before,
    }.items():
        assert repositories.resolve("guestbook", revision).id == commit_id
    for revision in (
        "HEAD~1",
        "trunk^",
        ":/Change",
        "@{0}",
        "trunk..v1",
        "-h",
        "../x",
        "a\0b",
        "x\ny",
        "nowhere",
        "abc",
    ):
        with pytest.raises(Unknown):
            repositories.resolve("guestbook", revision)
    blob = git(source, "rev-parse", "HEAD:app.py")
    with pytest.raises(Unknown):
        repositories.tree("guestbook", blob)


def test_another_origin_does_not_take_a_name_over(repositories: Repositories, source: Path, tmp_path: Path) -> None:
    repositories.create("orders", FILES, "Begin", "dana")
    with pytest.raises(Conflict, match="made here"):
        repositories.mirror("orders", str(source), never)
    repositories.mirror("guestbook", str(source), never)
    git(tmp_path, "clone", "--quiet", str(source), "copy")
    with pytest.raises(Conflict, match="a mirror of"):
        repositories.mirror("guestbook", str(tmp_path / "copy"), never)


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "-x", "UPPER", "x.git"])
def test_what_is_no_name_is_refused(repositories: Repositories, name: str, source: Path) -> None:
    with pytest.raises(Refused):
        repositories.create(name, FILES, "Begin", "dana")
    with pytest.raises(Refused):
        repositories.mirror(name, str(source), never)
    with pytest.raises(Refused):
        repositories.remove(name)
    assert repositories.names() == []


def test_an_empty_repository_is_refused_and_leaves_nothing(repositories: Repositories, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--quiet")
    with pytest.raises(Refused, match="has no commits"):
        repositories.mirror("empty", str(tmp_path / "empty"), never)
    (tmp_path / "plain").mkdir()
    with pytest.raises(Refused, match="git init"):
        repositories.mirror("plain", str(tmp_path / "plain"), never)
    assert repositories.names() == []


def test_a_detached_head_falls_back_to_a_branch(repositories: Repositories, source: Path) -> None:
    head = git(source, "rev-parse", "HEAD")
    git(source, "branch", "-D", "feature/x")
    git(source, "checkout", "--quiet", "--detach", "HEAD~1")
    assert repositories.mirror("guestbook", str(source), never) == head


def test_an_export_goes_only_to_an_empty_place(repositories: Repositories, tmp_path: Path) -> None:
    made = repositories.create("orders", FILES, "Begin", "dana")
    (tmp_path / "empty").mkdir()
    repositories.export("orders", made, tmp_path / "empty")
    with pytest.raises(Conflict, match="not an empty folder"):
        repositories.export("orders", made, tmp_path / "empty")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Conflict):
        repositories.export("orders", made, tmp_path / "link")
