"""Bad input and broken surroundings: each is refused with what, where and how; what served goes on serving."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from platform_for_tests import APP, TINY, Platform, commit_all, git, platform, repository

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform on which one application serves already."""
    folder = tmp_path_factory.mktemp("bad")
    with platform(folder / "data", PAVE_START_SECONDS="8") as running:
        repository(folder / "tiny", TINY)
        running.done("POST", "/components/import", {"url": str(folder / "tiny"), "name": "tiny"})
        yield running


@pytest.fixture(autouse=True)
def serves_on(serving: Platform) -> Iterator[None]:
    yield
    assert serving.fetch("dev/tiny").text == "version 1"
    serving.settle()
    serving.check()


def everything(there: Platform) -> dict[str, Any]:
    tree = there.commits()[0]
    return {
        "commit": str(tree.id),
        "repositories": there.repositories(),
        "programs": sorted(there.programs()),
        "workloads": there.inventory("workload"),
        "components": sorted(one["ref"] for one in there.get("/entities", limit=200)["entities"]),
        "half-made": [path.name for path in (there.data / "artifacts").glob("*/*") if path.parent.name != "sha256"],
    }


@contextlib.contextmanager
def nothing_made(there: Platform) -> Iterator[None]:
    """Whatever is tried within leaves no repository, no entry, no file, no process."""
    before = everything(there)
    yield
    assert everything(there) == before


def says(problem: dict[str, Any], *words: str) -> None:
    """The problem names what and where, and has a remedy."""
    told = " ".join(str(problem.get(key, "")) for key in ("summary", "detail", "remedy", "file", "path", "address"))
    assert problem.get("remedy"), problem
    for word in words:
        assert word in told, (word, problem)


def score(resources: str, variable: str = "plain") -> dict[str, str]:
    text = f"""\
apiVersion: score.dev/v1b1
metadata:
  name: app
containers:
  web:
    image: .
    command: [python, app.py]
    variables:
      IT: "{variable}"
service:
  ports:
    web: {{port: 80}}
resources:
{resources}
"""
    return {**TINY, "score.yaml": text}


def refused_import(there: Platform, folder: Path, files: dict[str, str], name: str = "refused") -> dict[str, Any]:
    with nothing_made(there):
        application = repository(folder / name, files)
        return there.refused("POST", "/components/import", {"url": str(application), "name": name})


def test_an_unknown_resource_type_is_refused_with_the_nearest_one(serving: Platform, tmp_path: Path) -> None:
    with nothing_made(serving):
        problem = serving.refused("POST", "/resources", {"component": "tiny", "name": "db", "type": "postgrs"})
    says(problem, "postgrs", "dev/tiny/db", "Did you mean 'postgres'")
    problem = refused_import(serving, tmp_path, score("  db: {type: postgrs}"))
    says(problem, "postgrs", "Did you mean 'postgres'")


def test_a_reference_to_an_output_that_is_not_there_is_refused(serving: Platform, tmp_path: Path) -> None:
    problem = refused_import(serving, tmp_path, score("  db: {type: postgres}", "${resources.db.hots}"))
    says(problem, "hots", "host")
    problem = refused_import(serving, tmp_path, score("  db: {type: postgres}", "${resources.bd.host}"), "other")
    says(problem, "bd")


def test_references_in_a_circle_are_refused(serving: Platform, tmp_path: Path) -> None:
    circle = """\
  a: {type: s3, params: {versions: "${resources.b.bucket}"}}
  b: {type: s3, params: {versions: "${resources.a.bucket}"}}"""
    problem = refused_import(serving, tmp_path, score(circle))
    says(problem, "a", "b")


def test_invalid_yaml_in_a_service_names_file_and_line(serving: Platform, tmp_path: Path) -> None:
    problem = refused_import(serving, tmp_path, {**TINY, "score.yaml": "apiVersion: score.dev/v1b1\nmetadata: [\n"})
    says(problem, "score.yaml")
    assert problem["line"] >= 2


