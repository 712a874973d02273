"""How components do on scorecards: every check asked about what is known of a component, and the level it reaches.

What a check reads has the shape of `EXAMPLE`. A check that cannot be evaluated is not passed and says why: a broken
one must never look like an achievement. A component is on the highest level of which it passes all checks, with those
of the levels below; the first check that it lacks on the way up is its next step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from pave.model.scorecard import Campaign, Check, Scorecard
from pave.verdict.bounds import too_large
from pave.verdict.condition import condition, first_line

UNKNOWN = -1.0
"""What a number is where nothing was measured: a check says `x >= 0.0 && x < …`."""

EXAMPLE: Mapping[str, Any] = {
    "component": {
        "name": "service", "title": "Service", "description": "What it does.", "type": "service",
        "lifecycle": "production", "system": "shop", "tags": ["python"], "annotations": {"pave.dev/runbook": "https://…"},
        "known": True,
    },
    "owner": {"ref": "group:default/example", "known": True, "people": 3, "contact": "team@example.com"},
    "repository": {"language": "python", "docs": ["mkdocs.yml", "README.md"], "workload": True, "agents": True},
    "apis": {"provided": 1, "described": 1, "consumed": 0},
    "runtime": {
        "environments": ["dev", "staging", "prod"], "production": True, "healthy": True, "limits": True,
        "readiness": True, "plain_secrets": 0, "stateful": 1, "protected": 1,
    },
    "evidence": {
        "checks": {"tests": "passed", "secrets": "passed"}, "scanned": True,
        "provenance": "verified", "signature": "verified",
        "vulnerabilities": {"high": 0, "medium": 0, "low": 0}, "licences": [],
    },
    "guardrails": {"hard": 0, "soft": 0, "advisory": 0, "waived": 0},
    "delivery": {
        "deployments": 12, "days_since": 2.0, "lead_time_hours": 3.0, "change_fail_rate": 0.0,
        "recovery_hours": UNKNOWN,
    },
    "signals": {"requests_per_minute": 60.0, "error_rate": 0.0, "p95_seconds": 0.1},
    "cost": {"monthly": 12.0, "unpriced": 0, "cost_center": "1000"},
}  # fmt: skip
"""A component that lacks nothing: the shape of what every check may read."""


@dataclass(frozen=True)
class Checked:
    """One check of one component. `problem` says why it could not be asked; then it is not passed."""

    check: Check
    passed: bool
    problem: str = ""


@dataclass(frozen=True)
class Score:
    """How one component does on one scorecard. `level` is empty where it does not reach the lowest one."""

    scorecard: str
    component: str
    level: str
    checks: tuple[Checked, ...]
    next: Check | None = None

    @property
    def passed(self) -> int:
        """How many checks it passes."""
        return sum(one.passed for one in self.checks)


def applies(scorecard: Scorecard, facts: Mapping[str, Any]) -> bool:
    """Whether a scorecard is about a component."""
    component = facts["component"]
    has = {
        "type": [component["type"]],
        "lifecycle": [component["lifecycle"]],
        "owner": [facts["owner"]["ref"], facts["owner"]["ref"].rpartition("/")[2]],
        "tag": component["tags"],
    }
    return all(set(has[key]) & set(_several(wanted)) for key, wanted in scorecard.applies.items())


def score(scorecard: Scorecard, facts: Mapping[str, Any]) -> Score:
    """How a component does. `facts` have the shape of `EXAMPLE`."""
    import cel  # noqa: PLC0415 — see verdict.condition

    reason = too_large(facts)
    context = None if reason else cel.Context(variables=dict(facts))
    checks = tuple(_ask(one, context, reason) for one in scorecard.checks)
    missing = [one.check for one in checks if not one.passed]
    reached = ""
    for level in scorecard.levels:
        if any(one.level == level for one in missing):
            break
        reached = level
    lacking = min(missing, key=lambda one: scorecard.levels.index(one.level), default=None)
    return Score(scorecard.name, str(facts["component"]["name"]), reached, checks, lacking)


def _ask(check: Check, context: Any, reason: str) -> Checked:
    program, problem = condition(check.require)
    if reason or problem:
        return Checked(check, passed=False, problem=reason or problem)
    try:
        holds = program.execute(context)
    except Exception as wrong:  # noqa: BLE001 — whatever a check does wrong, it is not passed
        return Checked(check, passed=False, problem=first_line(wrong))
    if not isinstance(holds, bool):
        return Checked(check, passed=False, problem=f"its condition is {type(holds).__name__}, not true or false")
    return Checked(check, passed=holds)


@dataclass(frozen=True)
class Standing:
    """How a campaign goes: who is there, who is not yet, and the days that are left (negative when it is over)."""

    campaign: Campaign
    there: tuple[str, ...]
    missing: tuple[str, ...]
    days_left: int

    @property
    def share(self) -> float:
        """The share that is there, 0 to 1; of nobody, all are."""
        return len(self.there) / (len(self.there) + len(self.missing)) if self.there or self.missing else 1.0


def standing(scorecard: Scorecard, campaign: Campaign, scores: Iterable[Score], today: date) -> Standing:
    """How a campaign of a scorecard goes."""
    wanted = scorecard.levels.index(campaign.level)
    there: list[str] = []
    missing: list[str] = []
    for one in scores:
        reached = scorecard.levels.index(one.level) if one.level else -1
        (there if reached >= wanted else missing).append(one.component)
    return Standing(campaign, tuple(sorted(there)), tuple(sorted(missing)), (campaign.until - today).days)


def spread(scorecard: Scorecard, scores: Iterable[Score]) -> Mapping[str, int]:
    """How many components are on each level, the lowest first; an empty name counts those on none."""
    count = Counter(one.level for one in scores)
    return {level: count[level] for level in ("", *scorecard.levels)}


def _several(wanted: object) -> Sequence[str]:
    return [str(one) for one in wanted] if isinstance(wanted, list | tuple) else [str(wanted)]
