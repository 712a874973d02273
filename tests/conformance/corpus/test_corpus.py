"""Real files of others: every valid one is accepted as it is, every invalid one refused with file, line and reason."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from pave.model.backstage import read_entities
from pave.model.diagnostics import Diagnostic, Findings, Refused, Severity, Source
from pave.model.score import read_workload
from pave.model.software_template import read_template, refusal, unsupported_actions
from pave.model.substitution import nothing

CORPUS = Path(__file__).resolve().parents[4] / "shared" / "corpus"
README = CORPUS / "README.md"
_LINE = re.compile(r"^- `(?P<file>\w+/[^`]+)` \|.*\| (?P<verdict>[^|]+)$", re.MULTILINE)

REASONS = {
    "catalog/02": (4, "not been rendered"),
    "catalog/03": (4, "loadtest-catalog-entity-$i"),
    "catalog/08": (1, "kind, metadata missing"),
    "catalog/15": (16, "not YAML until it is rendered"),
    "catalog/17": (3, "apiVersion, kind, metadata missing"),
    "catalog/18": (2, "no kind Component under scaffolder.backstage.io/v1beta3"),
    "catalog/24": (7, "lower case"),
    "catalog/27": (24, "stands twice"),
    "catalog/30": (23, "'dependsOn' is not known"),
    "catalog/36": (4, "not been rendered"),
    "score/18": (8, "empty (null)"),
    "score/25": (10, "must be a mapping"),
    "score/26": (13, "is empty"),
}
LACKING = {
    "templates/02": ("roadiehq:utils:serialize:yaml", "roadiehq:utils:fs:write", "cnoe:create-argocd-app"),
    "templates/04": ("http:backstage:request",),
    "templates/05": ("roadiehq:utils:fs:append",),
    "templates/08": ("fetch:rails",),
    "templates/09": ("fetch:cookiecutter",),
    "templates/13": ("debug:workspace", "github:issues:label"),
}


@dataclass(frozen=True)
class Case:
    file: str
    valid: bool

    @property
    def data(self) -> bytes:
        return (CORPUS / self.file).read_bytes()

    @property
    def number(self) -> str:
        return self.file.split("-")[0]


def cases() -> list[Case]:
    text = README.read_text(encoding="utf-8") if README.is_file() else ""
    return [Case(one["file"], one["verdict"].startswith("valid")) for one in _LINE.finditer(text)]


CASES = cases()
pytestmark = pytest.mark.skipif(
    not CASES, reason="the corpus of real files is not beside this checkout (../shared/corpus)"
)


def of(folder: str) -> list[Case]:
    return [one for one in CASES if one.file.startswith(f"{folder}/")] or [Case(f"{folder}/none", valid=True)]


def check_reason(case: Case, diagnostics: list[Diagnostic]) -> None:
    errors = [one for one in diagnostics if one.severity is Severity.ERROR]
    assert errors
    assert all(one.source.file == case.file and one.source.line for one in errors)
    line, reason = REASONS[case.number]
    assert (line, True) in [(one.source.line, reason in str(one)) for one in errors], [str(one) for one in errors]


def test_every_file_has_a_verdict() -> None:
    present = {f"{path.parent.name}/{path.name}" for path in CORPUS.glob("*/*.yaml")}
    assert present == {one.file for one in CASES}
    assert len(present) >= 88
    assert {one.number for one in CASES if not one.valid} == set(REASONS)


@pytest.mark.parametrize("case", of("catalog"), ids=lambda one: one.file)
def test_catalog(case: Case) -> None:
    entities, diagnostics = read_entities(case.data, case.file, nothing)
    if not case.valid:
        assert not entities
        check_reason(case, list(diagnostics))
        return
    assert [str(one) for one in diagnostics if one.severity is Severity.ERROR] == []
    documents = re.findall(rb"^kind:", case.data, re.MULTILINE)
    assert len(entities) == len(documents) > 0


@pytest.mark.parametrize("case", of("templates"), ids=lambda one: one.file)
def test_templates(case: Case) -> None:
    assert case.valid

    def include(path: str) -> bytes:
        return b"- action: debug:wait\n" if "steps" in path else b"title: A page\n"

    template = read_template(case.data, case.file, "templates/x", "version", include)
    lacking = LACKING.get(case.number, ())
    assert set(unsupported_actions(template)) == set(lacking)
    problem = refusal(template, Source(case.file, 1))
    assert (problem is not None) == bool(lacking)
    assert all(action in str(problem) for action in lacking)


@pytest.mark.parametrize("case", of("score"), ids=lambda one: one.file)
def test_score(case: Case) -> None:
    findings = Findings()
    if not case.valid:
        with pytest.raises(Refused) as caught:
            read_workload(case.data, case.file, findings)
        check_reason(case, list(caught.value.diagnostics))
        return
    workload = read_workload(case.data, case.file, findings)
    assert workload.containers
    said = " ".join(map(str, findings))
    assert ("no Score placeholder" in said) == (b"${pod." in case.data)
    listed = re.search(rb"^ +(files|volumes):\s*\n +- ", case.data, re.MULTILINE) is not None
    assert ("list form" in said) == listed