def test_invalid_yaml_in_a_catalog_file_stops_nothing_else(serving: Platform, tmp_path: Path) -> None:
    application = repository(tmp_path / "odd", {**TINY, "catalog-info.yaml": "kind: Component\nmetadata: [\n"})
    run = serving.done("POST", "/components/import", {"url": str(application), "name": "odd"})
    assert serving.fetch("dev/odd").text == "version 1"
    (finding,) = run["result"]["remarks"]
    says(finding, "catalog-info.yaml")
    assert finding["line"] >= 2
    serving.done("DELETE", "/stacks/dev/odd")


def test_invalid_yaml_in_the_platform_repository_removes_nothing(serving: Platform) -> None:
    whole = serving.file("environments/dev.yaml")
    assert whole is not None
    serving.commit({"environments/dev.yaml": "apiVersion: pave/v1\nkind: [\n"})
    try:
        problem = serving.refused("POST", "/resources", {"component": "tiny", "name": "q", "type": "queue"})
        says(problem, "dev")
        serving.restart()
        assert serving.fetch("dev/tiny").text == "version 1"
        assert "environments/dev.yaml" in str(serving.get("/findings"))
    finally:
        serving.commit({"environments/dev.yaml": whole})
    serving.done("POST", "/stacks/dev/tiny/converge")


MODULE = """\
apiVersion: pave/v1
kind: Module
metadata: {{name: test/{name}, title: Broken, description: For a test., owner: "group:platform", version: 1.0.0}}
spec:
  provides: {{type: {name}}}
  engine: terraform
  stateful: false
"""
VARIABLE = 'variable "address" {\n  type = string\n}\n'
FAILS_IN_PLAN = (
    VARIABLE
    + """
resource "terraform_data" "this" {
  input = var.address
  lifecycle {
    precondition {
      condition     = length(var.address) > 1000
      error_message = "The address is not long enough by far."
    }
  }
}
"""
)
FAILS_IN_APPLY = (
    VARIABLE
    + """
resource "terraform_data" "first" {
  input = var.address
}

resource "terraform_data" "this" {
  input = terraform_data.first.id
  lifecycle {
    postcondition {
      condition     = self.id == "never"
      error_message = "It came out otherwise than it was meant."
    }
  }
}
"""
)
BROKEN = VARIABLE + 'resource "terraform_data" "this" {\n  input = var.nowhere\n}\n'


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("planfails", FAILS_IN_PLAN, ("not long enough by far", "trial/")),
        ("invalid", BROKEN, ("nowhere", "trial/")),
    ],
)
def test_a_module_that_fails_in_plan_changes_nothing(
    serving: Platform, name: str, text: str, words: tuple[str, ...]
) -> None:
    bind(serving, name, text)
    with nothing_made(serving):
        problem = serving.refused(
            "POST", "/resources", {"component": f"c-{name}", "name": "it", "type": name, "env": "trial"}
        )
        says(problem, *words)
    assert serving.status(f"trial/c-{name}") is None
    assert serving.control(f"SELECT * FROM terraform_states WHERE stack = 'trial/c-{name}'") == []


def test_a_module_that_fails_in_apply_is_told_and_not_tried_again(serving: Platform) -> None:
    bind(serving, "applyfails", FAILS_IN_APPLY)
    wanted = {"component": "late", "name": "it", "type": "applyfails", "env": "trial"}
    problem = serving.refused("POST", "/resources", wanted)
    says(problem, "otherwise than it was meant", "trial/late")
    stack = serving.status("trial/late")
    assert stack is not None
    assert stack["phase"] == "failed"
    assert "otherwise than it was meant" in str(stack["error"])
    runs = len(serving.get("/runs", subject="trial/late", limit=100)["runs"])
    serving.restart()
    serving.settle()
    assert len(serving.get("/runs", subject="trial/late", limit=100)["runs"]) == runs
    serving.done("DELETE", "/stacks/trial/late")
    assert serving.status("trial/late") is None
    assert serving.control("SELECT * FROM terraform_states WHERE stack = 'trial/late'") == []


def bind(there: Platform, name: str, text: str) -> None:
    there.commit(
        {
            f"modules/test-{name}/module.yaml": MODULE.format(name=name),
            f"modules/test-{name}/main.tf": text,
            "environments/trial.yaml": "apiVersion: pave/v1\nkind: Environment\nmetadata: {name: trial}\n"
            "spec:\n  kind: development\n  inherits: dev\n  resources:\n"
            f"    - {{type: {name}, module: test/{name}}}\n",
        }
    )


