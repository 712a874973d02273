"""Checks of a commit, evidence about an artifact: what makes either trustworthy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from pave.model.workload import Workload
from pave.ports.effects import Cancel, Report
from pave.ports.making import Artifact
from pave.ports.pushes import Incoming
from pave.verdict.evidence import CheckResult, Provenance, Verified


class Checker(Protocol):
    """Checks a commit's files in the sandbox, without network and secrets unless a check needs the registries."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every check there is, in the order in which they are shown; all may run at the same time."""

    def install(self, source: Path, workload: Workload | None, report: Report, cancel: Cancel) -> Mapping[str, Any]:
        """Make `source` (a private checkout) ready to be tested: dependencies, also those for development.

        Returns what `run` needs to know of it, as JSON. Raises `Refused` where a dependency does not exist.
        """

    def run(self, name: str, source: Path, installed: Mapping[str, Any], report: Report, cancel: Cancel) -> CheckResult:
        """Run one check. What cannot be run here is NOT_SCANNED, what has nothing to look at NOT_APPLICABLE."""

    def secrets_of_push(self, incoming: Incoming, new: str, old: str) -> CheckResult:
        """The check `secrets` on every commit that `new` has and `old` (empty: nothing) has not."""


class Attestor(Protocol):
    """Says what an artifact consists of and where it comes from. Signs outside the sandbox that built it."""

    def bill_of_materials(self, artifact: Artifact, files: Path, report: Report, cancel: Cancel) -> bytes:
        """What is in it, as CycloneDX JSON. Raises `Refused` where that cannot be told."""

    def sign(self, provenance: Provenance) -> bytes:
        """A DSSE envelope (JSON) around an in-toto statement with an SLSA v1 provenance predicate."""

    def verify(self, envelope: bytes, digest: str) -> Verified:
        """Whether the signature is this platform's and the statement is about `digest`; never raises."""

    @property
    def public_key(self) -> str:
        """The key that signatures are checked with, as PEM."""


class Evidence(Protocol):
    """The record of checks by commit and of attestations by artifact."""

    def checks(self, repository: str, commit: str) -> Sequence[CheckResult]:
        """What is known of a commit, sorted by name."""

    def put_check(self, repository: str, commit: str, result: CheckResult, run: str = "") -> None:
        """Keep the newest result of a check."""

    def forget_checks(self, repository: str, commit: str, names: Sequence[str] = ()) -> None:
        """Have these checks (none named: all) run again."""

    def attest(self, digest: str, *, materials: bytes = b"", envelope: bytes = b"") -> None:
        """Keep an artifact's bill of materials or its signed provenance; what is empty stays as it is."""

    def materials(self, digest: str) -> bytes:
        """The bill of materials, or nothing."""

    def envelope(self, digest: str) -> bytes:
        """The signed provenance, or nothing."""
