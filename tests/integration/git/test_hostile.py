"""Repositories that mean harm: each is refused with its reason or does nothing, and nothing is left behind."""

from __future__ import annotations

import hashlib
import os
import subprocess
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from pave.adapters.git.export import Limits
from pave.adapters.git.services import GitRepositories
from pave.apply.retry import Cancelled, Transient
from pave.model.diagnostics import Refused

Entry = tuple[str, bytes, bytes]
"""Mode, name, content: of a file or a link its bytes, of a submodule or a folder the hexadecimal id."""


@dataclass
class Stage:
    root: Path
    source: Path
    canary: Path

    @property
    def repositories(self) -> GitRepositories:
        return GitRepositories(self.root / "repositories", limits=Limits(file_bytes=100_000, files=500))

    def git(self, *arguments: str, stdin: bytes = b"") -> str:
        who = ["-c", "user.name=Mallory", "-c", "user.email=m@example.org", "-c", "init.defaultBranch=main"]
        command = ["git", *who, *arguments]
        return (
            subprocess.run(command, cwd=self.source, input=stdin, check=True, capture_output=True)
            .stdout.decode()
            .strip()
        )

    def raw(self, kind: str, body: bytes) -> str:
        """Write an object as it is, past all of git's checks."""
        data = f"{kind} {len(body)}\0".encode() + body
        name = hashlib.sha1(data).hexdigest()
        path = self.source / ".git" / "objects" / name[:2] / name[2:]
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(zlib.compress(data))
        return name

    def tree(self, *entries: Entry) -> str:
        body = b""
        for mode, name, content in entries:
            id_ = content.decode() if mode in ("160000", "40000") else self.raw("blob", content)
            body += f"{mode} ".encode() + name + b"\0" + bytes.fromhex(id_)
        return self.raw("tree", body)

    def main(self, tree: str) -> str:
        who = b"Mallory <m@example.org> 1700000000 +0000"
        commit = self.raw("commit", b"tree %s\nauthor %s\ncommitter %s\n\nEvil\n" % (tree.encode(), who, who))
        (self.source / ".git" / "refs" / "heads" / "main").write_text(f"{commit}\n")
        return commit

    def smuggled(self, tree: str) -> tuple[GitRepositories, str]:
        """The commit in Pave's own store, put there past the fetch."""
        repositories = self.repositories
        repositories.create("evil", {"README": b""}, "Begin", "mallory")
        commit = self.main(tree)
        store = repositories.path("evil") / "objects"
        for file in (self.source / ".git" / "objects").rglob("*"):
            if file.is_file() and len(file.parent.name) == 2:
                (store / file.parent.name).mkdir(exist_ok=True)
                (store / file.parent.name / file.name).write_bytes(file.read_bytes())
        return repositories, commit


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage(tmp_path / "pave", tmp_path / "source", tmp_path / "canary")
    made.root.mkdir()
    made.source.mkdir()
    made.git("init", "--quiet")
    return made


def never() -> bool:
    return False


LEAF: Entry = ("100644", b"a.py", b"pass\n")

NAMES = [
    b"..",
    b".",
    b".git",
    b".GIT",
    b".Git",
    b"git~1",
    b".git ",
    b".git.",
    b".git::$INDEX_ALLOCATION",
    ".g\u200cit".encode(),
    b"..\\..\\evil",
    b".git\\hooks",
    b"line\nbreak",
    b"\x1b[31mred",
    b"a/b",
    b"../../escape",
    b"/etc/passwd",
    b"",
]


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_name_that_leaves_or_pretends_is_refused_at_the_export(stage: Stage, name: bytes) -> None:
    repositories, commit = stage.smuggled(stage.tree(LEAF, ("100644", name, b"evil")))
    with pytest.raises(Refused, match=r"refused|twice|damaged"):
        repositories.export("evil", commit, stage.root / "out")
    assert {one.name for one in stage.root.iterdir()} == {"repositories"}


