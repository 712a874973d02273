"""The one judge: plans in, verdict out. Every door and every stage asks here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pave.model.deployment import Deployment
from pave.model.environment import Environment
from pave.model.names import Ref
from pave.plan.change import Action, Plan
from pave.verdict.evidence import NOTHING_KNOWN
from pave.verdict.finding import Finding, Outcome, Verdict
from pave.verdict.guardrail import Compiled, Subject

_WEIGHT = {"advisory": Outcome.WARNED, "soft": Outcome.NEEDS_APPROVAL, "hard": Outcome.DENIED}
_ORDER = list(Outcome)


def judge(subjects: Iterable[Subject], guardrails: Sequence[Compiled], digest: str, stage: str = "plan") -> Verdict:
    """Ask every guardrail of `stage` about every subject; the worst finding decides. An unknown level denies."""
    asked = [rule for rule in guardrails if stage in rule.rule.stages]
    findings = tuple(finding for subject in subjects for rule in asked if (finding := rule.ask(subject)) is not None)
    outcome = max((_outcome(one) for one in findings), key=_ORDER.index, default=Outcome.ALLOWED)
    return Verdict(outcome, findings, digest)


def _outcome(finding: Finding) -> Outcome:
    return _WEIGHT.get(finding.level, Outcome.DENIED)


@dataclass(frozen=True)
class Around:
    """What is known around a plan: where, which version, whose, who asks, and the evidence about the version.

    `evidence` has `checks` (name → passed, failed, not-scanned or not-applicable), `provenance` (verified,
    missing, or why it does not hold) and `signature` (of the commit: a `SignatureState`).
    """

    environment: Environment
    deployment: Deployment | None
    owner: Ref | None
    actor: Ref
    evidence: Mapping[str, Any] = field(default_factory=lambda: dict(NOTHING_KNOWN))


def subjects_of(plan: Plan, known: Around) -> tuple[Subject, ...]:
    """What there is to judge in a plan: each change that does something, with all that is known around it."""
    environment, deployment, owner = known.environment, known.deployment, known.owner
    around: Mapping[str, Any] = {
        "environment": {
            "name": environment.name,
            "kind": environment.kind,
            "owner": str(environment.owner),
            "inherits": environment.inherits,
            "provenance": environment.deploy.provenance,
            "signature": environment.deploy.signature,
        },
        "component": {
            "name": plan.stack.component,
            "owner": str(owner) if owner else "",
            "artifact": deployment.artifact if deployment else "",
            "commit": deployment.commit if deployment else "",
        },
        "evidence": dict(known.evidence),
        "actor": {"ref": str(known.actor), "kind": known.actor.kind},
    }
    return tuple(
        Subject(
            change.address,
            {
                **around,
                "change": {
                    "address": str(change.address),
                    "action": change.action.value,
                    "type": change.type,
                    "module": change.module,
                    "module_version": change.module_version,
                    "stateful": change.stateful,
                    "drifted": change.drifted,
                },
                "inputs": dict(change.inputs),
            },
        )
        for change in plan.changes
        if change.action is not Action.NONE
    )
