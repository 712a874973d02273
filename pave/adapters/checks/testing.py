"""The repository's own tests and lint, found by convention and run with what is installed for them.

Python: pytest where it is installed, else `unittest`. Node: the scripts `test` and `lint` of package.json. What hangs
is stopped, what says too much is cut, and what a failed test leaves behind stays in its sandbox.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pave.adapters.build.recipe import APP, TOOLS, Files
from pave.adapters.checks.bench import Bench
from pave.adapters.subprocesses import Result
from pave.verdict.evidence import CheckFinding, CheckOutcome, CheckResult

_PYTHON = f"{APP}/.venv/bin/python"
_FAILED = re.compile(r"^(?:FAILED|ERROR) ([^\s:]+)(?:::(\S+))?(?: - (.*))?$")
_PLACE = re.compile(r"^([\w./-]+\.py):(\d+): ")
_COUNT = re.compile(r"(\d+) (passed|failed|errors?|skipped)")
_RUFF = re.compile(r"^([\w./-]+):(\d+):\d+: (\S+) (.*)$")
_NO_TEST = "no test specified"
_NOTHING_COLLECTED = 5


def tests(bench: Bench) -> CheckResult:
    """The unit tests."""
    language = bench.installed.get("language")
    if language == "python":
        return _python_tests(bench)
    script = _scripts(bench.files).get("test", "")
    if language == "node" and script and _NO_TEST not in script:
        return _told(bench, "tests", bench.execute((f"{TOOLS}/npm", "test", "--silent"), {}), "npm test", ())
    return bench.nothing("tests", "There are no tests: add tests/ with pytest, or a test script to package.json")


def lint(bench: Bench) -> CheckResult:
    """The style that the repository asks for."""
    language, files = bench.installed.get("language"), bench.files
    if language == "node" and "lint" in _scripts(files):
        return _told(bench, "lint", bench.execute((f"{TOOLS}/npm", "run", "lint", "--silent"), {}), "npm run lint", ())
    asked = files.has("ruff.toml") or files.has(".ruff.toml") or "[tool.ruff" in files.text("pyproject.toml")
    if language != "python" or not asked:
        return bench.nothing("lint", "The repository does not say how it is linted")
    if not _installed(bench, "ruff"):
        return bench.not_scanned("lint", "ruff is configured and not among the development dependencies")
    result = bench.execute(
        (f"{APP}/.venv/bin/ruff", "check", "--output-format=concise", "--no-cache", "."), {"NO_COLOR": "1"}
    )
    matches = (_RUFF.match(line) for line in result.text.splitlines())
    found = tuple(
        CheckFinding(
            match[3], match[4], "medium", match[1], int(match[2]), "Correct it; `ruff check --fix` mends most."
        )
        for match in matches
        if match
    )
    return _told(bench, "lint", result, "ruff", found)


def _python_tests(bench: Bench) -> CheckResult:
    there = list(_test_files(bench.source))
    if not there:
        return bench.nothing("tests", "There are no tests: add tests/test_*.py")
    environment = {"PYTHONPATH": f"{APP}:{APP}/src", "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1"}
    if not _installed(bench, "pytest"):
        result = bench.execute((_PYTHON, "-m", "unittest", "discover", "-b"), environment)
        if "No module named 'pytest'" in result.text or "Ran 0 tests" in result.text:
            return bench.not_scanned(
                "tests", f"{there[0]} needs pytest, which is not installed: add it to requirements-dev.txt"
            )
        return _told(bench, "tests", result, "unittest", ())
    argv = (_PYTHON, "-m", "pytest", "-q", "-rfE", "--tb=short", "-p", "no:cacheprovider", "--color=no")
    result = bench.execute(argv, environment)
    if result.code == _NOTHING_COLLECTED:
        return bench.nothing("tests", "pytest found no tests")
    return _told(bench, "tests", result, "pytest", tuple(_failures(result.text)))


def _failures(text: str) -> Iterator[CheckFinding]:
    places = {match[1]: int(match[2]) for match in map(_PLACE.match, text.splitlines()) if match}
    for match in map(_FAILED.match, text.splitlines()):
        if match:
            message = f"{match[2] or match[1]}: {match[3] or 'failed'}"
            yield CheckFinding(
                "test", message[:300], "high", match[1], places.get(match[1], 0), "Mend it, and push again."
            )


def _told(bench: Bench, name: str, result: Result, tool: str, findings: tuple[CheckFinding, ...]) -> CheckResult:
    if result.timed_out:
        summary = f"{tool} did not end within {bench.limits.seconds:.0f} s and was stopped"
        return bench.result(name, CheckOutcome.FAILED, summary, findings, tool, result.text)
    counts = {word.rstrip("s"): int(number) for number, word in _COUNT.findall(result.text[-2000:])}
    told = ", ".join(f"{number} {word}" for word, number in counts.items())
    if result.ok:
        return bench.result(name, CheckOutcome.PASSED, told or f"{tool} is content", findings, tool)
    summary = told or f"{tool} ended with {result.code}"
    return bench.result(name, CheckOutcome.FAILED, summary, findings, tool, result.text)


def _test_files(source: Path) -> Iterator[str]:
    left_out = {".git", ".venv", "node_modules"}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).parts
        if not left_out & set(parts) and (path.name.startswith("test_") or path.name.endswith("_test.py")):
            yield str(path.relative_to(source))


def _installed(bench: Bench, program: str) -> bool:
    layer = str(bench.installed.get("layer") or "")
    return bool(layer) and (Path(layer) / "bin" / program).exists()


def _scripts(files: Files) -> Mapping[str, str]:
    try:
        package: Any = json.loads(files.text("package.json") or "{}")
    except json.JSONDecodeError:
        return {}
    scripts = package.get("scripts") if isinstance(package, dict) else None
    return {str(key): str(value) for key, value in scripts.items()} if isinstance(scripts, dict) else {}
