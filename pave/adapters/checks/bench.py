"""The bench that checks are run on: the commit's files, what is installed for them, and a sandbox around each tool.

A tool sees the files read-only at `/src`; tests get a copy of their own at `/app`, so that nothing they do changes what
the scans see.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pave.adapters.build.kitchen import RESERVE, Watch
from pave.adapters.build.recipe import APP, Files
from pave.adapters.build.scratch import megabytes
from pave.adapters.sandbox import Confinement, Mount, Sandbox
from pave.adapters.subprocesses import Result
from pave.apply.retry import Cancelled
from pave.model.diagnostics import Refused, error
from pave.ports import Cancel, Report
from pave.verdict.evidence import CheckFinding, CheckOutcome, CheckResult

SOURCE = "/src"
MOST_FINDINGS = 200
_LAST_LINES = 40


@dataclass(frozen=True)
class Limits:
    """What a check may use. `seconds` is wall time, sizes are bytes; `writes` is the largest file it may write."""

    seconds: float = 300.0
    memory: int = 4 * 1024**3
    processes: int = 512
    writes: int = 512 * 1024**2


@dataclass(frozen=True)
class Bench:
    """One check's surroundings. `installed` is what `install` said; `copy` is where tests may write."""

    sandbox: Sandbox
    limits: Limits
    source: Path
    installed: Mapping[str, Any]
    report: Report
    cancel: Cancel
    began: float = field(default_factory=time.monotonic)

    @property
    def files(self) -> Files:
        """The commit's files."""
        return Files(self.source)

    @property
    def copy(self) -> Path:
        """The copy that tests run in."""
        return self.source.with_name("tested")

    def scan(self, argv: Sequence[str], read: Sequence[Mount] = (), *, network: bool = False) -> Result:
        """Run a scanner over the files. Raises `Cancelled`."""
        return self._run(
            Confinement(
                tuple(argv),
                directory=SOURCE,
                environment={"PYTHONHASHSEED": "0"},
                read=(Mount(self.source, SOURCE), *read),
                network=network,
                memory_bytes=self.limits.memory,
                processes=self.limits.processes,
                file_bytes=self.limits.writes,
                patient=True,
                seconds=min(self.limits.seconds, 120.0),
            ),
            None,
        )

    def execute(self, argv: Sequence[str], environment: Mapping[str, str]) -> Result:
        """Run the repository's own commands in the copy, with what was installed, without network.

        Raises `Cancelled`, and `Refused` where they left too little room on the disk for everybody else.
        """
        layer = self.installed.get("layer")
        folder = self.installed.get("folder", "")
        read = [Mount(Path(one), one) for one in self.installed.get("mounts", ())]
        read += [Mount(Path(host), inside) for host, inside in self.installed.get("tools", ())]
        if layer:
            (self.copy / folder).mkdir(exist_ok=True)
            read.append(Mount(Path(layer), f"{APP}/{folder}"))
        return self._run(
            Confinement(
                tuple(argv),
                directory=APP,
                environment={**self.installed.get("environment", {}), "CI": "true", **environment},
                read=tuple(read),
                write=(Mount(self.copy, APP),),
                memory_bytes=self.limits.memory,
                processes=self.limits.processes,
                file_bytes=self.limits.writes,
                patient=True,
                seconds=self.limits.seconds,
            ),
            self.report,
        )

    def _run(self, confinement: Confinement, report: Callable[[str], None] | None) -> Result:
        watch = Watch(self.cancel, self.source)
        result = self.sandbox.execute(confinement, report, watch)
        if watch.is_full:
            raise Refused(
                error(
                    "The disk is almost full, so it was stopped",
                    detail=f"What checks write must leave {megabytes(RESERVE)} free.",
                    remedy="Have the tests write less, and remove what they wrote; or free some space, and try again.",
                )
            )
        if result.cancelled:
            raise Cancelled(error("The checks were stopped because somebody asked"))
        return result

    def result(
        self,
        name: str,
        outcome: CheckOutcome,
        summary: str,
        findings: Sequence[CheckFinding] = (),
        tool: str = "",
        said: str = "",
    ) -> CheckResult:
        """The result of a check that began with this bench; long ones are cut, and say so."""
        if len(findings) > MOST_FINDINGS:
            summary = f"{summary}; the first {MOST_FINDINGS} of {len(findings)} are shown"
        lines = tuple(line[:400] for line in said.splitlines()[-_LAST_LINES:])
        seconds = round(time.monotonic() - self.began, 3)
        return CheckResult(name, outcome, summary, tool, tuple(findings[:MOST_FINDINGS]), seconds, lines)

    def nothing(self, name: str, summary: str) -> CheckResult:
        """There is nothing to look at."""
        return self.result(name, CheckOutcome.NOT_APPLICABLE, summary)

    def not_scanned(self, name: str, summary: str, tool: str = "", said: str = "") -> CheckResult:
        """It could not be looked at, which is not the same as having found nothing."""
        return self.result(name, CheckOutcome.NOT_SCANNED, summary, tool=tool, said=said)
