"""The checks with their real tools, in the real sandbox: what passes, what fails and where, what is not scanned."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from pave.adapters.build.builder import SandboxBuilder
from pave.adapters.checks import Limits, SandboxChecker
from pave.adapters.sandbox import probe
from pave.apply.retry import Cancelled
from pave.model.diagnostics import Refused
from pave.settings import Settings
from pave.verdict.evidence import CheckOutcome, CheckResult

PASSED, FAILED = CheckOutcome.PASSED, CheckOutcome.FAILED
NOT_SCANNED, NOTHING = CheckOutcome.NOT_SCANNED, CheckOutcome.NOT_APPLICABLE
KEY = "AKIA" + "QYLPMN5HHHFPZAM2"
LIMITS = Limits(seconds=8, memory=512 * 1024**2, processes=64, writes=20_000_000)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


class Checks:
    """A checkout and the checker."""

    def __init__(self, data: Path, folder: Path, limits: Limits = LIMITS) -> None:
        sandbox = probe("", "nobody", data / "etc")
        assert sandbox.level == "full", sandbox.reason
        self.sandbox, self.builder = sandbox, SandboxBuilder(Settings(data=data), sandbox)
        self.checker = SandboxChecker(sandbox, self.builder, limits)
        self.source = folder / "source"
        self.source.mkdir()
        self.said: list[str] = []

    def run(self, name: str, files: dict[str, str | bytes]) -> CheckResult:
        for path, content in files.items():
            (self.source / path).parent.mkdir(parents=True, exist_ok=True)
            (self.source / path).write_bytes(content if isinstance(content, bytes) else content.encode())
        installed = self.checker.install(self.source, None, self.said.append, lambda: False)
        return self.checker.run(name, self.source, installed, self.said.append, lambda: False)


@pytest.fixture
def checks(data: Path, tmp_path: Path) -> Checks:
    return Checks(data, tmp_path)


PYTHON = {"requirements.txt": "", "requirements-dev.txt": "pytest==9.2.0\n"}
UNITTEST = "import unittest\n\nclass T(unittest.TestCase):\n    def test_it(self):\n        {}\n"


def test_pytest_is_run_and_failures_have_their_place(checks: Checks) -> None:
    good = "def test_good():\n    assert True\n"
    assert checks.run("tests", {**PYTHON, "tests/test_a.py": good}).outcome is PASSED
    bad = "import os\n\n\ndef test_bad():\n    assert 'TOKEN' in os.environ, 'no token'\n"
    result = checks.run("tests", {"tests/test_b.py": bad})
    assert (result.outcome, result.summary) == (FAILED, "1 failed, 1 passed")
    (found,) = result.findings
    assert (found.file, found.line) == ("tests/test_b.py", 5)
    assert "no token" in found.message


def test_without_pytest_the_standard_library_runs_them(checks: Checks) -> None:
    assert checks.run("tests", {"requirements.txt": "", "test_it.py": UNITTEST.format("pass")}).outcome is PASSED
    assert checks.run("tests", {"test_it.py": UNITTEST.format("self.fail('no')")}).outcome is FAILED
    needs = checks.run("tests", {"test_it.py": "import pytest\n\ndef test_it(): pass\n"})
    assert (needs.outcome, "requirements-dev.txt" in needs.summary) == (NOT_SCANNED, True)


def test_no_tests_is_no_success(checks: Checks) -> None:
    assert checks.run("tests", {"requirements.txt": "", "app.py": "1\n"}).outcome is NOTHING


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("import time; time.sleep(600)", "did not end within 8 s"),
        ("import os\n        while True: os.fork()", ""),
        ("open('big', 'wb').write(b'x' * 30_000_000)", ""),
        ("x = bytearray(2_000_000_000)", ""),
        ("import socket; socket.create_connection(('127.0.0.1', 22), 2)", ""),
    ],
    ids=["hangs", "forks without end", "fills the disk", "fills the memory", "wants the network"],
)
def test_a_test_that_goes_wild_is_ended(checks: Checks, body: str, says: str) -> None:
    result = checks.run("tests", {"requirements.txt": "", "test_it.py": UNITTEST.format(body)})
    assert result.outcome is FAILED
    assert says in result.summary


def test_a_flood_of_output_and_what_is_no_text_are_survived(checks: Checks) -> None:
    write = "sys.stderr.buffer.write(bytes([255, 254]) * 2_000_000)"
    flood = f"import sys\n        for _ in range(25): {write}\n        self.fail()"
    result = checks.run("tests", {"requirements.txt": "", "test_it.py": UNITTEST.format(flood)})
    assert result.outcome is FAILED
    assert all(len(line) <= 400 for line in result.output)


def test_a_dependency_that_does_not_exist_is_refused_by_name(checks: Checks) -> None:
    with pytest.raises(Refused, match="no-such-thing-at-all"):
        checks.run("tests", {"requirements.txt": "no-such-thing-at-all==1.0\n"})


def test_secrets_are_found_with_file_and_line_and_never_repeated(checks: Checks) -> None:
    assert checks.run("secrets", {"app.py": "print()\n"}).outcome is PASSED
    result = checks.run("secrets", {"settings.py": f'import os\nkey = "{KEY}"\n'})
    assert result.outcome is FAILED
    assert (result.findings[0].file, result.findings[0].line) == ("settings.py", 2)
    assert KEY not in str(result.as_data())
    assert checks.run("secrets", {"settings.py": f'key = "{KEY}"  # gitleaks:allow\n'}).outcome is PASSED


def test_secrets_of_a_push_are_those_of_every_new_commit(checks: Checks, tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=D", "-c", "user.email=d@example.com", "-c", "init.defaultBranch=main")
        return subprocess.run(
            ["git", *who, *arguments], cwd=tmp_path / "r", check=True, capture_output=True, text=True
        ).stdout

    class Incoming:
        def __init__(self) -> None:
            self.git_dir = tmp_path / "r" / ".git"
            self.environment = {"GIT_DIR": str(self.git_dir)}

    (tmp_path / "r").mkdir()
    git("init", "--quiet")
    for number, text in enumerate(("print()\n", f'key = "{KEY}"\n', "print(2)\n")):
        (tmp_path / "r" / "a.py").write_text(text)
        git("add", ".")
        git("commit", "--quiet", "-m", str(number))
    head = git("rev-parse", "HEAD").strip()
    git("checkout", "--quiet", "--detach")
    git("branch", "--force", "main", "HEAD~2")
    git("symbolic-ref", "HEAD", "refs/heads/main")
    result = checks.checker.secrets_of_push(Incoming(), head, "")
    assert (result.outcome, result.findings[0].file) == (FAILED, "a.py")


def test_dangerous_code_fails_and_lesser_is_told(checks: Checks) -> None:
    severe = "import subprocess\n\nsubprocess.call(input(), shell=True)\n"
    result = checks.run("sast", {"requirements.txt": "", "app.py": severe})
    assert result.outcome is FAILED
    assert ("app.py", 3) in [(one.file, one.line) for one in result.findings]
    assert checks.run("sast", {"app.py": "assert True\n"}).outcome is PASSED


def test_an_audit_that_reaches_no_database_is_not_passed(checks: Checks) -> None:
    result = checks.run("dependencies", {"requirements.txt": "idna==3.20\n"})
    assert result.outcome is not PASSED or "0 known" in result.summary
    again = checks.run("dependencies", {"app.py": "print('the same dependencies')\n"})
    assert again.outcome is result.outcome
    assert again.seconds < 0.5, "neither an answer nor its absence is asked for again at once"


def test_licences_are_read_and_those_that_reach_the_service_refused(checks: Checks) -> None:
    result = checks.run("licences", {"requirements.txt": "idna==3.20\n"})
    assert (result.outcome, result.summary) == (PASSED, "1 packages, 0 without a licence")


def test_dockerfiles_and_infrastructure(checks: Checks) -> None:
    assert checks.run("dockerfile", {"requirements.txt": ""}).outcome is NOTHING
    assert checks.run("infrastructure", {}).outcome is NOTHING
    result = checks.run("dockerfile", {"Dockerfile": "FROM debian\nRUN sudo ls\nCMD ls\nCMD ps\n"})
    assert result.outcome is FAILED
    assert any(one.rule == "DL3006" or one.line == 1 for one in result.findings)
    shutil.rmtree(checks.source)
    checks.source.mkdir()
    missing = SandboxChecker(checks.sandbox, checks.builder, LIMITS, "/nowhere/checkov")
    assert missing.run("infrastructure", checks.source, {}, print, lambda: False).outcome is NOTHING
    (checks.source / "main.tf").write_text('resource "x" "y" {}\n')
    result = missing.run("infrastructure", checks.source, {}, print, lambda: False)
    assert (result.outcome, "main.tf is not looked at" in result.summary) == (NOT_SCANNED, True)


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
def test_node_scripts_are_run(checks: Checks) -> None:
    package = '{"name": "x", "version": "1.0.0", "scripts": {"test": "node test.js", "lint": "node -e 0"}}'
    files = {"package.json": package, "test.js": "process.exit(0)\n"}
    assert checks.run("tests", files).outcome is PASSED
    assert checks.run("lint", {}).outcome is PASSED
    assert checks.run("tests", {"test.js": "process.exit(1)\n"}).outcome is FAILED
    assert checks.run("sast", {}).outcome is NOT_SCANNED


def test_tests_cannot_change_what_is_scanned(checks: Checks) -> None:
    hide = f"open('settings.py', 'w').write('')  # was there: {os.sep}"
    files = {"requirements.txt": "", "settings.py": f'key = "{KEY}"\n', "test_it.py": UNITTEST.format(hide)}
    assert checks.run("tests", files).outcome is PASSED
    installed = {"language": "python"}
    assert checks.checker.run("secrets", checks.source, installed, print, lambda: False).outcome is FAILED


LOOK = """import os, pathlib, unittest

