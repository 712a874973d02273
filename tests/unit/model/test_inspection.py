"""Repositories as they are: what Pave makes of them, and why not."""

from __future__ import annotations

import pytest

from pave.model.conventions import CONVENTIONS, NAMES, SIGNS, variables_for
from pave.model.diagnostics import Severity
from pave.model.inspection import inspect
from pave.model.names import Ref
from pave.model.placeholder import placeholders
from pave.model.workload import Need, Port, Probe

SCORE = "apiVersion: score.dev/v1b1\nmetadata: {name: tiny}\ncontainers: {web: {image: nginx}}\n"
FLASK = {
    "Procfile": "# processes\nrelease: flask db upgrade\nweb: gunicorn app:app\nmail_worker: python worker.py\n",
    "requirements.txt": "flask\n",
    "app.py": 'import os\nURL = os.environ["DATABASE_URL"]\n@app.get("/healthz")\ndef health(): ...\n',
    "worker.py": 'os.environ.get("REDIS_URL", "redis://localhost")\n',
}


def errors(inspection) -> str:
    return " ".join(str(one) for one in inspection.findings if one.severity is Severity.ERROR)


def test_score_is_taken_at_its_word(tree_of) -> None:
    found = inspect(tree_of({**FLASK, "score.yaml": SCORE}), "orders")
    assert (found.file, found.workload.name, found.workload.resources) == ("score.yaml", "tiny", {})
    assert found.processes["release"] == "flask db upgrade"


def test_a_broken_score_file_is_no_reason_to_guess(tree_of) -> None:
    found = inspect(tree_of({**FLASK, "score.yaml": SCORE.replace("image", "imgae")}), "orders")
    assert found.workload is None
    assert "score.yaml:3" in errors(found)


def test_a_procfile_becomes_a_workload_with_what_the_program_reads(tree_of) -> None:
    found = inspect(tree_of(FLASK), "My_Orders")
    assert (found.language, found.file, errors(found)) == ("python", "Procfile", "")
    workload = found.workload
    assert workload.name == "my-orders"
    web, worker = workload.containers
    assert (web.name, web.image, web.command, web.readiness) == ("web", ".", (), Probe("/healthz", 80))
    assert (worker.name, worker.command, worker.readiness) == (
        "mail-worker",
        ("/bin/sh", "-c", "python worker.py"),
        None,
    )
    assert workload.ports == (Port("web", 80),)
    assert workload.resources == {"db": Need("db", "postgres"), "cache": Need("cache", "redis")}
    assert web.variables["DATABASE_URL"] == (
        "postgresql://${resources.db.username}:${resources.db.password}"
        "@${resources.db.host}:${resources.db.port}/${resources.db.database}"
    )
    assert set(web.variables) == set(worker.variables) == {"DATABASE_URL", "REDIS_URL"}
    assert "app.py names DATABASE_URL" in " ".join(map(str, found.findings))


def test_tests_and_dependencies_do_not_say_what_a_program_needs(tree_of) -> None:
    files = {
        "Procfile": "web: node server.js\n",
        "package.json": "{}",
        "server.js": "const url = process.env.TEST_DATABASE_URL",
        "node_modules/pg/index.js": "process.env.DATABASE_URL",
        "tests/db.py": "DATABASE_URL",
        "package-lock.json": "NATS_URL",
        "big.js": "REDIS_URL" + " " * 300_000,
    }
    assert inspect(tree_of(files), "x").workload.resources == {}


@pytest.mark.parametrize(
    ("files", "language", "file"),
    [
        ({"package.json": '{"scripts": {"start": "node server.js"}}'}, "node", "package.json"),
        ({"package.json": "{}", "server.js": ""}, "node", "server.js"),
        ({"index.html": "<h1>"}, "static", "index.html"),
        ({"public/index.html": "<h1>"}, "static", "public/index.html"),
        ({"requirements.txt": "django", "manage.py": ""}, "python", "manage.py"),
        ({"Procfile": "release: make\n", "requirements.txt": "", "app.py": ""}, "python", "app.py"),
    ],
)
def test_without_a_procfile_the_usual_entry_points_are_taken(tree_of, files, language, file) -> None:
    found = inspect(tree_of(files), "x")
    assert (found.language, found.file) == (language, file)
    (web,) = found.workload.containers
    assert (web.name, web.command, web.readiness) == ("web", (), Probe("/", 80))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"README.md": "#"}, "nothing in this repository"),
        ({"requirements.txt": "flask"}, "how to start this python program"),
        ({"package.json": '{"scripts": {"test": "x"}}'}, "how to start this node program"),
        ({"package.json": "not json"}, "how to start this node program"),
    ],
)
def test_what_cannot_be_run_is_said_with_what_would_be_needed(tree_of, files, said) -> None:
    found = inspect(tree_of(files), "x")
    assert found.workload is None
    assert said in errors(found)
    assert all(one.remedy for one in found.findings)


def test_a_worker_alone_has_no_port(tree_of) -> None:
    found = inspect(tree_of({"Procfile": "worker: python w.py\nnot a process\n"}), "x")
    assert (found.workload.ports, [one.name for one in found.workload.containers]) == ((), ["worker"])
    assert found.findings[0].source.line == 2


COMPONENT = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: a}
spec: {type: x, lifecycle: y, owner: team-a}
"""


@pytest.mark.parametrize(
    ("files", "owner"),
    [
        ({"catalog-info.yaml": COMPONENT, "CODEOWNERS": "* @acme/other\n"}, Ref("group", "default", "team-a")),
        ({"catalog-info.yml": COMPONENT}, Ref("group", "default", "team-a")),
        ({"backstage.yaml": COMPONENT}, Ref("group", "default", "team-a")),
        (
            {"CODEOWNERS": "* @acme/first\n/docs/ @acme/docs\n* @dana @acme/Second # last\n"},
            Ref("group", "default", "second"),
        ),
        ({".github/CODEOWNERS": "* @Dana\n"}, Ref("user", "default", "dana")),
        ({"CODEOWNERS": "* someone@example.com\n"}, None),
        ({"CODEOWNERS": "/src @acme/x\n"}, None),
    ],
)
def test_the_owner_is_who_the_repository_says(tree_of, files, owner) -> None:
    assert inspect(tree_of(files), "x").owner == owner


def test_locations_are_followed_inside_the_repository(tree_of) -> None:
    location = (
        "apiVersion: backstage.io/v1alpha1\nkind: Location\nmetadata: {name: all}\n"
        "spec: {targets: [./b/catalog-info.yaml, '../out.yaml', 'https://a.example/x.yaml', ./catalog-info.yaml]}\n"
    )
    found = inspect(tree_of({"catalog-info.yaml": location, "b/catalog-info.yaml": COMPONENT, "README.md": "x"}), "x")
    assert [str(one.ref) for one in found.entities] == ["location:default/all", "component:default/a"]
    assert found.entities[1].source.file == "b/catalog-info.yaml"
    assert found.docs == ("README.md",)


def test_every_convention_names_its_resource_and_can_be_told() -> None:
    assert set(CONVENTIONS) == set(NAMES) == set(SIGNS)
    for type_ in CONVENTIONS:
        for text in variables_for(type_, "reports").values():
            assert placeholders(text)
            assert {one.path[0] for one in placeholders(text)} == {"reports"}