def test_a_version_that_never_becomes_healthy_leaves_the_old_one_serving(serving: Platform, tmp_path: Path) -> None:
    folder = repository(tmp_path / "slow", TINY)
    serving.done("POST", "/components/import", {"url": str(folder), "name": "slow"})
    before = [one for one in serving.programs() if one.startswith("dev.slow.")]
    (folder / "app.py").write_text("import time\nprint('waiting for Godot', flush=True)\ntime.sleep(600)\n")
    commit_all(folder, "Second")
    problem = serving.refused("POST", "/stacks/dev/slow/deploy", {})
    says(problem, "did not start", "Godot", "goes on serving", "dev/slow")
    (folder / "app.py").write_text("raise SystemExit('no such luck')\n")
    commit_all(folder, "Third")
    says(serving.refused("POST", "/stacks/dev/slow/deploy", {}), "no such luck", "dev/slow")
    assert serving.fetch("dev/slow").text == "version 1"
    assert [one for one in serving.programs() if one.startswith("dev.slow.")] == before
    (folder / "app.py").write_text(APP.replace('"1"', '"4"'))
    commit_all(folder, "Fourth")
    serving.done("POST", "/stacks/dev/slow/deploy", {})
    assert serving.fetch("dev/slow").text == "version 4"
    serving.done("DELETE", "/stacks/dev/slow")
    assert [one for one in serving.programs() if one.startswith("dev.slow.")] == []


def test_a_first_version_that_does_not_start_leaves_no_process(serving: Platform, tmp_path: Path) -> None:
    folder = repository(tmp_path / "never", {**TINY, "app.py": "raise SystemExit('never')\n"})
    says(serving.refused("POST", "/components/import", {"url": str(folder), "name": "never"}), "never", "dev/never")
    assert [one for one in serving.programs() if one.startswith("dev.never.")] == []
    assert "dev/never/workload" not in serving.inventory("workload")
    serving.done("DELETE", "/stacks/dev/never")


def test_the_ports_of_strangers_are_left_to_them(serving: Platform, tmp_path: Path) -> None:
    first = 20000 + zlib.crc32(b"dev/crowded/workload/0/web") % 12000
    folder = repository(tmp_path / "crowded", TINY)
    with socket.create_server(("127.0.0.1", first)):
        serving.done("POST", "/components/import", {"url": str(folder), "name": "crowded"})
        assert serving.fetch("dev/crowded").text == "version 1"
    serving.done("DELETE", "/stacks/dev/crowded")


def test_a_taken_port_of_the_api_is_named(serving: Platform, tmp_path: Path) -> None:
    assert serving.client is not None
    port = str(serving.client.base_url.port)
    command = [sys.executable, "-m", "pave", "--data", str(tmp_path / "other"), "up", "--port", port]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    said = second.stdout + second.stderr
    assert port in said
    assert "--port" in said
    assert Platform(tmp_path / "other").processes() == []
    again = subprocess.run(
        [sys.executable, "-m", "pave", "--data", str(serving.data), "up"], capture_output=True, text=True, check=False
    )
    assert "already" in again.stdout + again.stderr


def test_a_taken_port_of_the_router_and_a_full_disk(tmp_path: Path) -> None:
    folder = repository(tmp_path / "app", TINY)
    wanted = {"url": str(folder), "name": "app"}
    stranger = socket.create_server(("127.0.0.1", 0))
    port = str(stranger.getsockname()[1])
    with stranger, platform(tmp_path / "data", PAVE_ROUTER_PORT=port) as own:
        with full_disk(own.data / "artifacts") as full:
            if full:
                problem = own.refused("POST", "/components/import", wanted)
                says(problem, "no room on the disk")
                assert own.repositories() == []
                assert own.file("deployments/dev/app.yaml") is None
        problem = own.refused("POST", "/components/import", wanted)
        says(problem, port, "router_port")
        assert own.programs().keys() == {"control"}
        stranger.close()
        own.done("POST", "/stacks/dev/app/converge")
        assert own.fetch("dev/app").text == "version 1"
        own.check()


