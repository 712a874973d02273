"""Commands from declarations."""

from __future__ import annotations

import pytest
from site_for_tests import OPERATIONS, view
from typer.testing import CliRunner

from pave.cli.commands import exit_code, grammar
from pave.cli.main import build


@pytest.mark.parametrize(
    ("cli", "words", "fields"),
    [
        ("runs", ["runs"], []),
        ("add {component} {name}", ["add"], [("component", True), ("name", True)]),
        ("env create {name} [{like}]", ["env", "create"], [("name", True), ("like", False)]),
        ("status [stack]", ["status"], [("stack", False)]),
    ],
)
def test_a_template_is_words_and_fields(cli: str, words: list[str], fields: list[tuple[str, bool]]) -> None:
    assert grammar(cli) == (words, fields)


@pytest.mark.parametrize(
    ("state", "parts", "code"),
    [
        ("succeeded", {}, 0),
        ("running", {}, 0),
        ("failed", {}, 1),
        ("cancelled", {}, 1),
        ("denied", {}, 3),
        ("failed", {"verdict": {"outcome": "denied"}}, 3),
    ],
)
def test_the_exit_code_says_how_a_run_ended(state: str, parts: dict, code: int) -> None:
    assert exit_code(view("run-1", state, **parts)) == code


def test_a_dry_run_that_needs_an_approval_is_denied_for_now() -> None:
    assert exit_code(view("", "succeeded", verdict={"outcome": "needs-approval"})) == 3


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_every_operation_is_a_command_with_help(operation) -> None:
    words, fields = grammar(operation.cli)
    result = CliRunner().invoke(build(OPERATIONS), [*words, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert operation.summary in result.output
    assert "--json" in result.output
    assert ("--dry-run" in result.output) == operation.dry_run
    assert ("--no-wait" in result.output) == operation.starts_run
    for name, _ in fields:
        assert name.upper() in result.output


def test_help_groups_the_commands_and_names_the_exit_codes() -> None:
    result = CliRunner().invoke(build(OPERATIONS), ["--help"], env={"COLUMNS": "120"})
    for text in ("This machine", "Resources", "Runs", "pave new orders", "3 denied by a guardrail"):
        assert text in result.output
