"""The golden paths are right in every format, with a database and without one."""

from __future__ import annotations

import ast
import json
import re
import sys

import pytest
from render_naively import TEMPLATES, WITHOUT_DATABASE, render

from pave.model.backstage import read_entities
from pave.model.score import read_workload
from pave.model.software_template import read_template, unsupported_actions

CASES = [("python-service", True), ("python-service", False), ("node-service", True), ("node-service", False),
         ("worker", False)]  # fmt: skip


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0]}{'' if case[1] else ' without a database'}")
def case(request):
    return request.param


@pytest.fixture
def files(case):
    return render(case[0], database=case[1])


@pytest.mark.parametrize("name", WITHOUT_DATABASE)
def test_a_template_is_accepted_with_every_action_it_runs(name):
    path = TEMPLATES / name / "template.yaml"
    template = read_template(path.read_bytes(), str(path), name, "", lambda _: None)
    assert unsupported_actions(template) == ()
    asked = template.pages[0]["properties"]
    assert set(asked) >= {"name", "owner", "description"}
    assert re.fullmatch(asked["name"]["pattern"], "order-intake2")
    assert not re.search(asked["name"]["pattern"], "../etc")
    trimmed = [one for step in template.steps if step.action == "fs:delete" for one in step.input["files"]]
    assert tuple(trimmed) == WITHOUT_DATABASE[name]


def test_what_it_needs_to_run_is_valid_score(case, files):
    workload = read_workload(files["score.yaml"], "score.yaml")
    assert workload.name == "orders"
    assert {need.type for need in workload.resources.values()} == (
        {"queue"} if case[0] == "worker" else {"postgres"} if case[1] else set()
    )
    for container in workload.containers:
        assert container.image == "."
        assert all("${resources." in text for text in container.variables.values())


def test_what_it_is_and_whose_is_a_valid_entity(files):
    [entity], problems = read_entities(files["catalog-info.yaml"], "catalog-info.yaml", lambda _: None)
    assert problems == ()
    assert str(entity.owner) == "group:default/payments"
    assert entity.metadata["description"] == 'Takes "orders".'


def test_nothing_of_the_template_is_left_in_what_it_makes(files):
    for name, content in files.items():
        text = content.decode()
        assert "${{" not in text, name
        assert "{%" not in text, name
        assert "\n\n\n\n" not in text, name
        assert text.endswith("\n"), name
        assert not text.endswith("\n\n"), name


def test_its_python_is_python_and_imports_only_what_it_has(files):
    own = {name.split("/")[0] for name in files}
    pinned = {
        re.split(r"[=\[]", line)[0].replace("-", "_") for line in files.get("requirements.txt", b"").decode().split()
    }
    known = own | pinned | set(sys.stdlib_module_names) | {"pytest", "nats"}
    for name, content in files.items():
        if name.endswith(".py"):
            tree = ast.parse(content, name)
            imports = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
            imports |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            assert {one.split(".")[0] for one in imports} <= known, name


def test_its_npm_lock_is_that_of_its_package():
    for database in (True, False):
        files = render("node-service", database=database)
        package, lock = json.loads(files["package.json"]), json.loads(files["package-lock.json"])
        assert lock["packages"][""]["dependencies"] == package["dependencies"]
        assert ("node_modules/pg" in lock["packages"]) is database
        assert b"resolved" not in files["package-lock.json"]
