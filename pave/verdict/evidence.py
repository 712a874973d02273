"""What is known of a commit and of what was built from it: checks, provenance, and what a verdict may ask of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


class CheckOutcome(str, Enum):
    """How a check ended. NOT_SCANNED is neither: it never counts as passed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_SCANNED = "not-scanned"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True)
class CheckFinding:
    """One thing that a check found. `severity` is high, medium or low; `line` 0 means the whole file."""

    rule: str
    message: str
    severity: str = "high"
    file: str = ""
    line: int = 0
    remedy: str = ""

    def as_data(self) -> dict[str, Any]:
        """JSON form."""
        return {key: value for key, value in vars(self).items() if value}


@dataclass(frozen=True)
class CheckResult:
    """One check of one commit. `tool` names the program with its version; `summary` is one line."""

    name: str
    outcome: CheckOutcome
    summary: str = ""
    tool: str = ""
    findings: tuple[CheckFinding, ...] = ()
    seconds: float = 0.0
    output: tuple[str, ...] = ()
    """The last lines that the tool said, without secrets; for a failed check."""

    def as_data(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "name": self.name,
            "outcome": self.outcome.value,
            "summary": self.summary,
            "tool": self.tool,
            "findings": [one.as_data() for one in self.findings],
            "seconds": self.seconds,
            "output": list(self.output),
        }


def check_result(data: Mapping[str, Any]) -> CheckResult:
    """The value of its JSON form."""
    return CheckResult(
        name=data["name"],
        outcome=CheckOutcome(data["outcome"]),
        summary=data.get("summary", ""),
        tool=data.get("tool", ""),
        findings=tuple(CheckFinding(**one) for one in data.get("findings", ())),
        seconds=float(data.get("seconds", 0.0)),
        output=tuple(data.get("output", ())),
    )


class SignatureState(str, Enum):
    """What came of looking at a commit's signature. Only VERIFIED counts as signed."""

    VERIFIED = "verified"
    UNSIGNED = "unsigned"
    UNKNOWN_KEY = "unknown-key"
    BAD = "bad"
    NOT_CHECKED = "not-checked"


_OUTCOMES = {
    SignatureState.VERIFIED: CheckOutcome.PASSED,
    SignatureState.UNSIGNED: CheckOutcome.NOT_APPLICABLE,
    SignatureState.BAD: CheckOutcome.FAILED,
}


@dataclass(frozen=True)
class Signature:
    """A commit's signature: `signer` is the user whose key it is, `key` the key's fingerprint (`SHA256:…`).

    `reason` says in half a sentence why it is what it is.
    """

    state: SignatureState
    signer: str = ""
    key: str = ""
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether a known person vouches for the commit."""
        return self.state is SignatureState.VERIFIED

    def as_data(self) -> dict[str, str]:
        """JSON form."""
        found = {"state": self.state.value, "signer": self.signer, "key": self.key, "reason": self.reason}
        return {key: value for key, value in found.items() if value}

    def as_check(self) -> CheckResult:
        """The same as the check `signature` of the commit. One that nobody could check is not scanned."""
        return CheckResult(SIGNATURE, _OUTCOMES.get(self.state, CheckOutcome.NOT_SCANNED), self.reason, "git")


SIGNATURE = "signature"
"""What the check is called."""

NOTHING_KNOWN: Mapping[str, Any] = {
    "checks": {},
    "provenance": "missing",
    "signature": SignatureState.UNSIGNED.value,
    "scanned": False,
    "vulnerabilities": {"high": 0, "medium": 0, "low": 0},
    "licences": [],
}
"""The evidence about a version of which there is none."""


@dataclass(frozen=True)
class Provenance:
    """Where an artifact comes from: what the control plane states about a build, and signs.

    Source of the form: slsa.dev/spec/v1.2/build-provenance, in-toto.io/Statement/v1.
    """

    digest: str
    repository: str
    commit: str
    run: str
    built_with: str
    started: datetime
    finished: datetime
    checks: Sequence[CheckResult] = ()
    materials: str = ""
    """SHA-256 of the bill of materials."""
    builder: str = "pave"


@dataclass(frozen=True)
class Verified:
    """What came of checking a signed provenance. `reason` says why it is not `ok`."""

    ok: bool
    reason: str = ""
    builder: str = ""
    repository: str = ""
    commit: str = ""
    run: str = ""
    statement: Mapping[str, Any] = field(default_factory=dict)
