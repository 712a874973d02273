"""The one judge: subjects in, verdict out. Every door and every stage asks here and nowhere else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pave.model.names import Address
from pave.model.waiver import LONGEST, Waiver
from pave.verdict.finding import Finding, Outcome, Verdict
from pave.verdict.guardrail import BROKEN, Compiled, Subject

_WEIGHT = {"advisory": Outcome.WARNED, "soft": Outcome.NEEDS_APPROVAL, "hard": Outcome.DENIED}
_ORDER = list(Outcome)


@dataclass(frozen=True)
class Rules:
    """What is judged by: the guardrails, the exceptions from them, and the digest of both."""

    guardrails: Sequence[Compiled]
    waivers: Collection[Waiver] = ()
    digest: str = ""


def judge(
    subjects: Iterable[Subject],
    rules: Rules,
    stages: Collection[str],
    now: datetime,
    more: Iterable[Finding] = (),
) -> Verdict:
    """Ask every guardrail of these stages about every subject; the worst finding decides. An unknown level denies.

    `now` is what waivers end by. A finding with a waiver in force stays to be seen and weighs nothing. `more` is what
    policies found, see `verdict.policy`: it weighs the same.
    """
    asked = [rule for rule in rules.guardrails if set(rule.rule.stages) & set(stages)]
    looked_at = list(subjects)
    found = [*(finding for rule in asked for finding in _asked(rule, looked_at)), *more]
    findings = sorted((_waived(one, rules.waivers, now) for one in found), key=_heaviest_first)
    outcome = max(map(_outcome, findings), key=_ORDER.index, default=Outcome.ALLOWED)
    return Verdict(outcome, tuple(findings), rules.digest)


def _asked(rule: Compiled, subjects: Iterable[Subject]) -> Iterator[Finding]:
    """What a rule says of each change; of one that is not about the change itself, what it says of each stack."""
    told: set[Address] = set()
    for subject in subjects:
        if not rule.about_change and subject.address.stack in told:
            continue
        finding = rule.ask(subject)
        if finding is None:
            continue
        if rule.about_change or finding.guardrail == BROKEN:
            yield finding
        else:
            told.add(subject.address.stack)
            yield replace(finding, address=subject.address.stack)


def _waived(finding: Finding, waivers: Collection[Waiver], now: datetime) -> Finding:
    """The finding with the waiver that is in force for it, or with what is wrong with the one there is.

    Of several the one that ends first counts: who writes a shorter one means it.
    """
    if finding.guardrail == BROKEN or finding.address is None:
        return finding
    address = finding.address
    about = [one for one in waivers if one.covers(finding.guardrail, address)]
    if not about:
        return finding
    first = min(about, key=lambda one: one.until)
    if first.until <= now:
        ended = f"{finding.message} The waiver {first.name} ended on {first.until:%Y-%m-%d}."
        return replace(finding, message=ended)
    if first.until - now > LONGEST:
        too_long = f"{finding.message} The waiver {first.name} has no effect: it ends in more than a year."
        return replace(finding, message=too_long)
    return replace(finding, waiver=first.name)


def _outcome(finding: Finding) -> Outcome:
    return Outcome.ALLOWED if finding.waiver else _WEIGHT.get(finding.level, Outcome.DENIED)


def _heaviest_first(finding: Finding) -> tuple[int, str, str]:
    return -_ORDER.index(_outcome(finding)), str(finding.address or ""), finding.guardrail
