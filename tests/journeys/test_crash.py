"""kill -9 at every step boundary, then a restart: nothing lost, nothing doubled, nothing left behind.

The short form kills one run after the other: it goes on after each restart and is killed at the boundary after the
next, so that half of them are walked with one restart each. `PAVE_WALK=all` gives each boundary a run of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from platform_for_tests import TINY, Platform, commit_all, platform, repository

from benchmarks.clients import use
from pave.engine.stages import STAGES
from pave.request.intent import AddResources, ImportComponent, RemoveStack, Rollback

WHOLE = os.environ.get("PAVE_WALK") == "all"
SECONDS = 20

pytestmark = pytest.mark.timeout(600)


@dataclass
class Ask:
    """A change, and the stages that have nothing to do for it."""

    method: str
    path: str
    body: dict[str, Any] | None
    stack: str
    idle: frozenset[str]
    intent: type[Any]

    @property
    def boundaries(self) -> list[str]:
        """Every point of its run at which the server may die, in order."""
        points = []
        for stage in STAGES:
            if stage.of and self.intent not in stage.of:
                continue
            within = [f"apply:{self.stack}:before", f"apply:{self.stack}:done"] if stage.name == "apply" else []
            done = [] if stage.name in self.idle else [f"{stage.name}:done"]
            points += [f"{stage.name}:before", *within, *done, f"{stage.name}:after"]
        return points


def provision(name: str) -> Ask:
    resources = [{"name": "db", "type": "postgres"}, {"name": "jobs", "type": "queue"}]
    body = {"component": name, "resources": resources}
    return Ask("POST", "/resources/batch", body, f"dev/{name}", frozenset(), AddResources)


def deploy(name: str, folder: Path) -> Ask:
    return imported(name, repository(folder / name, {**TINY, "name.txt": name}))


def imported(name: str, application: Path) -> Ask:
    body = {"url": str(application), "name": name}
    return Ask("POST", "/components/import", body, f"dev/{name}", frozenset(), ImportComponent)


def delete(name: str) -> Ask:
    return Ask("DELETE", f"/stacks/dev/{name}", None, f"dev/{name}", frozenset({"observe"}), RemoveStack)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("crash") / "data") as running:
        running.done(*_of(provision("warm")))  # the servers run: later runs are short
        yield running


def _of(ask: Ask) -> tuple[str, str, dict[str, Any] | None]:
    return ask.method, ask.path, ask.body


def crash(there: Platform, ask: Ask, points: Sequence[str]) -> dict[str, Any]:
    """Let the run that `ask` makes be killed at each of `points`; what it is after the last restart."""
    there.restart(PAVE_FAILPOINT=points[0])
    key = {"Idempotency-Key": f"{ask.method} {ask.path} {ask.stack} {points[0]}"}
    there.ask_until_death(ask.method, ask.path, ask.body, **key)
    for following in points[1:]:
        there.begin(PAVE_FAILPOINT=following)
        there.died()
    there.up()
    run = there.ended(there.asked(ask.method, ask.path, ask.body, **key), SECONDS)
    assert run["state"] == "succeeded", run
    there.settle()
    there.check()
    return run


def is_provisioned(there: Platform, name: str, run: dict[str, Any]) -> None:
    address = f"dev/{name}/db"
    assert len(there.commits_of(run["id"])) == 1
    assert len(there.databases(address)) == 1
    assert there.streams(f"dev/{name}/jobs") == 1
    stack = there.status(f"dev/{name}")
    assert stack is not None
    assert (stack["phase"], stack["status"]) == ("live", "healthy"), stack
    assert sorted(one["address"] for one in stack["resources"]) == [address, f"dev/{name}/jobs"]
    for one in stack["resources"]:
        use(one["type"], there.credentials(one["address"]))
    has_nothing_to_do(there, f"dev/{name}")


def is_deployed(there: Platform, name: str, run: dict[str, Any]) -> None:
    assert len(there.commits_of(run["id"])) == 1
    assert there.inventory("workload").count(f"dev/{name}/workload") == 1
    assert len([one for one in there.programs() if one.startswith(f"dev.{name}.")]) == 1
    assert there.fetch(f"dev/{name}").text == "version 1"
    assert [one for one in there.repositories() if one.startswith(name)] == [f"{name}.git"]
    assert there.control(f"SELECT count(*) FROM builds WHERE repository = '{name}'") == [(1,)]
    assert len(there.databases(f"dev/{name}/db")) == 1
    artifacts = {one for (one,) in there.control("SELECT artifact FROM builds")}
    assert {path.name for path in (there.data / "artifacts" / "sha256").iterdir()} == {
        one.removeprefix("sha256:") for one in artifacts
    }
    has_nothing_to_do(there, f"dev/{name}")


def is_deleted(there: Platform, name: str, run: dict[str, Any]) -> None:
    assert len(there.commits_of(run["id"])) == 1
    assert there.status(f"dev/{name}") is None
    assert there.file(f"deployments/dev/{name}.yaml") is None
    assert there.databases(f"dev/{name}/db") == []
    kept = [one["address"] for one in there.get("/trash")["kept"]]
    assert kept.count(f"dev/{name}/db") == 1
    assert there.streams(f"dev/{name}/jobs") == 0
    assert [one for one in there.programs() if one.startswith(f"dev.{name}.")] == []
    assert f"dev/{name}/workload" not in there.inventory("workload")
    assert there.control(f"SELECT serial FROM terraform_states WHERE stack = 'dev/{name}'") == []


def has_nothing_to_do(there: Platform, stack: str) -> None:
    preview = there.ask("POST", f"/stacks/{stack}/converge?dry_run=true").json()
    assert preview["plan"]["changes"] == [], preview


@pytest.mark.skipif(WHOLE, reason="each boundary gets a run of its own instead")
def test_a_run_that_is_killed_again_and_again_ends_well(there: Platform, tmp_path: Path) -> None:
    provisioned = provision("chain")
    is_provisioned(there, "chain", crash(there, provisioned, provisioned.boundaries[::2]))
    deployed = deploy("chain", tmp_path)
    is_deployed(there, "chain", crash(there, deployed, deployed.boundaries[1::2]))
    deleted = delete("chain")
    is_deleted(there, "chain", crash(there, deleted, deleted.boundaries[::2]))


def test_a_removal_and_a_rollback_that_are_killed_after_their_commit_are_finished_once(
    there: Platform, tmp_path: Path
) -> None:
    stack = "dev/back"
    there.done(*_of(deploy("back", tmp_path)))
    for version in ("2", "3"):
        (tmp_path / "back" / "app.py").write_text(TINY["app.py"].replace('"1"', f'"{version}"'))
        commit_all(tmp_path / "back", f"Version {version}")
        there.done("POST", f"/stacks/{stack}/deploy", {})
    points = ["record:done", f"apply:{stack}:before", f"apply:{stack}:done"]
    run = crash(there, Ask("POST", f"/stacks/{stack}/rollback", {}, stack, frozenset(), Rollback), points)
    assert len(there.commits_of(run["id"])) == 1
    assert there.fetch(stack).text == "version 2"

    there.done("POST", "/resources", {"component": "back", "name": "db", "type": "postgres"})
    run = crash(there, Ask("DELETE", f"/resources/{stack}/db", None, stack, frozenset(), RemoveStack), points)
    assert len(there.commits_of(run["id"])) == 1
    assert there.databases(f"{stack}/db") == []
    assert there.fetch(stack).text == "version 2"

    there.done("POST", "/environments", {"name": "brief", "from": "dev", "components": ["back"]})
    points = ["record:done", "apply:brief/back:before", "apply:brief/back:done"]
    run = crash(there, Ask("DELETE", "/environments/brief", None, "brief/back", frozenset(), RemoveStack), points)
    assert len(there.commits_of(run["id"])) == 1
    assert there.status("brief/back") is None
    assert there.inventory("workload").count("brief/back/workload") == 0
    assert there.fetch(stack).text == "version 2"


@pytest.mark.skipif(not WHOLE, reason="`make crash` gives each boundary a run of its own")
@pytest.mark.parametrize("number", range(len(provision("x").boundaries)))
def test_provision_survives(there: Platform, number: int) -> None:
    ask = provision(f"p{number}")
    is_provisioned(there, f"p{number}", crash(there, ask, [ask.boundaries[number]]))


@pytest.mark.skipif(not WHOLE, reason="`make crash` gives each boundary a run of its own")
@pytest.mark.parametrize("number", range(len(imported("x", Path()).boundaries)))
def test_deploy_survives(there: Platform, number: int, tmp_path: Path) -> None:
    there.done(*_of(provision(f"d{number}")))
    ask = deploy(f"d{number}", tmp_path)
    assert ask.boundaries
    is_deployed(there, f"d{number}", crash(there, ask, [ask.boundaries[number]]))


@pytest.mark.skipif(not WHOLE, reason="`make crash` gives each boundary a run of its own")
@pytest.mark.parametrize("number", range(len(delete("x").boundaries)))
def test_delete_survives(there: Platform, number: int, tmp_path: Path) -> None:
    there.done(*_of(provision(f"r{number}")))
    there.done(*_of(deploy(f"r{number}", tmp_path)))
    ask = delete(f"r{number}")
    is_deleted(there, f"r{number}", crash(there, ask, [ask.boundaries[number]]))
