"""Python repositories built for real."""

from __future__ import annotations

import socket
import time
from dataclasses import replace

import pytest

from pave.adapters.build.builder import SandboxBuilder
from pave.apply.retry import Cancelled
from pave.model.diagnostics import Refused

WSGI = """
import os, sys
from wsgiref.simple_server import make_server

def app(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [MESSAGE.encode()]

MESSAGE = "hello"
"""
SERVE = '\nmake_server("127.0.0.1", int(os.environ["PORT"]), app).serve_forever()\n'

LOCK = """
version = 1
revision = 3
requires-python = ">=3.9"

[[package]]
name = "itsdangerous"
version = "2.1.2"
source = { registry = "GONE/simple" }
wheels = [
  { url = "GONE/itsdangerous-2.1.2-py3-none-any.whl", hash = "sha256:HASH" },
]

[[package]]
name = "locked"
version = "1.0"
source = { virtual = "." }
dependencies = [{ name = "itsdangerous" }]

[package.metadata]
requires-dist = [{ name = "itsdangerous" }]
"""


def test_an_application_with_a_procfile_answers_unchanged(build, serve):
    artifact = build("guestbook")
    assert artifact.language == "python"
    assert set(artifact.processes) == {"release", "web"}
    with serve(artifact, {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}) as client:
        assert client.get("/ping").text == "pong"


def test_the_same_files_give_the_same_digest_even_from_nothing(build, builder, tmp_path):
    first = build("guestbook")
    builder.remove(first.digest)
    for layer in (builder._cache / "layers").iterdir():
        layer.rename(tmp_path / layer.name)
    second = build("guestbook")
    assert "Install dependencies" in build.text
    assert second == first
    assert builder.artifacts.verify(second.digest) == ()


def test_a_build_whose_dependencies_did_not_change_is_quick(build):
    build("guestbook")
    began = time.monotonic()
    build("guestbook")
    assert time.monotonic() - began < 2
    assert "The dependencies have not changed" in build.text


def test_a_changed_file_changes_the_digest(build):
    files = {"requirements.txt": "", "app.py": WSGI + SERVE}
    first = build(files)
    assert build({**files, "app.py": WSGI + "MESSAGE = 'other'" + SERVE}).digest != first.digest


def test_a_project_with_a_build_system_is_installed_with_its_script(build, serve):
    artifact = build({
        "pyproject.toml": (
            '[project]\nname = "greeter"\nversion = "1.0"\ndependencies = ["itsdangerous==2.2.0"]\n'
            '[project.scripts]\ngreet = "greeter:main"\n'
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
        ),
        "src/greeter/__init__.py": WSGI
        + "from itsdangerous import Signer\nMESSAGE = Signer('k').unsign(Signer('k').sign('signed')).decode()\n"
        + "def main():\n    " + SERVE.strip() + "\n",
    })  # fmt: skip
    assert artifact.processes == {"web": ["greet"]}
    with serve(artifact) as client:
        assert client.get("/").text == "signed"


def test_a_uv_lock_is_followed_to_the_letter_from_the_machines_own_index(build, serve):
    lock = LOCK.replace("GONE", "https://gone.example")
    lock = lock.replace("HASH", "2c2349112351b88699d8d4b6b075022c0808887cb7ad10069318a8b0bc88db44")
    project = (
        '[project]\nname = "locked"\nversion = "1.0"\nrequires-python = ">=3.9"\ndependencies = ["itsdangerous"]\n'
    )
    artifact = build({
        "pyproject.toml": project,
        "uv.lock": lock,
        "main.py": WSGI + "from importlib.metadata import version\nMESSAGE = version('itsdangerous')\n" + SERVE,
    })  # fmt: skip
    with serve(artifact) as client:
        assert client.get("/").text == "2.1.2"


def test_a_lock_that_pyproject_has_outgrown_is_refused(build):
    with pytest.raises(Refused, match=r"does not know attrs.*Run `uv lock`"):
        build({
            "pyproject.toml": '[project]\nname = "a"\nversion = "1"\ndependencies = ["attrs"]\n',
            "uv.lock": 'version = 1\n[[package]]\nname = "a"\nversion = "1"\nsource = { virtual = "." }\n',
        })  # fmt: skip


