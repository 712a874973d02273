"""What goes wrong between a push and live: it is told clearly, harms nobody else, and leaves and doubles nothing."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from platform_for_tests import Platform, platform
from visitor_for_tests import Visitor, wait_for

from pave.engine.stages import STAGES
from pave.request.intent import Deploy

pytestmark = pytest.mark.timeout(300)

WHOLE = os.environ.get("PAVE_WALK") == "all"
SECONDS = 20
BUILD_SECONDS = 30
TEST = "tests/test_fault.py"


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A service from the template, cloned; its checks and builds may take some seconds only."""
    folder = tmp_path_factory.mktemp("faults")
    short = {"PAVE_CHECK_SECONDS": str(SECONDS), "PAVE_BUILD_SECONDS": str(BUILD_SECONDS)}
    with platform(folder / "data", **short) as there:
        there.done("POST", "/components", {"name": "orders", "template": "python-service"})
        visiting = Visitor(there, folder)
        visiting.clone("orders")
        yield visiting
        there.settle(60)
        there.check()


@pytest.fixture
def there(visitor: Visitor) -> Platform:
    return visitor.there


def pushed(visitor: Visitor, files: dict[str, str], branch: str = "main") -> tuple[str, str]:
    """A commit with these files, pushed; its id and the run that began."""
    *others, last = files.items()
    for path, text in others:
        (visitor.folder / "orders" / path).parent.mkdir(parents=True, exist_ok=True)
        (visitor.folder / "orders" / path).write_text(text)
    commit = visitor.commit("orders", *last)
    return commit, visitor.run_of(visitor.push("orders", branch))


def serving(there: Platform) -> str:
    found = there.status("dev/orders")
    assert found is not None
    assert found["phase"] == "live", found
    return str(found["commit"])


def reachable(visitor: Visitor) -> None:
    """A server that was started again listens elsewhere."""
    url = json.loads((visitor.there.data / "server.json").read_text())["url"]
    visitor.git("remote", "set-url", "origin", f"{url}/git/orders.git", at="orders")


@contextlib.contextmanager
def undone(visitor: Visitor) -> Iterator[str]:
    """What runs now; at the end it still does, nothing is under way, and main is good again."""
    before = serving(visitor.there)
    good = visitor.git("rev-parse", "HEAD^{tree}", at="orders").strip()
    try:
        yield before
        assert serving(visitor.there) == before, "the version before goes on"
        visitor.there.settle(60)
        visitor.there.check()
    finally:
        visitor.git("read-tree", "--reset", "-u", good, at="orders")
        visitor.git("commit", "--quiet", "-m", "As it was", at="orders")
        run = visitor.there.ended(visitor.run_of(visitor.push("orders")))
        assert run["state"] == "succeeded", run


def test_a_push_that_does_not_begin_where_main_is_comes_not_in(visitor: Visitor, there: Platform) -> None:
    pushed(visitor, {"note.txt": "one\n"})
    visitor.git("reset", "--quiet", "--hard", "HEAD~1", at="orders")
    visitor.commit("orders", "note.txt", "another\n")
    said = visitor.push("orders", check=False)
    assert "rejected" in said
    assert "git pull" in said, "git itself says what to do"
    there.settle(60)
    visitor.git("reset", "--quiet", "--hard", "origin/main", at="orders")
    assert serving(there) == visitor.git("rev-parse", "HEAD", at="orders").strip()


