"""The check `infrastructure` with the real checkov, in an environment of its own as in an installation."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
from collections.abc import Mapping
from pathlib import Path

import pytest

from pave.adapters.build.builder import SandboxBuilder
from pave.adapters.checks import SandboxChecker
from pave.adapters.sandbox import probe
from pave.settings import Settings
from pave.verdict.evidence import CheckOutcome, CheckResult

VERSION = "3.3.30"
OPEN = 'resource "aws_s3_bucket" "data" {\n  bucket = "data"\n  acl    = "public-read"\n}\n'
EXCUSED = 'resource "aws_sns_topic" "t" {\n  #checkov:skip=CKV_AWS_26:nothing secret is said there\n  name = "t"\n}\n'
TEMPLATE = """\
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Data:
    Type: AWS::S3::Bucket
    Properties: {BucketName: data}
"""
CHART = {
    "chart/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "chart/templates/a.yaml": "{{ .Values.a }}\n",
}


@pytest.fixture(scope="module")
def checkov(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its program: the one that PAVE_CHECKOV names, else one installed once into the tests' cache, if there is one."""
    if named := os.environ.get("PAVE_CHECKOV"):
        return named
    cache = getattr(pytestconfig, "cache", None)
    folder = Path(cache.mkdir("tools") if cache else tmp_path_factory.mktemp("tools")) / f"checkov-{VERSION}"
    if not (folder / "complete").exists():
        uv = str(Path(sysconfig.get_path("scripts"), "uv"))
        shutil.rmtree(folder, ignore_errors=True)
        for argv in (["venv", str(folder)], ["pip", "install", "--python", str(folder), f"checkov=={VERSION}"]):
            done = subprocess.run([uv, "--quiet", *argv], capture_output=True, text=True, timeout=110, check=False)
            if done.returncode:
                pytest.skip(f"checkov cannot be installed here: {done.stderr[-300:]}")
        (folder / "complete").touch()
    return str(folder / "bin" / "checkov")


class Check:
    def __init__(self, program: str, folder: Path) -> None:
        sandbox = probe("", "nobody", folder / "etc")
        assert sandbox.level == "full", sandbox.reason
        self.checker = SandboxChecker(sandbox, SandboxBuilder(Settings(data=folder), sandbox), checkov=program)
        self.source = folder / "source"

    def __call__(self, files: Mapping[str, str]) -> CheckResult:
        shutil.rmtree(self.source, ignore_errors=True)
        for path, text in files.items():
            (self.source / path).parent.mkdir(parents=True, exist_ok=True)
            (self.source / path).write_text(text)
        return self.checker.run("infrastructure", self.source, {}, print, lambda: False)


@pytest.fixture
def check(checkov: str, tmp_path: Path) -> Check:
    return Check(checkov, tmp_path)


def test_terraform_and_cloudformation_are_looked_at_with_place_and_way_out(check: Check) -> None:
    result = check(
        {"infra/main.tf": OPEN, "stack.yaml": TEMPLATE, "Dockerfile": "FROM python:3.12\nRUN apt-get update\n"}
    )
    assert (result.outcome, result.tool) == (CheckOutcome.FAILED, f"checkov {VERSION}")
    by_id = {(one.rule, one.file): one for one in result.findings}
    public = by_id["CKV_AWS_20", "infra/main.tf"]
    assert (public.line, public.severity) == (1, "medium")
    assert "aws_s3_bucket.data" in public.message
    assert "checkov:skip=CKV_AWS_20:why" in public.remedy
    assert by_id["CKV_AWS_53", "stack.yaml"].line == 3
    assert by_id["CKV_DOCKER_5", "Dockerfile"].severity == "low"


def test_what_is_right_passes_and_what_is_excused_is_told(check: Check) -> None:
    result = check({"main.tf": EXCUSED})
    assert (result.outcome, result.findings) == (CheckOutcome.PASSED, ())
    assert "1 excused in the files" in result.summary


def test_what_cannot_be_read_or_rendered_is_not_scanned_and_never_passed(check: Check) -> None:
    result = check({"main.tf": EXCUSED, "broken.tf": 'resource "x" {', **CHART})
    assert result.outcome is CheckOutcome.NOT_SCANNED
    assert "1 files of terraform cannot be read" in result.summary
    if shutil.which("helm", path="/usr/local/bin:/usr/bin:/bin") is None:
        assert "chart/Chart.yaml is not looked at: helm is not installed here" in result.summary
