"""What is there already, judged again: when a rule, a waiver or a stack changed, and once a day, as time passes too.

A resource is looked at as if it were made now. Nothing is undone for what is found: it is told, and the next change
of the stack has to put it right or be excused.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from pave.engine.judgement.facts import LOOKED_AT, Asking, Facts, whole_of
from pave.engine.judgement.policies import policy_findings
from pave.engine.judgement.spending import Bill
from pave.engine.judging import moment, rules_of
from pave.engine.planning import resolve
from pave.engine.world import World
from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.plan.change import Action, Change, Plan
from pave.plan.stack import Stack
from pave.ports import Judgement
from pave.request.access import SYSTEM
from pave.verdict.finding import Finding, Verdict
from pave.verdict.guardrail import Subject
from pave.verdict.judge import judge
from pave.verdict.subject import subjects_of

STAGE = "schedule"
_log = logging.getLogger(__name__)


class Rejudge:
    """Keeps in mind what was judged by what; a new one judges everything once."""

    def __init__(self) -> None:
        self._judged: dict[Address, tuple[str, ...]] = {}

    def round(self, world: World, snapshot: Snapshot, busy: Collection[str]) -> int:
        """Judge each stack that something changed about since it was judged last; how many there were."""
        facts = Facts(
            Bill(world, snapshot, snapshot), Asking(SYSTEM, LOOKED_AT, "engine", automatic=True), moment(world)
        )
        day = facts.now.date().isoformat()
        due = {
            stack: key
            for stack, inputs in snapshot.inputs.items()
            if str(stack) not in busy
            and self._judged.get(stack) != (key := (inputs, snapshot.guardrails_digest, day, _version(snapshot, stack)))
        }
        subjects: dict[Address, tuple[Subject, ...]] = {}
        for stack, key in due.items():
            try:
                subjects[stack] = subjects_now(facts, stack)
            except Refused as refused:
                _log.info("%s is not judged again: %s", stack, refused)
            self._judged[stack] = key
        for stack, verdict in verdicts_of(facts, subjects).items():
            _told(world, stack, verdict, facts)
        self._judged = {stack: key for stack, key in self._judged.items() if stack in snapshot.inputs}
        return len(due)


def verdict_of(facts: Facts, stack: Address) -> Verdict:
    """The verdict on a stack as it is wanted now. Raises `Refused` where it cannot be read."""
    return verdicts_of(facts, {stack: subjects_now(facts, stack)})[stack]


def subjects_now(facts: Facts, stack: Address) -> tuple[Subject, ...]:
    """What there is to judge in a stack as it is wanted now. Raises `Refused` where it cannot be read."""
    resolved = resolve(facts.world, facts.snapshot, stack)
    plan = as_made_now(stack, resolved, facts.snapshot)
    environment = facts.snapshot.environments[stack.environment]
    return subjects_of(plan, facts.around(plan, environment, whole_of([])))


def verdicts_of(facts: Facts, subjects: Mapping[Address, tuple[Subject, ...]]) -> dict[Address, Verdict]:
    """The verdict on each stack; policies are asked about all of them at once."""
    everything = [one for found in subjects.values() for one in found]
    found: dict[Address, list[Finding]] = {stack: [] for stack in subjects}
    for finding in policy_findings(facts.world, facts.snapshot, everything, [STAGE]):
        if finding.address is not None:
            found[finding.address.stack].append(finding)
    rules = rules_of(facts.snapshot)
    return {stack: judge(subjects[stack], rules, [STAGE], facts.now, found[stack]) for stack in subjects}


def as_made_now(stack: Address, resolved: Stack | None, snapshot: Snapshot) -> Plan:
    """A plan that makes all of a stack, without asking an engine."""
    changes = tuple(
        Change(
            address=part.address,
            action=Action.CREATE,
            type=part.need.type,
            module=part.module.name,
            module_version=part.module.version,
            stateful=part.module.stateful,
            inputs=part.inputs,
        )
        for part in (resolved.parts if resolved else ())
    )
    return Plan(stack, changes, snapshot.inputs.get(stack, ""), 0, snapshot.guardrails_digest, "")


def _told(world: World, stack: Address, verdict: Verdict, facts: Facts) -> None:
    """Keep the verdict, and tell where it is another one than before."""
    before = world.judgements.of(str(stack), STAGE)
    now = verdict.as_data()
    world.judgements.keep(Judgement("", STAGE, now, facts.now, subject=str(stack)))
    if _found(now) != (_found(before.verdict) if before else set()):
        said = [one.guardrail for one in verdict.findings if not one.waiver]
        outcome = verdict.outcome.value
        world.events.emit("stack.judged", str(stack), outcome=outcome, guardrails=sorted(set(said))[:50])


def _found(verdict: Mapping[str, object]) -> set[tuple[str, str, str]]:
    findings = verdict.get("findings")
    known = findings if isinstance(findings, list) else []
    return {(str(one["guardrail"]), str(one["address"]), str(one["waiver"])) for one in known}


def _version(snapshot: Snapshot, stack: Address) -> str:
    return snapshot.deployments[stack].commit
