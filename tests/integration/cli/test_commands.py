"""The command line against a real server: what it asks, what it prints, how it exits."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from site_for_tests import OPERATIONS, Running, World, view
from typer.testing import CliRunner, Result

from pave.cli.main import build
from pave.doors import presence
from pave.engine.views import StepView

APP = build(OPERATIONS)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def running(world: World) -> Iterator[Running]:
    running = Running(world)
    yield running
    if running.thread.is_alive():
        running.stop()


@pytest.fixture
def data(running: Running, tmp_path: Path) -> Path:
    presence.announce(tmp_path, running.url, "good")
    return tmp_path


def pave(data: Path | None, *words: str, **environ: str) -> Result:
    options = ["--data", str(data)] if data else []
    return CliRunner().invoke(APP, [*options, *words], env=environ)


def finish(world: World, state: str = "succeeded", **parts: object) -> None:
    """Have every run that is asked for carried out a moment later."""

    def work(run) -> None:
        def later() -> None:
            time.sleep(0.2)
            step = StepView(name="apply", subject=run.subject, state="done", seconds=0.1, detail="1 created")
            world.runs[run.id] = run.model_copy(update={"state": state, "steps": [step], "seconds": 0.3, **parts})
            world.events.emit(f"run.{state}", run.subject, run=run.id)

        threading.Thread(target=later, daemon=True).start()

    world.on_add = work


def test_a_command_follows_its_run_to_the_end(world: World, data: Path) -> None:
    finish(world, result={"urls": {"main": "http://orders.dev.localhost:8080"}})
    result = pave(
        data, "add", "orders", "db", "--type", "postgres", "--set", "size=medium", "--set", "days=7", "--class", "large"
    )
    assert result.exit_code == 0, result.output
    assert "apply" in result.output
    assert "1 created" in result.output
    assert "http://orders.dev.localhost:8080" in result.output
    [call] = world.calls
    assert call.door == "cli"
    assert call.key.startswith("cli-")
    [run] = world.runs.values()
    assert run.subject == "dev/orders"


def test_what_is_sent_is_what_was_typed(world: World, data: Path) -> None:
    result = pave(
        data,
        "add",
        "orders",
        "db",
        "-t",
        "s3",
        "-e",
        "prod",
        "--set",
        "days=7",
        "--class",
        "big",
        "--no-wait",
        "--json",
    )
    assert result.exit_code == 0, result.output
    run = json.loads(result.stdout)
    asked = {
        "component": "orders",
        "name": "db",
        "type": "s3",
        "environment": "prod",
        "class": "big",
        "inputs": {"days": 7},
        "count": 1,
    }
    assert run["result"]["asked"] == asked
    assert run["state"] == "pending"


def test_the_same_key_is_the_same_run(world: World, data: Path) -> None:
    for _ in range(2):
        assert pave(data, "add", "orders", "db", "-t", "s3", "--key", "k", "--no-wait").exit_code == 0
    assert len(world.runs) == 1


def test_a_failed_run_exits_with_1_and_says_what_to_do(world: World, data: Path) -> None:
    finish(world, "failed", error={"summary": "The disk is full", "file": "main.tf", "line": 3}, remedy="pave doctor")
    result = pave(data, "add", "orders", "db", "-t", "s3")
    assert result.exit_code == 1
    for text in ("The disk is full", "main.tf:3", "→ pave doctor"):
        assert text in result.output


def test_a_denied_run_exits_with_3_and_shows_the_fix(world: World, data: Path) -> None:
    finding = {
        "guardrail": "backup",
        "title": "Keep backups",
        "level": "hard",
        "message": "1 day is too few",
        "remedy": "Set 7.",
    }
    fix = "pave add orders db --env prod --set backup_days=7"
    finish(world, "denied", verdict={"outcome": "denied", "findings": [finding]}, remedy=fix)
    result = pave(data, "add", "orders", "db", "-t", "postgres")
    assert result.exit_code == 3
    for text in ("Denied", "1 day is too few", "Keep backups · backup, hard", f"→ {fix}"):
        assert text in result.output, result.output
    assert pave(data, "add", "orders", "db", "-t", "postgres", "--json").exit_code == 3


def test_a_dry_run_changes_nothing(world: World, data: Path) -> None:
    assert pave(data, "add", "orders", "db", "-t", "s3", "--dry-run").exit_code == 0
    assert not world.runs


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["add", "orders", "db"], "--type"),
        (["add", "orders", "db", "--type", "oracle"], "oracle"),
        (["add", "orders", "db", "-t", "s3", "--count", "99"], "count"),
        (["add", "orders", "db", "-t", "s3", "--set", "size"], "KEY=VALUE"),
        (["ad"], "ad"),
        (["stack", "dev", "orders", "--dry-run"], "dry-run"),
    ],
)
def test_wrong_usage_exits_with_2_and_asks_nothing(world: World, data: Path, words: list[str], said: str) -> None:
    result = pave(data, *words)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert not world.calls


def test_a_refusal_shows_file_line_and_remedy(data: Path) -> None:
    result = pave(data, "stack", "dev", "wrong")
    assert result.exit_code == 1
    assert "score.yaml:7" in result.output
    gone = pave(data, "stack", "dev", "gone")
    assert gone.exit_code == 1
    assert "→ See pave status." in gone.output
    assert json.loads(pave(data, "stack", "dev", "gone", "--json").stdout)["type"] == "urn:pave:problem:unknown"


def test_answers_are_shown_for_people_and_as_json(world: World, data: Path) -> None:
    world.runs["run-1"] = view("run-1", "succeeded", seconds=6.12)
    shown = pave(data, "stack", "dev", "orders").output
    for text in (
        "dev/orders",
        "● Healthy",
        "9f2c1e0d1",
        "http://orders.dev.localhost:8080",
        "dev/orders/db",
        "postgres",
    ):
        assert text in shown
    assert "\x1b" not in shown
    assert json.loads(pave(data, "stack", "dev", "orders", "--json").stdout)["commit"] == "9f2c1e0d1"
    table = pave(data, "runs").output
    for text in ("run-1", "resource.add", "● Done", "6.1 s"):
        assert text in table
    assert pave(data, "runs", "--state", "failed").output.strip() == "No runs."


def test_no_server_exits_with_4(tmp_path: Path, data: Path, running: Running) -> None:
    nothing = pave(tmp_path / "elsewhere", "runs")
    assert nothing.exit_code == 4
    assert "pave up" in nothing.output
    running.stop()
    assert pave(data, "runs").exit_code == 4


def test_a_server_elsewhere_needs_its_own_token(data: Path, running: Running) -> None:
    other = running.url.replace("127.0.0.1", "localhost")
    refused = pave(data, "--url", other, "runs")
    assert refused.exit_code == 1
    assert "bearer token" in refused.output
    assert pave(data, "--url", other, "--token", "good", "runs").exit_code == 0
    assert pave(None, "runs", PAVE_URL=other, PAVE_TOKEN="good").exit_code == 0


def test_a_run_is_followed_through_a_restart_of_the_server(world: World, tmp_path: Path) -> None:
    first = Running(world)
    port = first.listener.getsockname()[1]
    presence.announce(tmp_path, first.url, "good")
    found: list[Result] = []
    command = threading.Thread(
        target=lambda: found.append(pave(tmp_path, "add", "orders", "db", "-t", "s3")), daemon=True
    )
    command.start()
    while not world.runs:
        time.sleep(0.02)
    time.sleep(0.2)
    first.stop()
    world.runs["run-1"] = world.runs["run-1"].model_copy(update={"state": "succeeded"})
    second = Running(world, port)
    command.join(20)
    second.stop()
    assert found
    assert found[0].exit_code == 0, found[0].output
    assert "Done" in found[0].output


def test_the_token_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    presence.announce(tmp_path, "http://127.0.0.1:1", "secret")
    assert (tmp_path / "server.token").stat().st_mode & 0o777 == 0o600
    assert "secret" not in (tmp_path / "server.json").read_text()
    found = presence.find(tmp_path)
    assert found is not None
    assert found.token == "secret"
    presence.withdraw(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_died_is_no_server(tmp_path: Path) -> None:
    presence.announce(tmp_path, "http://127.0.0.1:1", "secret")
    said = json.loads((tmp_path / "server.json").read_text()) | {"pid": 2**22 + 1}
    (tmp_path / "server.json").write_text(json.dumps(said))
    assert presence.find(tmp_path) is None


def test_up_on_data_that_is_served_says_so(data: Path, running: Running) -> None:
    result = pave(data, "up")
    assert result.exit_code == 0
    assert running.url in result.output


def test_doctor_finds_what_is_bundled(tmp_path: Path) -> None:
    found = json.loads(pave(tmp_path, "doctor", "--json").stdout)
    programs = {one["name"]: one for one in found["programs"]}
    for name in ("bwrap", "postgres", "terraform", "nats-server", "redis-server", "weed", "caddy", "uv"):
        assert programs[name]["ok"], programs[name]
        assert programs[name]["version"]
    assert found["sandbox"]["level"] in ("full", "partial", "none")


def test_doctor_says_what_a_setting_breaks(tmp_path: Path) -> None:
    result = pave(tmp_path, "doctor", PAVE_CADDY="/nowhere/caddy")
    assert result.exit_code == 1
    assert "/nowhere/caddy is not a program" in result.output


def test_login_prints_a_link_that_signs_in(data: Path, running: Running) -> None:
    result = pave(data, "login")
    assert result.exit_code == 0
    assert result.stdout.strip() == f"{running.url}/login?token=again"
