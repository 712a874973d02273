"""What every engine must do, proven with the real ones."""

from __future__ import annotations

import json
import threading
import time

import pytest
from terraform_world import STACK, World, make_runner, make_world, never, root  # noqa: F401 — fixtures

from pave.adapters.terraform.runner import Runner
from pave.apply.retry import Cancelled, Stale, Terminal
from pave.model.diagnostics import Refused
from pave.plan.terraform import Reference
from pave.ports import Holder

pytestmark = pytest.mark.timeout(90)
SLOW = """
variable "seconds" { type = number }
resource "terraform_data" "first" { input = "first" }
resource "terraform_data" "slow" {
  depends_on = [terraform_data.first]
  provisioner "local-exec" { command = "sleep ${var.seconds}" }
}
resource "terraform_data" "last" { depends_on = [terraform_data.slow] }
"""


def test_plan_apply_change_and_remove(world: World, runner: Runner) -> None:
    engine = world.engine(runner)
    both = root(db={"text": "one"}, api={"text": ("host=", Reference("db", "text"))})
    plan = engine.plan(STACK, both, never)
    assert plan.serial == engine.serial(STACK) == 0
    assert [(one.call, one.actions) for one in plan.changes] == [("api", ("create",)), ("db", ("create",))]
    said: list[str] = []
    applied = engine.apply(STACK, both, plan, said.append, never)
    assert applied.outputs["api"]["text"] == "host=one"
    assert applied.serial == engine.serial(STACK) > 0
    assert any("module.db.terraform_data.it: Creation complete" in line for line in said)
    assert not any("id=" in line for line in said)

    again = engine.plan(STACK, both, never)
    assert {one.actions for one in again.changes} == {("no-op",)}
    assert engine.plan(STACK, both, never).digest == again.digest

    other = root(db={"text": "two"})
    plan = engine.plan(STACK, other, never)
    assert plan.digest != again.digest
    assert [(one.call, one.actions) for one in plan.changes] == [("api", ("delete",)), ("db", ("update",))]
    assert plan.changes[1].attributes == ("input", "output")
    assert engine.apply(STACK, other, plan, said.append, never).outputs == {
        "db": {"text": "two", "id": applied.outputs["db"]["id"]}
    }
    with pytest.raises(Refused, match="still has 1 resources"):
        engine.forget(STACK)

    plan = engine.plan(STACK, root(), never)
    assert engine.apply(STACK, root(), plan, said.append, never).outputs == {}
    engine.forget(STACK)
    engine.forget(STACK)
    assert engine.serial(STACK) == 0
    assert world.states.locks() == ()
    assert [path for path in (world.folder / "terraform").rglob("*") if "orders" in str(path) and path.is_dir()] == []


def test_a_plan_is_applied_once_and_only_to_the_state_it_was_made_for(world: World, runner: Runner) -> None:
    engine = world.engine(runner)
    wish = root(db={"text": "one"})
    plan = engine.plan(STACK, wish, never)
    engine.apply(STACK, wish, plan, print, never)
    with pytest.raises(Stale):
        engine.apply(STACK, wish, plan, print, never)
    assert len(world.states.versions(STACK)) == 1


def test_nothing_a_plan_leaves_on_disk_or_in_a_process_list_is_secret(world: World, runner: Runner) -> None:
    engine = world.engine(runner)
    world.module(
        "hidden",
        'variable "text" {\n sensitive = true\n}\nresource "terraform_data" "it" { input = var.text }',
    )
    wish = root(db=("hidden", {"text": "correct horse battery"}))
    plan = engine.plan(STACK, wish, never)
    assert "correct horse" not in repr(plan.changes)
    engine.apply(STACK, wish, plan, print, never)
    password = world.access(STACK).password
    left = [path for path in (world.folder / "terraform").rglob("*") if path.is_file()]
    assert [path.name for path in left if b"horse" in path.read_bytes()] == ["main.tf.json"]
    assert [path for path in left if password.encode() in path.read_bytes()] == []
    assert (world.folder / "terraform/stacks/dev/orders/main.tf.json").stat().st_mode & 0o077 == 0


def test_init_is_done_only_when_modules_change(world: World, runner: Runner) -> None:
    engine = world.engine(runner)
    commands: list[str] = []
    run = runner.run
    runner.run = lambda invocation, *rest: commands.append(invocation.argv[0]) or run(invocation, *rest)  # type: ignore[method-assign]
    engine.plan(STACK, root(db={"text": "one"}), never)
    engine.plan(STACK, root(db={"text": "two"}), never)
    assert commands == ["init", "plan", "show", "plan", "show"]
    commands.clear()
    engine.plan(STACK, root(db={"text": "two"}, other={"text": "x"}), never)
    assert commands == ["init", "plan", "show"]
    commands.clear()
    for path in (world.folder / "terraform/stacks/dev/orders/.terraform").rglob("modules.json"):
        path.unlink()
    engine.plan(STACK, root(db={"text": "two"}, other={"text": "x"}), never)
    assert commands == ["plan", "init", "plan", "show"]


