"""The documentation is true: its commands parse, its links lead somewhere, its lists are the code's."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from pave.cli.main import build
from pave.engine.registry import OPERATIONS

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_SPEC = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "reference.py")
reference = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(reference)


def commands(page: Path) -> list[str]:
    """Every command of Pave's that a reader may copy: in a block, or in `code` that begins with it."""
    text = page.read_text()
    if page.name == "operations.md":
        return []  # made from the grammar itself
    lines = re.findall(r"^ {4}(.+)$", text, re.MULTILINE)
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        lines += [line.removeprefix("$ ") for line in block.splitlines()]
    lines += re.findall(r"`(pave [a-z][^`]*)`", text)
    inner = [one for line in lines for one in re.findall(r"\$\((\.venv/bin/pave [^|)]*)", line)]
    found = [line.strip() for line in [*lines, *inner]]
    return [re.sub(r"^\.venv/bin/", "", one) for one in found if re.match(r"(\.venv/bin/)?pave ", one)]


COMMANDS = sorted({(page.name, one) for page in PAGES for one in commands(page)})


def test_the_pages_are_read() -> None:
    said = {one for _, one in COMMANDS}
    assert len(said) > 25
    assert "pave up" in {one.partition("  ")[0] for one in said}
    assert "pave connect dev/orders/db --json" in {one.strip() for one in said}


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=lambda one: one)
def test_every_command_parses(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: Any = typer.main.get_command(build(OPERATIONS))
    context = command.make_context("pave", [], resilient_parsing=True)
    while hasattr(command, "commands"):
        known = command.commands
        if not words:  # a group is named as a whole
            return
        if command.invoke_without_command and words[0].startswith("-"):  # a command by itself too
            break
        name = words.pop(0)
        assert name in known, f"{page}: pave has no command {name!r}"
        command = known[name]
    # Named in passing, without its arguments: the command's name is what is claimed.
    if any(one.required for one in command.params) and not words:
        return
    command.make_context(name, words, parent=context, resilient_parsing=False)


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_pages_made_from_the_code_are_up_to_date(name: str) -> None:
    written = (ROOT / "docs" / name).read_text()
    assert written == reference.PAGES[name](), "make docs"


def test_every_operation_and_setting_is_documented() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    for one in OPERATIONS:
        assert f"### {one.name}\n" in page
        assert one.summary in page


@pytest.mark.parametrize("page", PAGES, ids=lambda one: one.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_is_linked_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    assert not [page.name for page in PAGES[1:] if f"(docs/{page.name})" not in readme]


def test_the_readme_can_be_finished() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 100


def test_every_make_target_that_is_named_is_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {one for page in PAGES for one in re.findall(r"(?:^ {4}|`)make ([a-z]+)", page.read_text(), re.MULTILINE)}
    assert named
    assert named <= targets


def test_the_picture_of_the_layers_is_the_contract() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [{one.strip() for one in re.split(r"[|:]", layer)} - {"__main__"} for layer in contract["layers"]]
    page = (ROOT / "docs" / "architecture.md").read_text()
    picture = re.search(r"(?:^ {4}\w+ {2,}.*\n)+", page, re.MULTILINE)
    assert picture
    drawn = re.findall(r"^ {4}(\w+)", picture[0], re.MULTILINE)
    for layer in layers:
        assert set(drawn[: len(layer)]) == layer
        drawn = drawn[len(layer) :]
    assert drawn == []


@pytest.mark.parametrize("folder", sorted((ROOT / "pave" / "library" / "modules").iterdir()), ids=lambda one: one.name)
def test_every_module_says_what_it_is(folder: Path) -> None:
    assert len((folder / "README.md").read_text().split()) > 20


@pytest.mark.parametrize("kind", ["guardrails", "templates"])
def test_every_guardrail_and_template_says_what_it_is(kind: str) -> None:
    files = [
        *(ROOT / "pave" / "library" / "guardrails").glob("*.yaml"),
        *(ROOT / "pave" / "library" / "templates").glob("*/template.yaml"),
    ]
    here = [one for one in files if kind in one.parts]
    assert here
    for one in here:
        text = one.read_text()
        assert re.search(r"^  title: \S+ \S+", text, re.MULTILINE), one
        assert re.search(r"^ +(description|message): .{20}", text, re.MULTILINE), one
