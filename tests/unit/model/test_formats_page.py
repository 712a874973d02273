"""The page about the formats is right: each example is read, each list and table is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pave.model.backstage import CATALOG_KINDS
from pave.model.conventions import CONVENTIONS, NAMES, SIGNS
from pave.model.diagnostics import Findings, Severity
from pave.model.environment_file import read_environment
from pave.model.inspection import CATALOG_FILES
from pave.model.reading import FOLDERS, read_snapshot
from pave.model.score import read_workload
from pave.model.software_template import SUPPORTED_ACTIONS
from pave.verdict.examples import run_examples
from pave.verdict.guardrail import compile_all

PAGE = (Path(__file__).parents[3] / "docs" / "formats.md").read_text(encoding="utf-8")
EXAMPLES = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL))
MAIN = "".join(f'variable "{name}" {{ default = 1 }}\n' for name in ("size", "backup_days", "connections"))


def test_every_example_says_which_file_it_is() -> None:
    assert len(EXAMPLES) == PAGE.count("```yaml") == 12


def test_the_examples_together_are_a_platform_repository(tree_of) -> None:
    files = {path: text for path, text in EXAMPLES.items() if path != "score.yaml"}
    snapshot = read_snapshot(tree_of({**files, "modules/local-postgres/main.tf": MAIN}), "x")
    wrong = [
        str(one) for one in snapshot.findings if one.severity is Severity.ERROR and "local/workload" not in str(one)
    ]
    assert wrong == []
    assert (len(snapshot.environments), len(snapshot.entities), len(snapshot.templates)) == (2, 4, 1)
    (deployment,) = snapshot.deployments.values()
    assert (set(deployment.resources), set(deployment.inputs)) == ({"reports"}, {"reports", "db"})
    (rule,) = compile_all(snapshot.guardrails.values())
    assert not rule.problem
    assert not run_examples(rule)


def test_the_score_example_is_read_without_a_warning() -> None:
    findings = Findings()
    assert read_workload(EXAMPLES["score.yaml"].encode(), "score.yaml", findings).resources
    assert not list(findings)


def test_what_is_not_acted_on_is_named() -> None:
    findings = Findings()
    read_environment(EXAMPLES["environments/prod.yaml"].encode(), "x", findings)
    for one in findings:
        assert f"`{one.path.removeprefix('spec.')}`" in PAGE


@pytest.mark.parametrize(
    "word", sorted({*SUPPORTED_ACTIONS, *CATALOG_FILES, *(f"{one}/" for one in FOLDERS if one != "waivers")})
)
def test_lists_are_whole(word: str) -> None:
    assert word in PAGE


def test_kinds_and_conventions_are_whole() -> None:
    assert all(kind in PAGE for kind in CATALOG_KINDS)
    for type_, variables in CONVENTIONS.items():
        (row,) = [
            line for line in PAGE.splitlines() if line.startswith("|") and f"`{type_}` called `{NAMES[type_]}`" in line
        ]
        assert all(f"`{one}`" in row for one in (*variables, SIGNS[type_][0]))