def test_a_package_of_the_repository_is_built_and_cannot_poison_what_others_get(build, serve, builder):
    artifact = build({
        "requirements.txt": "./library\n",
        "library/setup.py": (
            "import os, pathlib\nfrom setuptools import setup\n"
            "pathlib.Path(os.environ['UV_CACHE_DIR'], 'poison').write_text('x')\n"
            "setup(name='library', version='1.0', py_modules=['library'])\n"
        ),
        "library/library.py": "MESSAGE = 'from the library'\n",
        "main.py": WSGI + "from library import MESSAGE\n" + SERVE,
    })  # fmt: skip
    assert "building what has no wheel" in build.text
    assert not [path for path in builder._cache.rglob("*") if path.name == "poison"]
    with serve(artifact) as client:
        assert client.get("/").text == "from the library"


def test_what_is_not_there_is_refused_with_what_the_installer_said(build, builder):
    before = sorted((builder._cache / "layers").glob("*"))
    with pytest.raises(Refused, match=r"(?s)Install dependencies.*itsdangerous.*99"):
        build({"requirements.txt": "itsdangerous==99.9\n", "app.py": WSGI + SERVE})
    assert sorted((builder._cache / "layers").glob("*")) == before
    assert not list((builder._cache / "builds").iterdir())


def test_a_pin_that_is_not_installed_gives_way_to_the_range_beside_it(build):
    build({
        ".python-version": "3.99\n",
        "pyproject.toml": '[project]\nname = "a"\nversion = "1"\nrequires-python = ">=3.9"\n',
        "main.py": WSGI + SERVE,
    })  # fmt: skip
    assert "names Python 3.99, which is not installed; pyproject.toml allows >=3.9" in build.text


def test_a_python_that_is_not_installed_is_refused_with_those_that_are(build):
    with pytest.raises(Refused, match=r"wants Python >=3\.99.*Installed: .*3\.\d+\.\d+"):
        build({"pyproject.toml": '[project]\nname = "a"\nversion = "1"\nrequires-python = ">=3.99"\n'})


def test_a_build_is_cancelled(build, builder):
    slow = "from setuptools import setup\nimport time\nprint('asleep', flush=True)\ntime.sleep(300)\nsetup(name='a')\n"
    began = time.monotonic()
    with pytest.raises(Cancelled):
        build({"setup.py": slow, "main.py": WSGI + SERVE}, cancel=lambda: time.monotonic() > began + 1.5)
    assert time.monotonic() - began < 15
    assert not list((builder._cache / "builds").iterdir())


def test_own_code_reaches_neither_the_machines_network_nor_its_settings(build):
    with socket.create_server(("127.0.0.1", 0)) as server:
        build({
            "requirements.txt": "",
            "manage.py": (
                "import os, socket\n"
                "print('settings', sorted(name for name in os.environ if name.startswith(('PIP', 'UV', 'SSL'))))\n"
                f"try:\n    socket.create_connection({server.getsockname()!r}, 1)\n    print('reached')\n"
                "except OSError as problem:\n    print('not reached')\n"
            ),
        })  # fmt: skip
    assert "not reached" in build.text
    assert "settings ['UV_CACHE_DIR', 'UV_NO_CONFIG', 'UV_OFFLINE']" in build.text


def test_a_dependency_without_a_wheel_is_built(build, serve):
    files = {
        "requirements.txt": "docopt==0.6.2\n",
        "main.py": WSGI + "from docopt import __version__ as MESSAGE\n" + SERVE,
    }
    artifact = build(files)
    assert "A dependency has no wheel" in build.text
    with serve(artifact) as client:
        assert client.get("/").text == "0.6.2"
    assert build(files) == artifact
    assert "The dependencies have not changed" in build.text


def test_nothing_is_built_where_builds_cannot_be_confined(build, data):
    bare = replace(build.builder._sandbox, level="none", reason="no user namespaces")
    build.builder = SandboxBuilder(build.builder._settings, bare)
    with pytest.raises(Refused, match=r"cannot confine a build.*no user namespaces"):
        build("guestbook")


def test_a_repository_without_a_command_is_refused(build):
    with pytest.raises(Refused, match="Nothing says how to start app"):
        build({"requirements.txt": "", "lib.py": ""})


def test_a_repository_that_no_recipe_knows_is_refused(build):
    with pytest.raises(Refused, match="This repository cannot be built"):
        build({"main.go": "package main"})
