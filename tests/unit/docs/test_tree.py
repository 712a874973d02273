"""The tree keeps its own rules: sizes, names, and no address that something is fetched from."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest

ROOT = Path(__file__).parents[3]
SOURCES = [one for one in sorted((ROOT / "pave").rglob("*.py")) if "library" not in one.relative_to(ROOT).parts]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
VAGUE = {"util", "utils", "common", "helper", "helpers", "manager", "managers", "base", "misc", "core"}
_ENGLISH = {"test", "example", "localhost", "invalid"}  # RFC 2606: names that lead nowhere
_NAMED = {
    "in-toto.io",
    "slsa.dev",
    "pave.dev",
    "json-schema.org",
    "www.w3.org",
    "example.org",
    "example.com",
    "127.0.0.1",
    "::1",
}
_THANKS = {"github.com", "opencollective.com", "feross.org", "www.patreon.com", "tidelift.com"}


def tracked() -> list[Path]:
    said = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if said.returncode:
        pytest.skip("not a checkout")
    return [ROOT / one for one in said.stdout.split("\0") if one and (ROOT / one).is_file()]


def test_no_file_is_longer_than_500_lines() -> None:
    long = [one for one in [*SOURCES, *TESTS] if len(one.read_text().splitlines()) > 500]
    assert [str(one.relative_to(ROOT)) for one in long] == []


def test_no_function_is_longer_than_60_lines() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{one.lineno} {one.name}"
        for path in SOURCES
        for one in ast.walk(ast.parse(path.read_text()))
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and (one.end_lineno or 0) - one.lineno >= 60
    ]
    assert long == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [str(one) for one in SOURCES if VAGUE & {one.stem, *one.relative_to(ROOT).parent.parts}] == []


def test_every_module_says_why_it_is_there() -> None:
    silent = [
        str(one) for one in SOURCES if one.read_text().strip() and not ast.get_docstring(ast.parse(one.read_text()))
    ]
    assert silent == []


def test_nothing_is_left_for_later() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX)\b")
    assert [f"{one}: {found[0]}" for one in SOURCES if (found := words.search(one.read_text()))] == []


def test_no_file_names_an_address_that_something_is_fetched_from() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for address in re.findall(r"https?://[^\s\"'`<>)\\]+", text):
            host = re.sub(r"[^a-z0-9.:-].*", "", (urlsplit(address).netloc.rsplit("@", 1)[-1]).lower()).split(":")[0]
            thanks = host in _THANKS and path.name == "package-lock.json"
            reserved = not host or "." not in host or host.rsplit(".", 1)[-1] in _ENGLISH
            if not (reserved or thanks or host in _NAMED or host.endswith((".example.com", ".example.org"))):
                found.append(f"{path.relative_to(ROOT)}: {address}")
    assert found == []


def test_no_lock_file_names_where_its_packages_lie() -> None:
    for path in (one for one in tracked() if one.name in ("requirements.lock", "package-lock.json", "uv.lock")):
        assert not re.search(r'"resolved"|--(extra-)?index-url|--find-links|^-i ', path.read_text(), re.MULTILINE), path