@pytest.mark.parametrize("name", [b".git", b".GIT", b"git~1", b"..", b".", b"a/b", b""], ids=repr)
def test_a_name_that_git_knows_as_evil_does_not_even_come_in(stage: Stage, name: bytes) -> None:
    inner = stage.tree(("100755", b"post-checkout", b"#!/bin/sh\ntouch canary\n"))
    stage.main(stage.tree(("40000", name, inner.encode())))
    with pytest.raises(Refused, match="cannot be fetched"):
        stage.repositories.mirror("evil", str(stage.source), never)
    assert stage.repositories.names() == []
    assert list((stage.root / "repositories").glob(".*new*")) == []


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../etc/passwd", "..", "nowhere", "loop", "x/../../..", "a.py/.."]
)
def test_a_link_out_of_the_tree_is_refused_by_name(stage: Stage, target: str) -> None:
    repositories, commit = stage.smuggled(stage.tree(LEAF, ("120000", b"loop", target.encode())))
    with pytest.raises(Refused, match=r"'loop' is a link"):
        repositories.export("evil", commit, stage.root / "out")
    assert not (stage.root / "out").exists()
    assert list(repositories.tree("evil", commit).paths()) == ["a.py"]
    assert repositories.tree("evil", commit).read("loop") is None


def test_a_link_and_a_folder_of_one_name_write_nothing_through_the_link(stage: Stage) -> None:
    inner = stage.tree(("100644", b"evil", b"evil"))
    tree = stage.tree(("120000", b"x", b"/tmp"), ("40000", b"x", inner.encode()))
    repositories, commit = stage.smuggled(tree)
    with pytest.raises(Refused):
        repositories.export("evil", commit, stage.root / "out")
    repositories, commit = stage.smuggled(stage.tree(("100644", b"x", b"file"), ("40000", b"x", inner.encode())))
    with pytest.raises(Refused, match="twice"):
        repositories.export("evil", commit, stage.root / "out")


def test_links_inside_the_tree_become_copies(stage: Stage) -> None:
    stage.git("config", "core.symlinks", "true")
    (stage.source / "docs").mkdir()
    (stage.source / "docs" / "guide.md").write_text("guide")
    (stage.source / "run.sh").write_text("#!/bin/sh\n")
    (stage.source / "run.sh").chmod(0o755)
    (stage.source / "README.md").symlink_to("docs/guide.md")
    (stage.source / "docs" / "start").symlink_to("../run.sh")
    (stage.source / "manual").symlink_to("docs")
    (stage.source / "again").symlink_to("manual/start")
    stage.git("add", "--all")
    stage.git("commit", "--quiet", "-m", "Links")
    commit = stage.repositories.mirror("fine", str(stage.source), never)
    out = stage.root / "out"
    stage.repositories.export("fine", commit, out)
    assert not any(one.is_symlink() for one in out.rglob("*"))
    assert (out / "README.md").read_text() == (out / "manual" / "guide.md").read_text() == "guide"
    assert os.access(out / "again", os.X_OK)


def test_a_link_to_its_own_folder_and_a_tree_that_explodes_end(stage: Stage) -> None:
    repositories, commit = stage.smuggled(stage.tree(LEAF, ("120000", b"all", b".")))
    with pytest.raises(Refused, match="folder that it lies in"):
        repositories.export("evil", commit, stage.root / "out")
    tree = stage.tree(LEAF)
    for _ in range(12):  # 10¹² files in 12 objects
        tree = stage.tree(*(("40000", b"%d" % n, tree.encode()) for n in range(10)))
    repositories, commit = stage.smuggled(tree)
    with pytest.raises(Refused, match="more than 500 files"):
        repositories.export("evil", commit, stage.root / "out")
    assert not (stage.root / "out").exists()


def test_a_submodule_is_refused_and_never_fetched(stage: Stage) -> None:
    modules = f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch {stage.canary}"\n'
    tree = stage.tree(("100644", b".gitmodules", modules.encode()), ("160000", b"x", b"1" * 40))
    stage.main(tree)
    repositories = stage.repositories
    try:
        commit = repositories.mirror("evil", str(stage.source), never)
    except Refused:
        repositories, commit = stage.smuggled(tree)
    with pytest.raises(Refused, match="'x' is a submodule"):
        repositories.export("evil", commit, stage.root / "out")
    assert not stage.canary.exists()