@contextlib.contextmanager
def full_disk(place: Path) -> Iterator[bool]:
    place.mkdir(mode=0o700, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        yield False  # only root can make a small disk
        return
    try:
        yield True
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("name", ["../evil", "..", "a/../../b", "/etc/evil", "evil\0", "Ä", "-x", "a" * 200])
def test_a_name_that_leads_elsewhere_is_refused(serving: Platform, tmp_path: Path, name: str) -> None:
    folder = repository(tmp_path / "app", TINY)
    with nothing_made(serving):
        asked: list[tuple[str, Any]] = [
            ("/components", {"name": name}),
            ("/components/import", {"url": str(folder), "name": name}),
            ("/resources", {"component": name, "name": "db", "type": "postgres"}),
            ("/resources", {"component": "tiny", "name": name, "type": "postgres"}),
            ("/resources", {"component": "tiny", "name": "db", "type": "postgres", "env": name}),
            ("/environments", {"name": name}),
        ]
        for path, body in asked:
            problem = serving.refused("POST", path, body)
            assert problem["status"] == 422, (path, body, problem)
            assert problem["problem"]["remedy"], (path, body, problem)
    assert not [path for path in serving.data.parent.iterdir() if "evil" in path.name]


def test_a_python_that_is_not_installed_is_refused_with_those_that_are(serving: Platform, tmp_path: Path) -> None:
    project = '[project]\nname = "a"\nversion = "1"\nrequires-python = "{}"\n'
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    modern = {"Procfile": "web: python app.py\n", "app.py": APP, "pyproject.toml": project.format(">=3.99")}
    says(refused_import(serving, tmp_path, modern), "3.99", here)
    node = {
        "package.json": '{"name": "a", "version": "1.0.0", "engines": {"node": ">=99"}}',
        "a.js": "",
        "Procfile": "web: node a.js\n",
    }
    says(refused_import(serving, tmp_path, node, "node"), "99", "Node")
    pinned = repository(
        tmp_path / "pinned", {**modern, "pyproject.toml": project.format(">=3.9"), ".python-version": "3.99"}
    )
    serving.done("POST", "/components/import", {"url": str(pinned), "name": "pinned"})
    assert serving.fetch("dev/pinned").text == "version 1"
    serving.done("DELETE", "/stacks/dev/pinned")


def test_a_hostile_repository_does_nothing_and_leaves_nothing(serving: Platform, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    for url in (
        f"ext::sh -c 'touch {canary}'",
        f"--upload-pack=touch {canary}",
        f"-oProxyCommand=touch {canary}",
        f"ssh://-oProxyCommand=touch%20{canary}/x",
        "file:///etc",
        str(tmp_path / "not-there"),
    ):
        with nothing_made(serving):
            problem = serving.refused("POST", "/components/import", {"url": url, "name": "evil"})
            says(problem)

    linked = repository(tmp_path / "linked", TINY)
    (linked / "secrets").symlink_to("/etc/passwd")
    commit_all(linked, "Second")
    inner = repository(tmp_path / "inner", TINY)
    modular = repository(tmp_path / "modular", TINY)
    git(modular, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner), "inner")
    commit_all(modular, "Second")
    for folder, word in ((linked, "secrets"), (modular, "inner")):
        with nothing_made(serving):
            problem = serving.refused("POST", "/components/import", {"url": str(folder), "name": "evil"})
            says(problem, word)

    hooked = repository(tmp_path / "hooked", TINY)
    for hook in ("post-checkout", "post-upload-pack", "pre-receive", "reference-transaction"):
        file = hooked / ".git" / "hooks" / hook
        file.write_text(f"#!/bin/sh\ntouch {canary}\n")
        file.chmod(0o755)
    git(hooked, "config", "core.fsmonitor", f"touch {canary}")
    git(hooked, "config", "uploadpack.packObjectsHook", f"touch {canary};")
    serving.done("POST", "/components/import", {"url": str(hooked), "name": "hooked"})
    assert serving.fetch("dev/hooked").text == "version 1"
    serving.done("DELETE", "/stacks/dev/hooked")
    assert not canary.exists()
