"""What a repository's files turn into: behaviour as data, nothing is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from pave.adapters.build import node, python, static
from pave.adapters.build.interpreters import Interpreter
from pave.adapters.build.recipe import Files, shell
from pave.model.diagnostics import Refused

PYTHON = Interpreter("python", "3.11.7", Path("/usr/bin/python3.11"))
NODE = Interpreter("node", "20.20.2", Path("/usr/bin/node"), npm=Path("/usr/lib/node_modules/npm/bin/npm-cli.js"))
PROJECT = '[project]\nname = "a"\nversion = "1"\n'


@pytest.fixture
def repository(tmp_path):
    def write(**files: str) -> Files:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Files(tmp_path)

    return write


@pytest.mark.parametrize(
    ("files", "web"),
    [
        ({"requirements.txt": "gunicorn", "Procfile": "web: gunicorn app:app\n"}, "exec gunicorn app:app"),
        ({"requirements.txt": "flask\ngunicorn", "app.py": "app = Flask(__name__)\n"},
         "exec gunicorn app:app --bind ${HOST:-0.0.0.0}:$PORT"),
        ({"requirements.txt": "fastapi\nuvicorn[standard]", "main.py": "api: FastAPI = FastAPI()\n"},
         "exec uvicorn main:api --host ${HOST:-0.0.0.0} --port $PORT"),
        ({"requirements.txt": "django\ngunicorn", "manage.py": "", "shop/wsgi.py": ""},
         "exec gunicorn shop.wsgi --bind ${HOST:-0.0.0.0}:$PORT"),
        ({"requirements.txt": "requests", "main.py": "print()\n"}, "main.py"),
        ({"pyproject.toml": PROJECT + '[project.scripts]\nserve = "a:main"\n[build-system]\nrequires = []\n'}, "serve"),
    ],
)  # fmt: skip
def test_a_python_application_starts_as_its_files_suggest(repository, files, web):
    assert python.recipe(repository(**files), PYTHON).processes["web"][-1] == web


@pytest.mark.parametrize(
    ("files", "web"),
    [
        ({"package.json": '{"scripts": {"start": "node server.js"}}'}, "exec node server.js"),
        ({"package.json": '{"scripts": {"start": "node a", "serve": "node b"}}', "Procfile": "web: npm run serve"},
         "exec node b"),
        ({"package.json": '{"scripts": {"start": "NODE_ENV=x node a.js"}}'}, "NODE_ENV=x node a.js"),
        ({"package.json": '{"main": "lib/main.js"}', "lib/main.js": ""}, "lib/main.js"),
        ({"package.json": '{"scripts": {"prestart": "", "start": ""}}', "Procfile": "w: npm start\nweb: npm start"},
         "exec npm start"),
    ],
)  # fmt: skip
def test_a_node_application_starts_as_its_files_suggest(repository, files, web):
    assert node.recipe(repository(**files), NODE, PYTHON).processes["web"][-1] == web


@pytest.mark.parametrize("line", ["./library", "-e .", "library @ file:///app/library", ".[extra]"])
def test_requirements_that_need_the_repository_are_no_shared_layer(repository, line):
    made = python.recipe(repository(**{"requirements.txt": f"flask==3\n{line}\n"}), PYTHON)
    assert made.layer is None
    assert not any(step.shared_cache for step in made.steps)


def test_included_requirements_are_part_of_the_layer(repository):
    files = {
        "requirements.txt": "-r requirements/production.txt\n",
        "requirements/production.txt": "-r base.txt\n-c limits.txt\ngunicorn==1 --hash=sha256:00\n",
        "requirements/base.txt": "flask==3  # web\n",
        "requirements/limits.txt": "click==8\n",
    }
    made = python.recipe(repository(**files), PYTHON)
    assert set(made.layer.files) == set(files)
    assert not made.layer.daily


def test_requirements_outside_of_the_repository_are_not_read(repository, tmp_path):
    (tmp_path.parent / "secret.txt").write_text("secret==1\n")
    made = python.recipe(repository(**{"requirements.txt": "-r ../secret.txt\n"}), PYTHON)
    assert made.layer is None


def test_requirements_written_by_powershell_are_read(repository, tmp_path):
    (tmp_path / "requirements.txt").write_bytes("Flask==3.1.3\r\n".encode("utf-16"))
    made = python.recipe(Files(tmp_path), PYTHON)
    assert made.layer.files["requirements.txt"] == b"Flask==3.1.3\n"


def test_what_is_not_pinned_is_said_and_resolved_again_every_day(repository):
    made = python.recipe(
        repository(**{"requirements.txt": "flask\nclick>=8\nattrs==1.*\nidna==3.7; python_version>'3'\n"}), PYTHON
    )
    assert made.layer.daily
    assert made.notes == ("3 of 4 requirements in requirements.txt are not pinned: another day's build may differ",)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"poetry.lock": "", "pyproject.toml": PROJECT}, r"poetry.lock.*poetry export"),
        ({"Pipfile": ""}, r"Pipfile.*pipenv requirements"),
        ({"pyproject.toml": "[tool.poetry.dependencies]\nflask = '*'\n"}, r"tool.poetry.dependencies.*for Poetry only"),
        ({"pyproject.toml": "[project\n"}, r"pyproject.toml is not valid TOML"),
    ],
)
def test_what_python_cannot_be_built_from_is_refused(repository, files, message):
    with pytest.raises(Refused, match=message):
        python.recipe(repository(**files), PYTHON)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_broken_package_json_is_refused(repository, text):
    with pytest.raises(Refused, match=r"package\.json is not"):
        node.recipe(repository(**{"package.json": text}), NODE, PYTHON)


def test_only_the_installer_runs_where_the_shared_cache_is(repository):
    lock = '{"packages": {"node_modules/a": {"hasInstallScript": true}}}'
    files = repository(**{"package.json": '{"scripts": {"build": "x", "postinstall": "y"}}', "package-lock.json": lock})
    made = node.recipe(files, NODE, PYTHON)
    shared = [step for step in (*made.layer.steps, *made.layer.last, *made.steps) if step.shared_cache]
    assert [step.argv[1:] for step in shared] == [("ci", "--include=dev", "--ignore-scripts")]


def test_a_website_is_found_where_websites_lie(repository):
    made = static.recipe(repository(**{"docs/index.html": "", "index.html": "", "README.md": ""}), PYTHON)
    assert made.processes["web"][-1] == "/app/docs"


@pytest.mark.parametrize(
    ("command", "run"),
    [
        ("gunicorn app:app", "exec gunicorn app:app"),
        ("a && b", "a && b"),
        ("PORT=1 a", "PORT=1 a"),
        ("cd src; a", "cd src; a"),
        ("a $(b)", "a $(b)"),
    ],
)
def test_a_single_command_becomes_the_process_itself(command, run):
    assert shell(command) == ("/bin/sh", "-c", run)