def test_a_branch_that_is_rewritten_is_checked_anew_in_the_same_change_request(
    visitor: Visitor, there: Platform
) -> None:
    visitor.git("checkout", "--quiet", "-b", "rewritten", at="orders")
    _, first = pushed(visitor, {"side.txt": "one\n"}, "rewritten")
    visitor.git("commit", "--quiet", "--amend", "-m", "Another word", at="orders")
    head = visitor.git("rev-parse", "HEAD", at="orders").strip()
    second = visitor.run_of(visitor.push("orders", "rewritten", "--force"))
    assert there.ended(second)["state"] == "succeeded"
    assert there.ended(first)["state"] in ("cancelled", "succeeded")
    change = there.get("/changes/orders/1")
    assert (change["state"], change["head"]) == ("open", head)
    visitor.git("push", "--quiet", "origin", ":rewritten", at="orders")
    visitor.git("checkout", "--quiet", "main", at="orders")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("import time; time.sleep(600)", f"did not end within {SECONDS} s and was stopped"),
        ("import os\n    while True: os.fork()", ""),
    ],
    ids=["hangs", "forks without end"],
)
def test_a_test_that_goes_wild_ends_its_own_run_only(visitor: Visitor, there: Platform, body: str, says: str) -> None:
    with undone(visitor):
        began = time.monotonic()
        _, run = pushed(visitor, {TEST: f"def test_it():\n    {body}\n"})
        slowest = slowest_answer_until_it_ends(there, run)
        failed = there.ended(run)
        assert failed["state"] == "failed"
        assert failed["error"]["summary"].startswith("tests: "), failed["error"]
        assert says in failed["error"]["summary"]
        assert time.monotonic() - began < 60
        assert slowest < 5, "others are answered meanwhile"


def slowest_answer_until_it_ends(there: Platform, run: str) -> float:
    """Ask for something else all the while."""
    slowest = 0.0
    while there.get(f"/runs/{run}")["state"] in ("pending", "running"):
        asked = time.monotonic()
        there.get("/stacks")
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.1)
    return slowest


@pytest.mark.skipif(not WHOLE, reason="`make crash` runs it; the build's own tests fork too")
def test_a_dependency_that_forks_without_end_while_it_is_built_ends_its_own_run_only(
    visitor: Visitor, there: Platform
) -> None:
    setup = "import os\nfrom setuptools import setup\nwhile True:\n    os.fork()\n"
    with undone(visitor):
        files = {"wild/setup.py": setup, "wild/wild.py": "", "requirements.txt": "./wild\n", "requirements-dev.txt": ""}
        _, run = pushed(visitor, files)
        slowest = slowest_answer_until_it_ends(there, run)
        failed = there.ended(run)
        assert failed["state"] == "failed"
        assert f"the build took more than {BUILD_SECONDS} s and was stopped" in failed["error"]["summary"]
        assert slowest < 5, "others are answered meanwhile"


def test_a_hundred_megabytes_that_are_no_text_are_survived_and_told(visitor: Visitor, there: Platform) -> None:
    write = "sys.stdout.buffer.write(b'\\x00\\xff\\xfe' + b'x' * 5000 + b'\\n')"
    body = f"import sys\n    for _ in range(20_000): {write}\n    sys.stdout.flush()\n    assert 1 == 2"
    with undone(visitor):
        _, run = pushed(visitor, {"pytest.ini": "[pytest]\naddopts = -s\n", TEST: f"def test_it():\n    {body}\n"})
        failed = there.ended(run, 60)
        assert (failed["state"], failed["error"]["summary"]) == ("failed", "tests: test_it: assert 1 == 2"), failed
        lines = there.get(f"/runs/{run}/log", limit=5000)["lines"]
        assert any("\ufffd\ufffd\ufffdxxx" in line for line in lines)
        assert "It said too much: what follows is not kept" in lines
        assert sum(map(len, lines)) < 8_000_000


def test_tests_that_fill_the_disk_are_stopped_before_it_is_full(visitor: Visitor, there: Platform) -> None:
    lines = ("import time", "for number in range(200):", "    open(f'big{number}', 'wb').write(b'x' * 40_000_000)")
    body = "\n    ".join((*lines, "    time.sleep(0.4)"))
    with small_disk(there.data / "scratch") as small:
        if not small:
            pytest.skip("only root can make a small disk")
        with undone(visitor):
            _, run = pushed(visitor, {TEST: f"def test_it():\n    {body}\n"})
            failed = there.ended(run, 60)
            assert failed["state"] == "failed"
            assert failed["error"]["summary"] == "tests: The disk is almost full, so it was stopped"
            assert "write less" in failed["error"]["remedy"]


