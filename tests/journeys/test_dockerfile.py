"""A repository with a Dockerfile: imported, pushed to and answering, with the real git and a real container engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line_for_tests import pave, pave_json
from engine_for_tests import BASE, engine
from platform_for_tests import Platform, commit_all, platform, repository

pytestmark = pytest.mark.timeout(300)

DOCKERFILE = f"""\
FROM {BASE}
COPY page.html /www/index.html
CMD exec httpd -f -p "$PORT" -h /www
"""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder = tmp_path_factory.mktemp("dockerfile")
    with (
        engine(tmp_path_factory.mktemp("engine")) as variables,
        platform(folder / "data", **variables, PAVE_BUILD_NETWORK="none") as running,
    ):
        yield running


def test_a_dockerfile_is_all_that_a_repository_needs(there: Platform, tmp_path: Path) -> None:
    source = repository(tmp_path / "page", {"Dockerfile": DOCKERFILE, "page.html": "in a container\n"})
    said = pave(there.data, "import", str(source))
    assert "http://page.dev.localhost" in said
    assert there.fetch("dev/page").text == "in a container\n"
    (source / "page.html").write_text("the next one\n")
    commit_all(source, "Next")
    pave(there.data, "deploy", "dev/page")
    assert there.fetch("dev/page").text == "the next one\n"
    status = there.status("dev/page") or {}
    assert status["built_with"].startswith("docker ")
    found = pave_json(there.data, "provenance", "verify", status["artifact"])
    assert found["ok"], found
    there.settle()
    there.check()
