"""The real registry at the doors: every operation is a route and a command, none is more."""

from __future__ import annotations

import pytest
from site_for_tests import World
from typer.testing import CliRunner

from pave.cli.commands import grammar
from pave.cli.main import build as build_commands
from pave.doors import api
from pave.engine.registry import OPERATIONS


def test_every_operation_is_a_route_and_every_route_an_operation() -> None:
    document = api.openapi(api.build(OPERATIONS, lambda call: World()))
    found = {
        operation["operationId"]: f"{method.upper()} {path}"
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    wanted = {one.name: one.rest.replace(":path}", "}").replace(" /", f" {api.PREFIX}/", 1) for one in OPERATIONS}
    assert found == wanted


def test_no_path_hides_another() -> None:
    seen: dict[str, str] = {}
    for operation in OPERATIONS:
        method, path, fields = api.split(operation.rest)
        assert set(fields) <= set(operation.input.model_fields), operation.name
        greedy = path.endswith(":path}")
        for earlier, name in seen.items():
            if earlier.startswith(method + " "):
                assert not path.startswith(earlier.partition(" ")[2] + "/"), f"{name} would answer for {operation.name}"
        if greedy:
            seen[f"{method} {path}"] = operation.name


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.name)
def test_every_operation_is_a_command(operation) -> None:
    words, fields = grammar(operation.cli)
    assert {name for name, _ in fields} <= set(operation.input.model_fields)
    result = CliRunner().invoke(build_commands(OPERATIONS), [*words, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert operation.summary in result.output
    for example in operation.examples:
        assert example.split()[1 : 1 + len(words)] == words
