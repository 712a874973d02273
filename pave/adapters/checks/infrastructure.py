"""Infrastructure as code: checkov, where somebody has installed it. It is no part of Pave's own environment.

It pins what it depends on to versions that Pave cannot use, so it is a program of an environment of its own. It runs in
the sandbox without network. What it did not look at, or could not read, is not scanned, whatever else it found to be
right.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pave.adapters.checks.bench import SOURCE, Bench
from pave.adapters.sandbox import Mount
from pave.model.diagnostics import Refused
from pave.verdict.evidence import CheckFinding, CheckOutcome, CheckResult

NAME = "infrastructure"
_FRAMEWORKS = ("terraform", "helm", "cloudformation", "kustomize", "kubernetes", "dockerfile")
_LEFT_OUT = (".git", ".venv", "node_modules")
_SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
_CLOUDFORMATION = re.compile(r"AWSTemplateFormatVersion|[\"']?Type[\"']?\s*:\s*[\"']?AWS::")
_LARGEST = 1024**2
_CONFIGURATIONS = (".checkov.yaml", ".checkov.yml")
"""A repository's own, which checkov reads in any case. That it was there is told, for it may leave rules out."""
_SEVERITIES = {"CRITICAL": "high", "HIGH": "high", "MEDIUM": "medium", "LOW": "low", "INFO": "low"}
_NEEDS = {"helm": "helm", "kustomize": "kustomize"}
"""Which program of the machine renders what checkov then looks at."""


@dataclass(frozen=True)
class Checkov:
    """The check `infrastructure`. `program` is checkov's; empty: the one on the PATH."""

    program: str = ""

    def __call__(self, bench: Bench) -> CheckResult:
        """Look at Terraform, CloudFormation, Helm charts and the like, and Dockerfiles."""
        there = dict(_there(bench.source))
        wanted = {kind: file for kind, file in there.items() if kind != "dockerfile"}
        program = shutil.which(self.program or "checkov")
        if not there or (program is None and not wanted):
            return bench.nothing(NAME, "there is no infrastructure as code")
        if program is None:
            file = next(iter(wanted.values()))
            missing = f"{self.program} is not there" if self.program else "checkov is not installed here"
            return bench.not_scanned(NAME, f"{file} is not looked at: {missing}")
        try:
            argv, read = _environment(Path(program).resolve())
            options = ("-d", SOURCE, "-o", "json", "--quiet", "--compact", "--soft-fail", "--skip-download")
            result = bench.scan((*argv, *options, "--framework", *_FRAMEWORKS), read)
        except Refused as refused:
            return bench.not_scanned(NAME, refused.diagnostics[0].summary)
        reports = None if result.timed_out else reports_in(result.text)
        if reports is None:
            ended = "did not end in time" if result.timed_out else f"ended with {result.code}"
            return bench.not_scanned(NAME, f"checkov {ended}", "checkov", result.text)
        return _told(bench, wanted, reports)


def _told(bench: Bench, wanted: Mapping[str, str], reports: Sequence[Mapping[str, Any]]) -> CheckResult:
    versions = {str(one.get("summary", {}).get("checkov_version", "")) for one in reports}
    found = tuple(finding for report in reports for finding in findings_in(report))
    grave = [one for one in found if one.severity != "low"]
    unseen = list(unseen_in(wanted, reports))
    skipped = sum(int(one.get("summary", {}).get("skipped", 0)) for one in reports)
    parts = [f"{len(grave)} findings, {len(found) - len(grave)} lesser"]
    parts += [f"{skipped} excused in the files"] if skipped else []
    parts += [f"as {one} has it" for one in _CONFIGURATIONS if (bench.source / one).exists()]
    outcome = CheckOutcome.FAILED if grave else CheckOutcome.NOT_SCANNED if unseen else CheckOutcome.PASSED
    tool = f"checkov {max(versions, default='')}".strip()
    return bench.result(NAME, outcome, "; ".join([*unseen, *parts]), found, tool)