def test_a_module_that_fails_in_plan_is_refused_with_its_line(world: World, runner: Runner) -> None:
    engine = world.engine(runner)
    world.module("broken", 'variable "size" {}\noutput "size" {\n  value = tonumber(var.size)\n}')
    with pytest.raises(Refused) as caught:
        engine.plan(STACK, root(db=("broken", {"size": "many"})), never)
    (found,) = caught.value.diagnostics
    assert found.address == "dev/orders/db"
    assert str(found.source) == "modules/broken/main.tf:3"
    assert "module broken" in found.remedy
    assert world.states.locks() == ()


def test_a_module_that_is_no_terraform_is_refused_with_its_line(world: World, runner: Runner) -> None:
    engine = world.engine(runner)
    world.module("typo", 'variable "size" {\n  type = string default = 1\n}')
    with pytest.raises(Refused) as caught:
        engine.plan(STACK, root(db=("typo", {})), never)
    (found,) = caught.value.diagnostics
    assert (str(found.source), found.address) == ("modules/typo/main.tf:2", "dev/orders/db")


def test_a_wrong_input_names_the_resource(world: World, runner: Runner) -> None:
    engine = world.engine(runner)
    with pytest.raises(Refused) as caught:
        engine.plan(STACK, root(db={"text": "x", "colour": "red"}), never)
    assert caught.value.diagnostics[0].address == "dev/orders/db"
    assert "colour" in str(caught.value)


def test_a_module_that_fails_in_apply_keeps_what_was_made_and_masks_secrets(world: World, runner: Runner) -> None:
    engine = world.engine(runner)
    world.module(
        "failing",
        """
        variable "password" { sensitive = true }
        resource "terraform_data" "made" { input = var.password }
        resource "terraform_data" "bad" {
          depends_on = [terraform_data.made]
          lifecycle {
            postcondition {
              condition     = terraform_data.made.id == "never"
              error_message = "The plug fell out."
            }
          }
        }
        """,
    )
    wish = root(db=("failing", {"password": "hunter2-hunter2"}))
    plan = engine.plan(STACK, wish, never)
    with pytest.raises(Terminal) as caught:
        engine.apply(STACK, wish, plan, print, never)
    assert caught.value.diagnostic.address == "dev/orders/db"
    assert "The plug fell out" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    state = json.loads(world.states.read(STACK) or b"{}")
    assert "made" in {one["name"] for one in state["resources"]}
    assert world.states.locks() == ()


@pytest.mark.timeout(60)
def test_an_unknown_provider_is_said_quickly(world: World, runner: Runner) -> None:
    engine = world.engine(runner)
    world.module("odd", 'terraform {\n required_providers {\n odd = { source = "nowhere.invalid/acme/odd" }\n }\n}')
    began = time.monotonic()
    with pytest.raises(Refused) as caught:
        engine.plan(STACK, root(db=("odd", {})), never)
    assert time.monotonic() - began < 20
    assert "nowhere.invalid/acme/odd" in str(caught.value)
    assert "TF_CLI_CONFIG_FILE" in caught.value.diagnostics[0].remedy


def test_cancelling_an_apply_keeps_a_consistent_unlocked_state(world: World, runner: Runner) -> None:
    engine = world.engine(runner)
    world.module("slow", SLOW)
    wish = root(db=("slow", {"seconds": 2}))
    plan = engine.plan(STACK, wish, never)
    stop = threading.Event()
    with pytest.raises(Cancelled):
        engine.apply(STACK, wish, plan, lambda line: "slow: Creating" in line and stop.set(), stop.is_set)
    assert world.states.locks() == ()
    names = {one["name"] for one in json.loads(world.states.read(STACK) or b"{}")["resources"]}
    assert "first" in names
    assert "last" not in names
    # What comes next finds it as it was left and goes on.
    plan = engine.plan(STACK, wish, never)
    assert plan.serial == engine.serial(STACK)
    engine.apply(STACK, wish, plan, print, never)
    assert {one.actions for one in engine.plan(STACK, wish, never).changes} == {("no-op",)}


def test_a_newer_epoch_of_the_same_run_takes_the_lock_at_once(world: World, runner: Runner) -> None:
    engine = world.engine(runner)
    assert world.states.lock(STACK, {"ID": "left by a dead process"}, Holder("run_1", 1), 3600) is None
    world.holder = Holder("run_1", 2)
    began = time.monotonic()
    wish = root(db={"text": "x"})
    engine.apply(STACK, wish, engine.plan(STACK, wish, never), print, never)
    assert time.monotonic() - began < 20
    assert world.states.locks() == ()


def test_two_stacks_at_once_do_not_meet(world: World, runner: Runner) -> None:
    engine = world.engine(runner)
    outcomes: list[object] = []

    def carry_out(name: str) -> None:
        stack = type(STACK)("dev", name)
        wish = root(db={"text": name})
        plan = engine.plan(stack, wish, never)
        outcomes.append((name, engine.apply(stack, wish, plan, print, never).outputs["db"]["text"]))

    threads = [threading.Thread(target=carry_out, args=(f"s{number}",)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [(f"s{number}", f"s{number}") for number in range(4)]
    assert world.states.locks() == ()
