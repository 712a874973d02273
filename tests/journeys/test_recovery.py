"""Asked twice, dropped by hand, killed half-way: the platform comes back to what Git says, or says why not."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from platform_for_tests import TINY, Platform, platform, repository

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that looks for drift every second, with an application that serves."""
    folder = tmp_path_factory.mktemp("recovery")
    with platform(folder / "data", PAVE_RESYNC_SECONDS="1", PAVE_START_SECONDS="12") as running:
        repository(folder / "tiny", TINY)
        running.done("POST", "/components/import", {"url": str(folder / "tiny"), "name": "tiny"})
        running.done("POST", "/resources", {"component": "tiny", "name": "db", "type": "postgres"})
        yield running


@pytest.fixture(autouse=True)
def ends_well(there: Platform) -> Iterator[None]:
    yield
    until(lambda: answers(there))
    there.settle()
    there.check()


def until(holds: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"{holds} does not hold after {seconds} s"
        time.sleep(0.005)


def answers(there: Platform) -> bool:
    with contextlib.suppress(OSError, AssertionError, httpx.HTTPError):
        return there.fetch("dev/tiny").text == "version 1"
    return False


def write_row(there: Platform, address: str, value: int) -> None:
    with connected(there, address) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (it int)")
        connection.execute("INSERT INTO kept VALUES (%s)", (value,))


def rows(there: Platform, address: str) -> list[Any]:
    with connected(there, address) as connection:
        return [value for (value,) in connection.execute("SELECT it FROM kept ORDER BY it").fetchall()]


def connected(there: Platform, address: str) -> psycopg.Connection[Any]:
    found = there.credentials(address)
    return psycopg.connect(
        host=found["host"],
        port=found["port"],
        user=found["username"],
        password=found["password"],
        dbname=found["database"],
        autocommit=True,
    )


def drop_by_hand(there: Platform, address: str) -> None:
    (name,) = there.databases(address)
    with there.database() as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def test_twenty_requests_with_one_key_are_one_run(there: Platform) -> None:
    body = {"component": "once", "name": "q", "type": "queue"}
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(there.asked, "POST", "/resources", body, **{"Idempotency-Key": "one"}) for _ in range(20)]
        runs = {one.result() for one in asked}
    assert len(runs) == 1
    (run,) = runs
    assert there.ended(run)["state"] == "succeeded"
    assert len(there.commits_of(run)) == 1
    other = there.ask("POST", "/resources", {**body, "name": "else"}, **{"Idempotency-Key": "one"})
    assert other.status_code in (409, 422), other.text
    assert other.json()["remedy"]
    assert there.streams("dev/once/q") == 1


def test_asking_twice_for_the_same_changes_nothing(there: Platform) -> None:
    body = {"component": "twice", "name": "db", "type": "postgres"}
    there.done("POST", "/resources", body)
    write_row(there, "dev/twice/db", 1)
    commits = len(there.commits())
    there.done("POST", "/resources", body)
    assert len(there.commits()) == commits
    assert rows(there, "dev/twice/db") == [1]
    assert len(there.databases("dev/twice/db")) == 1


def test_a_database_that_was_dropped_by_hand_comes_back(there: Platform) -> None:
    there.done("POST", "/resources", {"component": "healing", "name": "db", "type": "postgres"})
    drop_by_hand(there, "dev/healing/db")
    until(lambda: there.databases("dev/healing/db"))
    there.settle()
    write_row(there, "dev/healing/db", 1)
    until(lambda: (there.status("dev/healing") or {})["status"] == "healthy")
    newest = there.get("/runs", subject="dev/healing", limit=1)["runs"][0]
    assert newest["kind"] == "stack.converge"


def test_where_drift_is_reported_it_is_reported_only(there: Platform) -> None:
    there.commit(
        {
            "environments/watched.yaml": "apiVersion: pave/v1\nkind: Environment\nmetadata: {name: watched}\n"
            "spec: {kind: development, inherits: dev, drift: report}\n"
        }
    )
    there.done("POST", "/resources", {"component": "seen", "name": "db", "type": "postgres", "env": "watched"})
    drop_by_hand(there, "watched/seen/db")
    until(lambda: (there.status("watched/seen") or {})["phase"] == "drifted")
    stack = there.status("watched/seen")
    assert stack is not None
    assert stack["status"] == "missing"
    assert "watched/seen/db" in stack["reason"]
    time.sleep(2.5)
    assert there.databases("watched/seen/db") == []
    there.done("POST", "/stacks/watched/seen/converge")
    assert len(there.databases("watched/seen/db")) == 1
    assert (there.status("watched/seen") or {})["phase"] == "live"