def test_a_huge_file_and_a_huge_repository_are_refused(stage: Stage) -> None:
    (stage.source / "big").write_bytes(os.urandom(200_000))
    stage.git("add", "--all")
    stage.git("commit", "--quiet", "-m", "Big")
    commit = stage.repositories.mirror("big", str(stage.source), never)
    with pytest.raises(Refused, match=r"'big' is larger than 100,000 bytes"):
        stage.repositories.export("big", commit, stage.root / "out")
    small = GitRepositories(stage.root / "small", limits=Limits(repository_bytes=100_000))
    with pytest.raises(Refused, match="larger than 100,000 bytes"):
        small.mirror("big", str(stage.source), never)
    assert small.names() == []


def booby_trap(stage: Stage, folder: Path) -> None:
    touch = f"touch {stage.canary}"
    with (folder / "config").open("a") as config:
        config.write(
            f"""
[core]
    fsmonitor = "{touch}"
    sshCommand = "{touch};"
    hooksPath = {folder}/hooks
    pager = "{touch}"
    askPass = "{touch}"
    gitProxy = "{touch}"
    alternateRefsCommand = "{touch}"
[uploadpack]
    packObjectsHook = "{touch};"
    allowAnySHA1InWant = true
[protocol]
    allow = always
[protocol "ext"]
    allow = always
[extensions]
    partialClone = evil
[remote "evil"]
    url = "ext::sh -c '{touch}'"
    promisor = true
    uploadpack = "{touch};"
[filter "evil"]
    smudge = "{touch}"
    process = "{touch}"
[alias]
    fetch = "!{touch}"
    upload-pack = "!{touch}"
[include]
    path = /etc/passwd-not-there
[credential]
    helper = "!{touch}"
[gc]
    recentObjectsHook = "{touch}"
"""
        )
    (folder / "hooks").mkdir(exist_ok=True)
    for name in ("post-checkout", "pre-receive", "update", "post-receive", "post-update", "reference-transaction"):
        hook = folder / "hooks" / name
        hook.write_text(f"#!/bin/sh\n{touch}\n")
        hook.chmod(0o755)


@pytest.mark.parametrize("owner", [0, 65534])
def test_hooks_filters_and_configuration_of_a_source_count_for_nothing(stage: Stage, owner: int) -> None:
    (stage.source / ".gitattributes").write_text("* filter=evil\n")
    (stage.source / "a.py").write_text("pass\n")
    stage.git("add", "--all")
    stage.git("commit", "--quiet", "-m", "Fine so far")
    booby_trap(stage, stage.source / ".git")
    if owner:
        if os.geteuid() != 0:
            pytest.skip("only root meets repositories of others that it can read")
        for path in (stage.source, *stage.source.rglob("*")):
            os.chown(path, owner, owner)
    commit = stage.repositories.mirror("trapped", str(stage.source), never)
    stage.repositories.mirror("trapped", str(stage.source), never)
    stage.repositories.export("trapped", commit, stage.root / "out")
    assert (stage.root / "out" / "a.py").read_text() == "pass\n"
    assert not stage.canary.exists()
    kept = stage.repositories.path("trapped")
    assert "touch" not in (kept / "config").read_text()
    assert [one.name for one in (kept / "hooks").glob("*") if not one.name.endswith(".sample")] == []


def test_the_trap_does_spring_where_git_is_not_hardened(stage: Stage) -> None:
    stage.main(stage.tree(LEAF))
    booby_trap(stage, stage.source / ".git")
    stage.git("status")
    assert stage.canary.exists()


def test_a_bare_repository_with_a_hole_in_it_fetches_nothing_from_elsewhere(stage: Stage) -> None:
    stage.main(stage.tree(LEAF, ("100644", b"b.py", b"gone")))
    gone = stage.raw("blob", b"gone")
    (stage.source / ".git" / "objects" / gone[:2] / gone[2:]).unlink()
    booby_trap(stage, stage.source / ".git")
    with pytest.raises((Refused, Transient)):
        stage.repositories.mirror("hole", str(stage.source), never)
    assert not stage.canary.exists()
    assert stage.repositories.names() == []


def borrow(stage: Stage) -> None:
    stage.main(stage.tree(LEAF))
    info = stage.source / ".git" / "objects" / "info"
    info.mkdir(exist_ok=True)
    (info / "alternates").write_text("/some/secret/repository/objects\n")