class T(unittest.TestCase):
    def test_nothing_of_the_platform_is_here(self):
        self.assertFalse(pathlib.Path({data!r}).exists())
        self.assertEqual(5, os.nice(0))
        self.assertEqual([], [name for name in os.environ if "PAVE" in name or "TOKEN" in name])
        self.assertEqual([], [one for one in pathlib.Path("/proc").glob("[0-9]*/environ") if b"topsecret" in read(one)])

    def test_what_others_install_from_cannot_be_changed(self):
        import idna
        for path in (pathlib.Path(idna.__file__), pathlib.Path(idna.__file__).with_name("more.py")):
            with self.assertRaises(OSError):
                path.write_text("raise SystemExit")

def read(path):
    try:
        return path.read_bytes()
    except OSError:
        return b""
"""


def test_tests_see_no_secret_and_cannot_change_what_others_get(
    checks: Checks, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAVE_GITHUB_TOKEN", "topsecret")
    look = LOOK.format(data=str(data))
    assert checks.run("tests", {"requirements.txt": "idna==3.20\n", "test_it.py": look}).outcome is PASSED


def test_checks_that_are_cancelled_end_at_once(checks: Checks) -> None:
    asked = time.monotonic() + 1.0
    waits = UNITTEST.format("import time; time.sleep(600)")
    (checks.source / "requirements.txt").write_text("")
    (checks.source / "test_it.py").write_text(waits)
    installed = checks.checker.install(checks.source, None, checks.said.append, lambda: False)
    with pytest.raises(Cancelled):
        checks.checker.run("tests", checks.source, installed, checks.said.append, lambda: time.monotonic() > asked)
    assert time.monotonic() - asked < 4