def reports_in(text: str) -> list[dict[str, Any]] | None:
    """Checkov's reports, one a framework; none where it found nothing to look at, None where this is no answer."""
    starts = [one for one in (text.find("{"), text.find("[")) if one >= 0]
    try:
        said, _ = json.JSONDecoder().raw_decode(text, min(starts)) if starts else (None, 0)
    except json.JSONDecodeError:
        return None
    said = [said] if isinstance(said, dict) else said
    if not isinstance(said, list) or not all(isinstance(one, dict) for one in said):
        return None
    return [one for one in said if "check_type" in one]


def findings_in(report: Mapping[str, Any]) -> Iterator[CheckFinding]:
    """What failed.

    Checkov says a severity only to its maker's customers: it is medium then, and low in a Dockerfile, which the check
    `dockerfile` decides about.
    """
    usual = "low" if report.get("check_type") == "dockerfile" else "medium"
    for one in (report.get("results") or {}).get("failed_checks") or ():
        id_, lines = str(one.get("check_id", "checkov")), one.get("file_line_range") or [0]
        guideline = str(one.get("guideline") or "")
        excuse = f"Where it is right as it is, write checkov:skip={id_}:why as a comment into it."
        yield CheckFinding(
            rule=id_,
            message=f"{one.get('check_name', id_)} ({one.get('resource', '')})",
            severity=_SEVERITIES.get(str(one.get("severity") or "").upper(), usual),
            file=str(one.get("file_path", "")).lstrip("/"),
            line=int(lines[0] or 0),
            remedy=f"See {guideline}. {excuse}" if guideline else excuse,
        )


def unseen_in(wanted: Mapping[str, str], reports: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What there is that checkov did not look at, as half sentences. `wanted` has a file of each framework."""
    seen = {str(one["check_type"]): one.get("summary") or {} for one in reports}
    for kind, file in wanted.items():
        if kind not in seen:
            program = _NEEDS.get(kind)
            why = (
                f": {program} is not installed here" if program and not shutil.which(program, path=_SYSTEM_PATH) else ""
            )
            yield f"{file} is not looked at{why}"
    for kind, summary in sorted(seen.items()):
        if unread := int(summary.get("parsing_errors", 0)):
            yield f"{unread} files of {kind} cannot be read"


def _environment(program: Path) -> tuple[tuple[str, ...], tuple[Mount, ...]]:
    """How to run checkov, and what of the machine it needs to see. Raises `Refused` from the sandbox."""
    prefix = program.parent.parent
    configuration = prefix / "pyvenv.cfg"
    if not configuration.is_file():
        return (str(program),), ()
    home = re.search(r"^home\s*=\s*(.+)$", configuration.read_text(encoding="utf-8"), re.MULTILINE)
    bases = {Path(home[1].strip()).parent, Path(home[1].strip()).resolve().parent} if home else set()
    real = (prefix / "bin" / "python").resolve().parent.parent
    places = [one for one in {prefix, real, *bases} if Path("/usr") not in (one, *one.parents)]
    argv = (str(prefix / "bin" / "python"), "-I", "-B", "-m", "checkov.main")
    return argv, tuple(Mount(one, str(one)) for one in sorted(places))


def _there(source: Path) -> Iterator[tuple[str, str]]:
    """Which frameworks there is something of, each with its first file."""
    told: set[str] = set()
    for path in sorted(source.rglob("*")):
        inside = path.relative_to(source)
        if set(_LEFT_OUT) & set(inside.parts) or path.is_symlink() or not path.is_file():
            continue
        kind = _kind(path)
        if kind and kind not in told:
            told.add(kind)
            yield kind, str(inside)


def _kind(path: Path) -> str:
    name = path.name
    if name.endswith((".tf", ".tf.json")):
        return "terraform"
    if name == "Chart.yaml":
        return "helm"
    if name in ("kustomization.yaml", "kustomization.yml"):
        return "kustomize"
    if "Dockerfile" in name:
        return "dockerfile"
    if name.endswith((".yaml", ".yml", ".json", ".template")) and path.stat().st_size <= _LARGEST:
        text = path.read_text(encoding="utf-8", errors="replace")
        return "cloudformation" if _CLOUDFORMATION.search(text) else ""
    return ""