def lead_away(stage: Stage) -> None:
    (stage.source / ".git").rename(stage.source.parent / "elsewhere")
    (stage.source / ".git").write_text(f"gitdir: {stage.source.parent}/elsewhere\n")


def link_away(stage: Stage) -> None:
    (stage.source / ".git").rename(stage.source.parent / "elsewhere")
    (stage.source / ".git").symlink_to(stage.source.parent / "elsewhere")


@pytest.mark.parametrize("prepare", [borrow, lead_away, link_away])
def test_a_source_that_reads_elsewhere_is_refused(stage: Stage, prepare: Callable[[Stage], None]) -> None:
    prepare(stage)
    with pytest.raises(Refused):
        stage.repositories.mirror("evil", str(stage.source), never)
    assert stage.repositories.names() == []


URLS: Sequence[str] = (
    "ext::sh -c touch% CANARY",
    "ext::/bin/sh",
    "fd::17",
    "--upload-pack=touch CANARY",
    "-oProxyCommand=touch CANARY",
    "ssh://-oProxyCommand=touch%20CANARY/x",
    "ssh://user@-oProxyCommand=touch/x",
    "-x@host:path",
    "git@-oProxyCommand=touch:path",
    "git@host:--upload-pack=touch",
    "http://example.org/x.git",
    "git://example.org/x.git",
    "ftp://example.org/x.git",
    "file:///nowhere/at/all",
    "https://user:geheim@example.org/x.git",
    "https://example.org/x\n[core]",
    "http::https://example.org",
    "/nowhere",
    "",
)


@pytest.mark.parametrize("url", URLS)
def test_an_address_that_runs_something_is_refused(stage: Stage, url: str) -> None:
    with pytest.raises(Refused) as refused:
        stage.repositories.mirror("evil", url.replace("CANARY", str(stage.canary)), never)
    assert "geheim" not in str(refused.value)
    assert all(one.remedy for one in refused.value.diagnostics)
    assert not stage.canary.exists()
    assert stage.repositories.names() == []


def test_a_folder_whose_name_looks_like_an_option_or_holds_quotes_is_just_a_folder(stage: Stage) -> None:
    odd = stage.source.parent / '--upload-pack="x"\\y #'
    stage.main(stage.tree(LEAF))
    stage.source.rename(odd)
    assert stage.repositories.mirror("odd", str(odd), never)


def test_a_server_that_never_answers_is_left_when_asked(stage: Stage) -> None:
    stage.main(stage.tree(LEAF))
    stopped = threading.Event()
    slow = stage.root / "slow-git"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    repositories = GitRepositories(stage.root / "repositories", program=str(slow))
    threading.Timer(0.3, stopped.set).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        repositories.mirror("slow", str(stage.source), stopped.is_set)
    assert time.monotonic() - began < 10
    hasty = GitRepositories(stage.root / "repositories", program=str(slow), limits=Limits(seconds=0.3))
    with pytest.raises(Transient, match="took longer"):
        hasty.mirror("slow", str(stage.source), never)
    assert repositories.names() == []
    assert {one.name for one in (stage.root / "repositories").iterdir()} <= {".slow.lock"}


@pytest.mark.parametrize("url", ["https://127.0.0.1:1/x.git", "ssh://git@127.0.0.1:1/x.git"])
def test_a_server_that_is_not_there_is_tried_again(stage: Stage, url: str) -> None:
    with pytest.raises(Transient, match="cannot be reached"):
        stage.repositories.mirror("away", url, never)
    assert stage.repositories.names() == []


def test_what_a_killed_import_left_behind_goes_with_the_next(stage: Stage) -> None:
    stage.main(stage.tree(LEAF))
    repositories = stage.repositories
    for left in (".mine.new", ".mine.gone"):
        (stage.root / "repositories" / left / "objects").mkdir(parents=True)
    commit = repositories.mirror("mine", str(stage.source), never)
    pack = repositories.path("mine") / "objects" / "pack" / "tmp_pack_killed"
    pack.write_bytes(b"half")
    assert repositories.mirror("mine", str(stage.source), never) == commit
    assert not pack.exists()
    assert {one.name for one in (stage.root / "repositories").iterdir()} == {"mine.git", ".mine.lock"}
