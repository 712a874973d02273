"""Checkov's reports as data: what fails, what passes, and what was not looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pave.adapters.checks.bench import Bench, Limits
from pave.adapters.checks.infrastructure import _there, _told, findings_in, reports_in, unseen_in
from pave.verdict.evidence import CheckOutcome

FAILED = {
    "check_id": "CKV_AWS_20",
    "check_name": "S3 Bucket has an ACL defined which allows public READ access.",
    "severity": None,
    "file_path": "/infra/main.tf",
    "file_line_range": [3, 9],
    "guideline": "the page about it",
    "resource": "aws_s3_bucket.data",
}


def report(kind: str, *failed: dict[str, Any], **summary: Any) -> dict[str, Any]:
    said = {"parsing_errors": 0, "skipped": 0, "checkov_version": "3.3.30", **summary}
    return {"check_type": kind, "results": {"failed_checks": list(failed)}, "summary": said}


def told(wanted: dict[str, str], *reports: dict[str, Any], source: Path = Path("/nowhere")) -> tuple[CheckOutcome, str]:
    bench = Bench(None, Limits(), source, {}, print, lambda: False)  # type: ignore[arg-type]
    result = _told(bench, wanted, reports)
    return result.outcome, result.summary


def test_a_finding_has_rule_place_resource_and_way_out() -> None:
    (found,) = findings_in(report("terraform", FAILED))
    assert (found.rule, found.file, found.line, found.severity) == ("CKV_AWS_20", "infra/main.tf", 3, "medium")
    assert "aws_s3_bucket.data" in found.message
    assert found.remedy.startswith("See the page about it.")
    assert "checkov:skip=CKV_AWS_20:why" in found.remedy


@pytest.mark.parametrize(
    ("said", "kind", "severity"),
    [
        ("CRITICAL", "terraform", "high"),
        ("LOW", "terraform", "low"),
        (None, "dockerfile", "low"),
        ("?", "helm", "medium"),
    ],
)
def test_a_severity_is_one_of_three(said: str | None, kind: str, severity: str) -> None:
    (found,) = findings_in(report(kind, {**FAILED, "severity": said}))
    assert found.severity == severity


@pytest.mark.parametrize(
    ("reports", "outcome", "says"),
    [
        ([report("terraform")], CheckOutcome.PASSED, "0 findings"),
        ([report("terraform", FAILED)], CheckOutcome.FAILED, "1 findings"),
        ([report("terraform", skipped=2)], CheckOutcome.PASSED, "2 excused in the files"),
        ([report("terraform"), report("dockerfile", FAILED)], CheckOutcome.PASSED, "0 findings, 1 lesser"),
        ([report("terraform", parsing_errors=1)], CheckOutcome.NOT_SCANNED, "1 files of terraform cannot be read"),
        ([], CheckOutcome.NOT_SCANNED, "main.tf is not looked at"),
        ([report("kubernetes")], CheckOutcome.NOT_SCANNED, "main.tf is not looked at"),
        ([report("terraform", FAILED, parsing_errors=1)], CheckOutcome.FAILED, "cannot be read"),
    ],
)
def test_what_was_not_looked_at_never_passes(reports: list[dict[str, Any]], outcome: CheckOutcome, says: str) -> None:
    found, summary = told({"terraform": "main.tf"}, *reports)
    assert (found, says in summary) == (outcome, True), summary


def test_a_chart_that_nothing_rendered_is_told() -> None:
    assert any("Chart.yaml" in one for one in unseen_in({"helm": "Chart.yaml"}, [report("kubernetes")]))
    assert list(unseen_in({"helm": "Chart.yaml"}, [report("helm")])) == []


@pytest.mark.parametrize("text", ["", "Traceback: no", "{", "[1, 2]", '"x"'])
def test_what_is_no_report_is_no_answer(text: str) -> None:
    assert reports_in(text) is None


def test_reports_are_one_or_several_behind_whatever_was_said_first() -> None:
    assert reports_in("warning: old\n" + json.dumps(report("helm"))) == [report("helm")]
    assert reports_in(json.dumps([report("helm"), report("terraform")])) == [report("helm"), report("terraform")]
    assert reports_in('{"passed": 0, "failed": 0, "resource_count": 0}') == []


def test_only_infrastructure_is_taken_for_it(tmp_path: Path) -> None:
    files = {
        "template.yaml": "apiVersion: scaffolder.backstage.io/v1beta3\n",
        "stack.json": '{"Resources": {"B": {"Type": "AWS::S3::Bucket"}}}',
        "node_modules/a/main.tf": "",
        "deep/main.tf": "",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert dict(_there(tmp_path)) == {"cloudformation": "stack.json", "terraform": "deep/main.tf"}


def test_that_a_repository_configures_checkov_is_said(tmp_path: Path) -> None:
    (tmp_path / ".checkov.yaml").write_text("skip-check: [CKV_AWS_20]\n")
    assert told({}, report("terraform"), source=tmp_path)[1].endswith("as .checkov.yaml has it")
