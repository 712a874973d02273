"""The Git server with the real git: clone, fetch and push over HTTP, and what is refused on the way."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pygit2
import pytest
import uvicorn
from starlette.applications import Starlette

from pave.adapters.git.server import GitServer, PushLimits
from pave.adapters.git.services import GitRepositories
from pave.doors import git as door
from pave.model.diagnostics import Refused, Source, Unknown, error
from pave.model.names import Ref
from pave.ports import Principal, Push

DANA = Ref.parse("user:dana")
SCOPES = frozenset({"catalog:read", "component:write"})
PRINCIPALS = {"good": Principal(DANA, SCOPES), "reader": Principal(DANA, frozenset({"catalog:read"}))}
LIMITS = PushLimits(sent_bytes=50_000_000, objects=500, object_bytes=48_000_000)


@dataclass
class Told:
    """A receiver that writes down what it is told, and refuses what it is asked to."""

    pushes: list[Push] = field(default_factory=list)
    seen: list[bool] = field(default_factory=list)
    refuse: bool = False

    def before(self, push, incoming):
        new = push.updates[0].new
        if new:
            repository = incoming.repository()
            self.seen.append(new in repository and incoming.git_dir.is_dir())
        if self.refuse:
            where = Source("app.py", 3)
            raise Refused(error("a secret (aws-access-token)", remedy="Take it out of the commit.", source=where))
        yield "looked at"

    def after(self, push):
        self.pushes.append(push)
        return ["Deploying orders to dev", "follow: somewhere"]


@dataclass
class Served:
    """A server with one repository, and folders of a visitor."""

    url: str
    root: Path
    folder: Path
    receiver: Told

    def git(self, *arguments: str, at: str = ".", token: str = "good", check: bool = True, **more: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "NO_PROXY": "*",
            "GIT_ASKPASS": str(self.folder / "askpass"),
            "TOKEN": token,
            **more,
        }
        who = ("-c", "user.name=Dana", "-c", "user.email=dana@example.com", "-c", "init.defaultBranch=main")
        done = subprocess.run(
            ["git", *who, *arguments],
            cwd=self.folder / at,
            env=environment,
            capture_output=True,
            timeout=60,
            check=False,
        )
        said = done.stdout.decode(errors="replace") + done.stderr.decode(errors="replace")
        assert (done.returncode == 0) is check, said
        return said

    def clone(self, name: str = "work") -> None:
        self.git("clone", "--quiet", f"{self.url}/git/orders.git", name)

    def commit(self, name: str, path: str, content: str | bytes) -> str:
        data = content if isinstance(content, bytes) else content.encode()
        (self.folder / name / path).write_bytes(data)
        self.git("add", "--all", at=name)
        self.git("commit", "--quiet", "-m", f"Change {path}", at=name)
        return self.git("rev-parse", "HEAD", at=name).strip()

    @property
    def bare(self) -> pygit2.Repository:
        return pygit2.Repository(str(self.root / "orders.git"))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    repositories = GitRepositories(tmp_path / "repositories")
    repositories.create("orders", {"app.py": b"print('one')\n"}, "First", "Dana")

    def place(name: str) -> tuple[Path, str]:
        if name not in repositories.names():
            raise Unknown(error(f"There is no repository {name!r}"))
        return repositories.path(name), "main"

    def refusal(_actor, repository, write):
        place(repository)
        return error("dana may not change locked", remedy="Ask.") if write and repository == "locked" else None

    receiver = Told()
    server = GitServer("", tmp_path, place, LIMITS)
    server.start(receiver)
    app = Starlette(routes=door.routes(server, door.Rights(PRINCIPALS.get, refusal)))
    listener = socket.create_server(("127.0.0.1", 0))
    http = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=http.run, kwargs={"sockets": [listener]})
    thread.start()
    askpass = tmp_path / "askpass"
    askpass.write_text('#!/bin/sh\necho "$TOKEN"\n')
    askpass.chmod(0o755)
    try:
        yield Served(
            f"http://anyone@127.0.0.1:{listener.getsockname()[1]}", tmp_path / "repositories", tmp_path, receiver
        )
    finally:
        http.should_exit = True
        thread.join()
        server.stop()


def test_a_push_arrives_and_is_told_what_happens_next(served: Served) -> None:
    served.clone()
    made = served.commit("work", "app.py", "print('two')\n")
    said = served.git("push", "origin", "main", at="work")
    assert "remote: Deploying orders to dev" in said
    assert "remote: follow: somewhere" in said
    assert str(served.bare.references["refs/heads/main"].target) == made
    (push,) = served.receiver.pushes
    assert (push.repository, push.actor, push.updates[0].branch, push.updates[0].new) == ("orders", DANA, "main", made)
    assert served.receiver.seen == [True]
    served.clone("again")
    assert (served.folder / "again" / "app.py").read_text() == "print('two')\n"


def test_branches_come_and_go_and_may_be_rewritten(served: Served) -> None:
    served.clone()
    served.git("checkout", "--quiet", "-b", "try", at="work")
    served.commit("work", "b.py", "1\n")
    served.git("push", "--quiet", "-o", "merge", "origin", "try", at="work")
    assert served.receiver.pushes[-1].options == ("merge",)
    served.git("commit", "--quiet", "--amend", "-m", "Other", at="work")
    assert "rejected" in served.git("push", "origin", "try", at="work", check=False)
    served.git("push", "--quiet", "--force", "origin", "try", at="work")
    served.git("push", "--quiet", "origin", ":try", at="work")
    assert "refs/heads/try" not in served.bare.references
    assert served.receiver.pushes[-1].updates[0].new == ""


def test_main_is_not_rewritten_nor_deleted(served: Served) -> None:
    served.clone()
    served.commit("work", "app.py", "print('two')\n")
    served.git("push", "--quiet", "origin", "main", at="work")
    before = served.bare.references["refs/heads/main"].target
    served.git("commit", "--quiet", "--amend", "-m", "Other", at="work")
    said = served.git("push", "--force", "origin", "main", at="work", check=False)
    assert "main is not rewritten" in said
    assert "git pull --rebase" in said
    assert "cannot be deleted" in served.git("push", "origin", ":main", at="work", check=False)
    assert "cannot be pushed" in served.git("push", "origin", "HEAD:refs/notes/x", at="work", check=False)
    assert served.bare.references["refs/heads/main"].target == before
    assert len(served.receiver.pushes) == 1


def test_a_refused_push_says_why_and_leaves_nothing(served: Served) -> None:
    served.clone()
    made = served.commit("work", "app.py", "print('secret')\n")
    served.receiver.refuse = True
    said = served.git("push", "origin", "main", at="work", check=False)
    assert "app.py:3: a secret" in said
    assert "Take it out of the commit." in said
    assert made not in served.bare
    assert served.receiver.pushes == []


@pytest.mark.parametrize(("token", "says"), [("bad", "Authentication failed"), ("", "Authentication failed")])
def test_without_a_token_there_is_nothing(served: Served, token: str, says: str) -> None:
    assert says in served.git("clone", f"{served.url}/git/orders.git", "x", token=token, check=False)


def test_rights_are_looked_at(served: Served) -> None:
    served.clone()
    served.commit("work", "app.py", "print('two')\n")
    assert "403" in served.git("push", "origin", "main", at="work", token="reader", check=False)
    assert "not found" in served.git("clone", f"{served.url}/git/nobody.git", "x", check=False).lower()
    assert "not found" in served.git("clone", f"{served.url}/git/..%2Forders.git", "x", check=False).lower()


def test_shallow_and_partial_clones(served: Served) -> None:
    served.clone()
    for number in range(5):
        served.commit("work", "app.py", f"print({number})\n")
    served.git("push", "--quiet", "origin", "main", at="work")
    served.git("clone", "--quiet", "--depth", "1", f"{served.url}/git/orders.git", "shallow")
    assert served.git("rev-list", "--count", "HEAD", at="shallow").strip() == "1"
    served.git("clone", "--quiet", "--filter=blob:none", f"{served.url}/git/orders.git", "partial")
    assert (served.folder / "partial" / "app.py").read_text() == "print(4)\n"
    served.git("fetch", "--quiet", "--unshallow", at="shallow")
    assert served.git("rev-list", "--count", "HEAD", at="shallow").strip() == "6"


def test_a_large_push_is_streamed_and_a_too_large_one_refused(served: Served) -> None:
    served.clone()
    served.commit("work", "big", os.urandom(45_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    served.git("push", "--quiet", "origin", "main", at="work")
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 22_000_000, grown
    served.commit("work", "bigger", os.urandom(55_000_000))
    said = served.git("push", "origin", "main", at="work", check=False)
    assert "exceeds maximum allowed size" in said
    assert len(served.receiver.pushes) == 1


def test_what_is_sent_small_and_is_large_is_refused_by_name(served: Served) -> None:
    served.clone()
    (served.folder / "work" / "data").mkdir()
    made = served.commit("work", "data/bomb", bytes(60_000_000))
    said = served.git("push", "origin", "main", at="work", check=False)
    assert "data/bomb has 60,000,000 bytes, more than the 48,000,000 of a file" in said
    assert "git rebase" in said
    assert made not in served.bare
    assert served.receiver.pushes == []
    assert not list((served.root / "orders.git" / "objects").glob("*incoming*")), "nothing of it is left"


def test_more_objects_than_a_push_may_bring_are_refused(served: Served) -> None:
    served.clone()
    for number in range(600):
        (served.folder / "work" / f"{number}.txt").write_text(f"{number}\n")
    served.commit("work", "last.txt", "last\n")
    assert "more than 500 objects" in served.git("push", "origin", "main", at="work", check=False)
    assert served.receiver.pushes == []


def test_two_pushes_at_once_are_one_after_the_other_or_refused(served: Served) -> None:
    for name in ("one", "two"):
        served.clone(name)
        served.git("checkout", "--quiet", "-b", name, at=name)
        served.commit(name, f"{name}.py", "1\n")
    threads = [
        threading.Thread(target=served.git, args=("push", "--quiet", "origin", name), kwargs={"at": name})
        for name in ("one", "two")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {"refs/heads/one", "refs/heads/two"} <= set(served.bare.references)
    assert len(served.receiver.pushes) == 2


def test_a_client_that_goes_away_leaves_no_process(served: Served) -> None:
    served.clone()
    served.commit("work", "big", os.urandom(40_000_000))
    process = subprocess.Popen(
        ["git", "push", "--quiet", "origin", "main"],
        cwd=served.folder / "work",
        env={**os.environ, "GIT_ASKPASS": str(served.folder / "askpass"), "TOKEN": "good"},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(0.25)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and _receiving(served.root):
        time.sleep(0.1)
    assert not _receiving(served.root)
    served.git("push", "--quiet", "origin", "main", at="work")


def _receiving(root: Path) -> list[str]:
    said = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in said.splitlines() if "receive-pack" in line and str(root) in line]


def test_a_small_push_is_quick(served: Served) -> None:
    """Not a race against a clock: a bound that only a mistake, such as waiting for a timeout, would break."""
    served.clone()
    served.commit("work", "app.py", "print('two')\n")
    began = time.monotonic()
    served.git("push", "--quiet", "origin", "main", at="work")
    assert time.monotonic() - began < 5
