"""The checker that the engine sees: installs what tests need, and runs one check after the other or side by side."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pave.adapters.build.builder import SandboxBuilder
from pave.adapters.checks import code, infrastructure, packages, secrets, testing
from pave.adapters.checks.bench import Bench, Limits
from pave.adapters.sandbox import Sandbox
from pave.model.workload import Workload
from pave.ports import Cancel, Incoming, Report
from pave.verdict.evidence import CheckResult


class SandboxChecker:
    """Implements `pave.ports.Checker`. Dependencies are the layers that `builder` keeps; `checkov` is a program."""

    def __init__(
        self, sandbox: Sandbox, builder: SandboxBuilder, limits: Limits | None = None, checkov: str = ""
    ) -> None:
        self._sandbox, self._builder = sandbox, builder
        self._limits = limits or Limits()
        self._checks: Mapping[str, Callable[[Bench], CheckResult]] = {
            "tests": testing.tests,
            "lint": testing.lint,
            "secrets": secrets.secrets,
            "sast": code.sast,
            "dependencies": packages.Audit().dependencies,
            "licences": packages.licences,
            "dockerfile": code.dockerfile,
            infrastructure.NAME: infrastructure.Checkov(checkov),
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Every check, in the order in which they are shown."""
        return tuple(self._checks)

    def install(self, source: Path, workload: Workload | None, report: Report, cancel: Cancel) -> Mapping[str, Any]:
        """Install what tests need, and copy `source` for them. Raises `Refused`, `Cancelled`."""
        del workload
        copy = source.with_name("tested")
        shutil.copytree(source, copy, symlinks=True, dirs_exist_ok=True)
        self._sandbox.give(copy)
        developed = self._builder.develop(source, report, cancel)
        return developed.as_data() if developed else {}

    def run(self, name: str, source: Path, installed: Mapping[str, Any], report: Report, cancel: Cancel) -> CheckResult:
        """Run one check."""
        return self._checks[name](Bench(self._sandbox, self._limits, source, installed, report, cancel))

    def secrets_of_push(self, incoming: Incoming, new: str, old: str) -> CheckResult:
        """The check `secrets` on every commit that a push brings; `old` does not matter, what is there is left out."""
        del old
        return secrets.secrets_of_push(incoming, new)
