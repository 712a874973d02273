from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from terraform_world import STACK, World, make_pool, make_world, never, root, until  # noqa: F401 — fixtures

from pave.adapters.terraform import engine as engine_module
from pave.adapters.terraform.binary import Binary
from pave.adapters.terraform.pool import Pool
from pave.adapters.terraform.runner import Access, Invocation
from pave.apply.retry import Cancelled, Stale, Terminal, Transient
from pave.model.diagnostics import Refused
from pave.plan.terraform import RootModule, expression
from pave.ports import Holder

pytestmark = pytest.mark.timeout(90)
SLOW = """
resource "terraform_data" "first" {}
resource "terraform_data" "slow" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" { command = "sleep 3" }
}
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_are_kept_warm_and_end_when_idle(world: World, tmp_path: Path) -> None:
    pool = Pool(tmp_path / "brief", size=2, idle_seconds=0.5)
    engine = world.engine(pool)
    engine.plan(STACK, root(db={"text": "x"}), never)
    (pid,) = pool.pids()
    engine.plan(STACK, root(db={"text": "y"}), never)
    assert pool.pids() == [pid]
    until(lambda: not alive(pid))
    assert pool.pids() == []
    until(lambda: not list((tmp_path / "brief").iterdir()))
    engine.plan(STACK, root(db={"text": "z"}), never)
    assert len(pool.pids()) == 1
    pool.close()
    assert pool.pids() == []


def test_a_worker_is_replaced_when_the_provider_has_moved(world: World, pool: Pool) -> None:
    engine = world.engine(pool)
    engine.plan(STACK, root(db={"text": "x"}), never)
    before = pool.pids()
    engine._environment["TF_LOG_PATH"] = "/dev/null"
    engine.plan(STACK, root(db={"text": "x"}), never)
    engine.plan(STACK, root(db={"text": "x"}), never)
    assert len(pool.pids()) == 2
    assert before[0] in pool.pids()


def test_an_idle_worker_that_was_killed_is_replaced(world: World, pool: Pool) -> None:
    engine = world.engine(pool)
    engine.plan(STACK, root(db={"text": "x"}), never)
    (pid,) = pool.pids()
    os.kill(pid, signal.SIGKILL)
    until(lambda: not alive(pid))
    engine.plan(STACK, root(db={"text": "x"}), never)
    assert pool.pids() != [pid]


def test_a_worker_killed_in_mid_apply_leaves_no_lock_and_what_follows_converges(world: World, pool: Pool) -> None:
    engine = world.engine(pool)
    world.module("slow", SLOW)
    wish = root(db=("slow", {}))
    plan = engine.plan(STACK, wish, never)

    def kill(line: str) -> None:
        if "slow: Still creating" in line or "slow: Creating" in line:
            threading.Timer(1.5, lambda: os.kill(pool.pids()[0], signal.SIGKILL)).start()

    with pytest.raises(Transient, match="ended unexpectedly"):
        engine.apply(STACK, wish, plan, kill, never)
    assert world.states.locks() == ()
    assert pool.pids() == []
    plan = engine.plan(STACK, wish, never)
    engine.apply(STACK, wish, plan, print, never)
    assert {one.actions for one in engine.plan(STACK, wish, never).changes} == {("no-op",)}


def test_who_loses_the_lock_stops_and_writes_nothing(world: World, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_HEARTBEAT_SECONDS", 0.1)
    engine = world.engine(pool)
    world.module("slow", SLOW)
    wish = root(db=("slow", {}))
    plan = engine.plan(STACK, wish, never)

    def steal(line: str) -> None:
        if "slow: Creating" in line:
            assert world.states.lock(STACK, {"ID": "newer"}, Holder("run_1", 2), 3600) is None

    with pytest.raises(Stale, match="taken over"):
        engine.apply(STACK, wish, plan, steal, never)
    assert [one.id for one in world.states.locks()] == ["newer"]
    names = {one["name"] for one in json.loads(world.states.read(STACK) or b"{}").get("resources", ())}
    assert "slow" not in names


def test_the_lease_is_renewed_while_terraform_works(world: World, pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_HEARTBEAT_SECONDS", 0.1)
    engine = world.engine(pool)
    world.module("slow", SLOW)
    wish = root(db=("slow", {}))
    plan = engine.plan(STACK, wish, never)
    until_times = []

    def look(_: str) -> None:
        until_times.extend(one.until for one in world.states.locks())

    thread = threading.Thread(target=engine.apply, args=(STACK, wish, plan, print, never))
    thread.start()
    while thread.is_alive():
        look("")
        time.sleep(0.1)
    thread.join()
    assert len(set(until_times)) > 5
    assert world.states.locks() == ()


def test_a_state_that_could_not_be_written_is_brought_in_by_the_next_plan(world: World, pool: Pool) -> None:
    engine = world.engine(pool)
    wish = root(db={"text": "x"})
    engine.apply(STACK, wish, engine.plan(STACK, wish, never), print, never)
    state = json.loads(world.states.read(STACK) or b"")
    state["serial"] += 5
    left = world.folder / "terraform/stacks/dev/orders/errored.tfstate"
    left.write_text(json.dumps(state))
    plan = engine.plan(STACK, wish, never)
    left.write_text("{}")
    with pytest.raises(Stale):
        engine.apply(STACK, wish, plan, print, never)
    left.unlink()
    assert plan.serial == engine.serial(STACK) >= state["serial"]
    assert not left.exists()
    state["serial"] = 1
    left.write_text(json.dumps(state))
    engine.plan(STACK, wish, never)
    assert not left.exists()
    assert engine.serial(STACK) == plan.serial


def test_waiting_for_a_free_worker_can_be_cancelled(world: World, tmp_path: Path) -> None:
    pool = Pool(tmp_path / "one", size=1)
    engine = world.engine(pool)
    world.module("slow", SLOW)
    wish = root(db=("slow", {}))
    plan = engine.plan(STACK, wish, never)
    thread = threading.Thread(target=engine.apply, args=(STACK, wish, plan, print, never))
    thread.start()
    until(world.states.locks)
    other = type(STACK)("dev", "other")
    began = time.monotonic()
    with pytest.raises(Cancelled):
        engine.plan(other, root(db={"text": "x"}), lambda: time.monotonic() > began + 0.3)
    assert time.monotonic() - began < 2
    thread.join()
    pool.close()


def test_the_state_backend_being_away_is_passing(world: World, pool: Pool) -> None:
    engine = world.engine(pool)
    engine.plan(STACK, root(db={"text": "x"}), never)
    url, world.url = world.url, "http://127.0.0.1:9"
    with pytest.raises(Transient):
        engine.plan(STACK, root(db={"text": "x"}), never)
    world.url = url
    engine.plan(STACK, root(db={"text": "x"}), never)


def test_a_registry_that_never_answers_is_said_in_seconds(world: World, pool: Pool) -> None:
    engine = world.engine(pool)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = f"localhost:{silent.getsockname()[1]}/acme/odd"
        world.module("odd", f'terraform {{\n required_providers {{\n odd = {{ source = "{source}" }}\n }}\n}}')
        began = time.monotonic()
        with pytest.raises(Refused) as caught:
            engine.plan(STACK, root(db=("odd", {})), never)
        assert time.monotonic() - began < 30  # two attempts of Terraform's own 10 seconds
    assert source in caught.value.diagnostics[0].remedy
    assert world.states.locks() == ()


def test_a_program_that_is_no_terraform_is_said(world: World, tmp_path: Path) -> None:
    with pytest.raises(Terminal, match="version of Terraform"):
        world.engine(Binary("true", tmp_path / "w")).plan(STACK, root(), never)
    with pytest.raises(Terminal, match="cannot be started"):
        world.engine(Binary("no-such-terraform", tmp_path / "w")).plan(STACK, root(), never)


@pytest.fixture
def evaluate(pool: Pool, tmp_path: Path):
    """Gives what real Terraform makes of a value in the root module."""
    folder = tmp_path / "evaluate"
    folder.mkdir()
    access = Access("http://127.0.0.1:9", "", "", Holder(""))

    def run(value: object) -> object:
        (folder / "main.tf.json").write_text(json.dumps({"output": {"it": {"value": expression(value)}}}))
        with contextlib.suppress(FileNotFoundError):
            (folder / "terraform.tfstate").unlink()
        environment = {"PATH": os.environ["PATH"]}
        result = pool.run(Invocation(("apply", "-auto-approve", "-no-color"), folder, environment, access), never)
        assert result.code == 0, result.errors
        return json.loads((folder / "terraform.tfstate").read_text())["outputs"]["it"]["value"]

    return run


LETTERS = st.sampled_from(["$", "%", "{", "}", '"', "\\", "~", "a", "\n", "\x01", "é", "€", "${", "%{if", "<<E", "//"])
TEXT = st.lists(LETTERS, max_size=10).map("".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.lists(TEXT, min_size=1, max_size=20), keys=st.dictionaries(TEXT, st.none() | st.booleans() | TEXT))
def test_any_text_survives_terraform(evaluate, value, keys) -> None:
    assert evaluate({"list": value, "keys": keys}) == {"list": value, "keys": keys}


def test_a_root_without_calls_is_a_root(world: World, pool: Pool) -> None:
    plan = world.engine(pool).plan(STACK, RootModule({"terraform": {"backend": {"http": {}}}}, {}), never)
    assert plan.changes == ()