@contextlib.contextmanager
def small_disk(place: Path) -> Iterator[bool]:
    """A disk of 800 MB in the place of a folder that is empty."""
    mode = place.stat().st_mode & 0o777
    mount = ["mount", "-t", "tmpfs", "-o", f"size=800m,mode={mode:o}", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        yield False
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_dependency_that_does_not_exist_is_named(visitor: Visitor, there: Platform) -> None:
    with undone(visitor):
        text = (visitor.folder / "orders/requirements.txt").read_text()
        _, run = pushed(visitor, {"requirements.txt": f"{text}pave-has-no-such-thing==1.0\n"})
        failed = there.ended(run)
        assert failed["state"] == "failed"
        assert "pave-has-no-such-thing" in f"{failed['error']['summary']}{failed['error'].get('detail')}"
        steps = {f"{one['name']} {one['subject']}".strip(): one["state"] for one in failed["steps"]}
        assert (steps["check install"], steps["check"], "build" in steps) == ("failed", "failed", False)


def test_two_merges_at_once_both_arrive_and_what_is_live_has_both(visitor: Visitor, there: Platform) -> None:
    heads = {}
    for name in ("left", "right"):
        visitor.git("checkout", "--quiet", "-B", name, "origin/main", at="orders")
        heads[name], run = pushed(visitor, {f"{name}.txt": "here\n"}, name)
        assert there.ended(run)["state"] == "succeeded"
    visitor.git("checkout", "--quiet", "main", at="orders")
    found = there.get("/changes", repository="orders")["changes"]
    changes = [one["id"] for one in found if one["branch"] in heads]
    asked: list[str] = []
    threads = [
        threading.Thread(target=lambda one=one: asked.append(there.asked("POST", f"/changes/{one}/merge", {})))
        for one in changes
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = [there.ended(one) for one in asked]
    assert [one["state"] for one in runs] == ["succeeded", "succeeded"], runs
    there.settle(60)
    visitor.git("pull", "--quiet", "origin", "main", at="orders")
    head = visitor.git("rev-parse", "HEAD", at="orders").strip()
    wait_for(lambda: serving(there) == head, "the newest commit", there)
    for commit in heads.values():
        visitor.git("merge-base", "--is-ancestor", commit, head, at="orders")
    assert {one["state"] for one in there.get("/changes", state="all", repository="orders")["changes"]} <= {
        "merged",
        "closed",
    }


def points() -> list[str]:
    """Where the server dies: when a stage has done its work and not yet said so, the worst moment for each of them.

    In the long form also before each of them, and when it has said so.
    """
    found = []
    for stage in STAGES:
        if stage.of and Deploy not in stage.of:
            continue
        inner = ["apply:dev/orders:before", "apply:dev/orders:applied", "apply:dev/orders:done"]
        within = (inner if WHOLE else inner[-1:]) if stage.name == "apply" else []
        found += [f"{stage.name}:before", *within, f"{stage.name}:done", f"{stage.name}:after"]
    return found if WHOLE else [one for one in found if one.endswith(":done")]


@pytest.mark.timeout(1200 if WHOLE else 300)
def test_a_push_whose_server_is_killed_in_each_stage_is_deployed_once(visitor: Visitor, there: Platform) -> None:
    before = {one["id"] for one in there.get("/runs", limit=500)["runs"]}
    first, *others = points()
    there.restart(PAVE_FAILPOINT=first)
    reachable(visitor)
    commit = visitor.commit("orders", "survived.txt", "yes\n")
    with contextlib.suppress(AssertionError):  # the server may die before git has its answer
        visitor.push("orders")
    there.died()
    for following in others:
        there.begin(PAVE_FAILPOINT=following)
        there.died(following)
    there.up()
    reachable(visitor)
    there.settle(60)
    (run,) = [one for one in there.get("/runs", limit=500)["runs"] if one["id"] not in before]
    assert (run["state"], run["kind"]) == ("succeeded", "stack.deploy"), run
    assert len(there.commits_of(run["id"])) == 1
    assert serving(there) == commit
    assert there.inventory("workload").count("dev/orders/workload") == 1
    delivered = [one for one in there.get("/deliveries", component="orders")["deliveries"] if one["commit"] == commit]
    assert [(one["outcome"], one["run"]) for one in delivered] == [("live", run["id"])]
    assert there.control(f"SELECT count(*) FROM builds WHERE commit = '{commit}'") == [(1,)]
    digest: Any = there.ended(run["id"])["result"]["artifact"]
    assert there.get(f"/artifacts/{digest}/verification")["ok"]
    assert visitor.git("ls-remote", "origin", "main", at="orders").split()[0] == commit
