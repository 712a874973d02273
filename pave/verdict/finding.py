"""Verdicts: a closed set. Whatever is not recognised is denied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pave.model.names import Address

MOST_SHOWN = 200


class Outcome(str, Enum):
    """The four answers."""

    ALLOWED = "allowed"
    WARNED = "allowed-with-warnings"
    NEEDS_APPROVAL = "needs-approval"
    DENIED = "denied"


@dataclass(frozen=True)
class Finding:
    """What one guardrail says of one change, and what would make it pass.

    `owner` is whose guardrail it is. With a `waiver`, the name of one in force, it is shown and weighs nothing.
    """

    guardrail: str
    title: str
    level: str
    category: str
    message: str
    address: Address | None = None
    remedy: str = ""
    patch: Mapping[str, Any] = field(default_factory=dict)
    owner: str = ""
    waiver: str = ""

    def as_data(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "guardrail": self.guardrail,
            "title": self.title,
            "level": self.level,
            "category": self.category,
            "message": self.message,
            "address": str(self.address) if self.address else "",
            "remedy": self.remedy,
            "patch": dict(self.patch),
            "owner": self.owner,
            "waiver": self.waiver,
        }


@dataclass(frozen=True)
class Verdict:
    """The answer on `plans` (their digests by stack), by one guardrail set (`guardrails` is its digest).

    The heaviest findings come first.
    """

    outcome: Outcome
    findings: tuple[Finding, ...] = ()
    guardrails: str = ""
    plans: Mapping[str, str] = field(default_factory=dict)

    @property
    def passes(self) -> bool:
        """Whether the plan may be applied without a human."""
        return self.outcome in (Outcome.ALLOWED, Outcome.WARNED)

    def as_data(self) -> dict[str, Any]:
        """JSON form; of very many findings the first ones, and how many there are."""
        return {
            "outcome": self.outcome.value,
            "guardrails": self.guardrails,
            "plans": dict(self.plans),
            "findings": [one.as_data() for one in self.findings[:MOST_SHOWN]],
            "total": len(self.findings),
        }