def test_a_removed_database_comes_back_with_its_rows(there: Platform) -> None:
    there.done("POST", "/resources", {"component": "kept", "name": "db", "type": "postgres"})
    write_row(there, "dev/kept/db", 7)
    there.done("DELETE", "/resources/dev/kept/db")
    assert there.databases("dev/kept/db") == []
    there.done("POST", "/resources/dev/kept/db/restore")
    assert rows(there, "dev/kept/db") == [7]


@pytest.mark.parametrize("point", ["before", "done"])
def test_a_restore_that_is_killed_brings_back_the_copy_that_was_asked_for(there: Platform, point: str) -> None:
    stack = f"dev/again-{point}"
    body = {"component": f"again-{point}", "name": "db", "type": "postgres"}
    there.done("POST", "/resources", body)
    write_row(there, f"{stack}/db", 7)
    there.done("DELETE", f"/resources/{stack}/db")
    there.done("POST", "/resources", body)  # an empty one has taken its place
    there.restart(PAVE_FAILPOINT=f"apply:{stack}:{point}")
    key = {"Idempotency-Key": f"restore {point}"}
    there.ask_until_death("POST", f"/resources/{stack}/db/restore", **key)
    there.up()
    run = there.ended(there.asked("POST", f"/resources/{stack}/db/restore", **key))
    assert run["state"] == "succeeded", run
    assert rows(there, f"{stack}/db") == [7]
    there.done("DELETE", f"/stacks/{stack}")


def test_what_was_applied_before_the_kill_is_on_record_after_it(there: Platform) -> None:
    there.done("POST", "/resources", {"component": "noted", "name": "first", "type": "queue"})
    there.restart(PAVE_FAILPOINT="apply:dev/noted:applied")
    there.ask_until_death("POST", "/resources", {"component": "noted", "name": "second", "type": "queue"})
    there.up()
    there.settle()
    shown = {one["address"]: one["outputs"] for one in there.get("/stacks/dev/noted")["resources"]}
    assert sorted(shown) == ["dev/noted/first", "dev/noted/second"]
    assert all(outputs["stream"] for outputs in shown.values())
    there.done("DELETE", "/stacks/dev/noted")


def test_a_repository_with_nothing_to_run_is_taken_in_where_nothing_is_to_be_deployed(
    there: Platform, tmp_path: Path
) -> None:
    entity = "apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {name: handbook}\n"
    spec = "spec: {type: documentation, lifecycle: production, owner: group:payments}\n"
    folder = repository(tmp_path / "handbook", {"catalog-info.yaml": entity + spec})
    assert there.run("POST", "/components/import", {"url": str(folder), "name": "handbook"})["state"] == "failed"
    assert "handbook" not in there.repositories()
    there.done("POST", "/components/import", {"url": str(folder), "name": "handbook", "env": ""})
    assert there.get("/entities/component:handbook")["owner"] == "group:default/payments"


def test_a_cancelled_build_and_a_cancelled_apply_end_cleanly(there: Platform, tmp_path: Path) -> None:
    waiting = repository(tmp_path / "waiting", {**TINY, "app.py": "import time\ntime.sleep(600)\n"})
    run = there.asked("POST", "/components/import", {"url": str(waiting), "name": "waiting"})
    until(lambda: [one for one in there.programs() if one.startswith("dev.waiting.")])
    there.ask("POST", f"/runs/{run}/cancel")
    assert there.ended(run, 45)["state"] == "cancelled"
    assert [one for one in there.programs() if one.startswith("dev.waiting.")] == []
    there.done("DELETE", "/stacks/dev/waiting")
    assert there.inventory("workload") == ["dev/tiny/workload"]


def descendants(of: int) -> list[int]:
    found = []
    for one in Path("/proc").iterdir():
        if one.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                if int((one / "stat").read_text().rsplit(")", 1)[1].split()[1]) == of:
                    found += [int(one.name), *descendants(int(one.name))]
    return found


def terraform_workers(there: Platform) -> list[int]:
    assert there.process is not None
    return [
        one
        for one in descendants(there.process.pid)
        if b"pave.adapters.terraform.worker" in Path(f"/proc/{one}/cmdline").read_bytes()
    ]


def test_a_terraform_that_is_killed_in_mid_apply_harms_nobody(there: Platform, tmp_path: Path) -> None:
    slow = TINY["app.py"].replace("import os\n", "import os\nimport time\ntime.sleep(4)\n")
    folder = repository(tmp_path / "slowly", {**TINY, "app.py": slow})
    run = there.asked("POST", "/components/import", {"url": str(folder), "name": "slowly"})
    until(lambda: [one for one in there.programs() if one.startswith("dev.slowly.")])
    for one in terraform_workers(there):
        os.kill(one, signal.SIGKILL)
    ended = there.ended(run)
    if ended["state"] == "failed":  # told so, and one request makes it whole
        assert ended["error"]["remedy"], ended
        there.done("POST", "/stacks/dev/slowly/converge")
    assert there.fetch("dev/slowly").text == "version 1"
    assert len([one for one in there.programs() if one.startswith("dev.slowly.")]) == 1
    there.done("DELETE", "/stacks/dev/slowly")


def test_a_server_that_is_killed_in_mid_apply_finishes_what_it_began(there: Platform, tmp_path: Path) -> None:
    slow = TINY["app.py"].replace("import os\n", "import os\nimport time\ntime.sleep(3)\n")
    folder = repository(tmp_path / "midway", {**TINY, "app.py": slow})
    run = there.asked("POST", "/components/import", {"url": str(folder), "name": "midway"})
    until(lambda: [one for one in there.programs() if one.startswith("dev.midway.")])
    there.kill()
    there.up()
    assert there.ended(run)["state"] == "succeeded"
    assert there.fetch("dev/midway").text == "version 1"
    assert len([one for one in there.programs() if one.startswith("dev.midway.")]) == 1
    assert len(there.commits_of(run)) == 1
    there.done("DELETE", "/stacks/dev/midway")


def test_a_killed_workload_is_started_again(there: Platform) -> None:
    before = there.programs()
    (name,) = [one for one in before if one.startswith("dev.tiny.")]
    os.killpg(before[name], signal.SIGKILL)
    until(lambda: there.programs().get(name, before[name]) != before[name])
    until(lambda: answers(there))


def test_a_killed_database_of_the_control_plane_comes_back_under_the_server(there: Platform) -> None:
    pid = there.programs()["control"]
    os.killpg(pid, signal.SIGKILL)
    until(lambda: there.programs().get("control", pid) != pid)
    until(lambda: there.client is not None and there.client.get("/readyz").status_code == 200)
    until(lambda: answers(there))
    there.done("POST", "/resources", {"component": "after", "name": "q", "type": "queue"})


def test_a_killed_supervisor_is_replaced_with_all_that_it_ran(there: Platform) -> None:
    before = there.supervisor()
    os.kill(before, signal.SIGKILL)
    until(lambda: there.supervisor() not in (0, before) and answers(there), 60)
    there.done("POST", "/resources", {"component": "later", "name": "q", "type": "queue"})
    assert len([one for one in there.programs() if one.startswith("dev.tiny.")]) == 1


def test_after_a_power_cut_everything_is_there_again(there: Platform) -> None:
    write_row(there, "dev/tiny/db", 1)
    before = sorted(there.programs())
    for one in there.processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(one, signal.SIGKILL)
    there.gone()
    there.up()
    until(lambda: answers(there))
    assert sorted(there.programs()) == before
    assert 1 in rows(there, "dev/tiny/db")


def test_a_killed_build_leaves_nothing(there: Platform, tmp_path: Path) -> None:
    folder = repository(tmp_path / "building", {**TINY, "one.txt": "1"})
    body, key = {"url": str(folder), "name": "building"}, {"Idempotency-Key": "building"}
    run = there.asked("POST", "/components/import", body, **key)
    until(lambda: list((there.data / "scratch").iterdir()))
    there.kill()
    there.up()
    assert there.ended(run)["state"] == "succeeded"
    there.done("DELETE", "/stacks/dev/building")


def test_what_was_taken_down_comes_up_again(there: Platform) -> None:
    before = sorted(there.programs())
    there.end()  # and nothing is left meanwhile
    there.up()
    until(lambda: answers(there))
    assert sorted(there.programs()) == before


def test_a_stack_whose_word_cannot_be_planned_says_so_and_is_not_asked_for_again(there: Platform) -> None:
    there.done("POST", "/resources", {"component": "ledger", "name": "jobs", "type": "queue"})
    path = "deployments/dev/ledger.yaml"
    before = there.file(path)
    assert before is not None
    there.commit({path: before.replace("{type: queue}", "{type: queue, inputs: {max_size: much}}")})
    until(lambda: (there.status("dev/ledger") or {})["phase"] == "failed")
    asked = len(there.get("/runs", limit=100)["runs"])
    time.sleep(3)
    assert len(there.get("/runs", limit=100)["runs"]) == asked
    there.commit({path: before})
    until(lambda: (there.status("dev/ledger") or {})["phase"] == "live")
    there.done("DELETE", "/stacks/dev/ledger")


def test_a_slip_in_a_deployment_is_not_the_wish_to_remove_it(there: Platform) -> None:
    there.done("POST", "/resources", {"component": "books", "name": "db", "type": "postgres"})
    before = there.file("deployments/dev/books.yaml")
    there.commit({"deployments/dev/books.yaml": "kind: [Deployment\n"})
    assert "cannot be read" in there.refused("POST", "/stacks/dev/books/converge")["summary"]
    time.sleep(3)
    assert there.databases("dev/books/db")
    there.commit({"deployments/dev/books.yaml": before})
    until(lambda: (there.status("dev/books") or {})["phase"] == "live")
    there.done("DELETE", "/stacks/dev/books")
