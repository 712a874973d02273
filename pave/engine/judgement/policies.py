"""Policies in Rego, asked about subjects: one call of the engine for all, and none where nothing is to be asked."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pave.engine.judgement.trying import MOST_PLACES, Tried, subject_of
from pave.engine.world import World
from pave.model.diagnostics import Diagnostic, error
from pave.model.names import Address
from pave.model.policy import Policies, PolicyRule
from pave.model.snapshot import Snapshot
from pave.ports import Judgement
from pave.verdict.finding import Finding
from pave.verdict.guardrail import Subject
from pave.verdict.policy import Asked, concerned, findings_of, known_rule, problems_of, reads_plan

_MOST_TRIED = 1_000
Resources = Sequence[Mapping[str, Any]]


def policy_findings(
    world: World,
    snapshot: Snapshot,
    subjects: Sequence[Subject],
    stages: Collection[str],
    resources: Mapping[Address, Resources | None] | None = None,
) -> tuple[Finding, ...]:
    """What the policies of `snapshot` say at these stages. `resources` are those of each stack's plan."""
    policies = snapshot.policies
    if not subjects or not concerned(policies, stages):
        return ()
    known = resources or {}
    asked = [Asked(one, _of(one.address, known.get(one.address.stack))) for one in subjects]
    # What is too large is not handed on: it denies without being looked at.
    answers = world.policies.ask(policies, [{} if one.subject.too_large else one.input for one in asked])
    return tuple(findings_of(policies, asked, answers, stages))


@dataclass(frozen=True)
class RuleState:
    """A rule, where all of it stands, and why it denies whatever it is asked; empty where nothing is wrong."""

    rule: PolicyRule
    places: tuple[str, ...]
    problem: str = ""


def rules_in_force(world: World, policies: Policies) -> tuple[RuleState, ...]:
    """Every rule of the policies, as the engine sees them where there is one, sorted by name."""
    if not policies:
        return ()
    answers = world.policies.ask(policies, ())
    wrong = {**problems_of(policies), **answers.unread}
    written: dict[str, list[str]] = {}
    for one in policies.rules:
        written.setdefault(one.name, []).append(f"{one.file}:{one.line}")
    found = []
    for name, places in sorted({**written, **answers.rules}.items()):
        files = [*dict.fromkeys(one.rpartition(":")[0] for one in [*places, *written.get(name, ())])]
        problem = next((f"{file}: {wrong[file]}" for file in files if file in wrong), answers.problem)
        found.append(RuleState(known_rule(policies, name, tuple(places)), tuple(places), problem))
    return tuple(found)


def changed_policies(base: Policies, after: Policies) -> tuple[PolicyRule, ...]:
    """The rules of files that are new or other than before; all of them where their data is."""
    before = {one.path: one.text for one in base.files}
    moved = base.data != after.data
    rules = (rule for one in after.files if moved or before.get(one.path) != one.text for rule in one.rules)
    return tuple({rule.name: rule for rule in rules}.values())


def tried_on(
    world: World, policies: Policies, rules: Sequence[PolicyRule], judgements: Iterable[Judgement]
) -> tuple[Tried, ...]:
    """Rules asked about what was judged; one that needs an engine's plan is tried on nothing: that is not kept."""
    found = (subject_of(data) for each in judgements for data in each.subjects)
    subjects = [one for one in islice(found, _MOST_TRIED) if one is not None and not one.too_large] if rules else []
    answers = world.policies.ask(policies, [one.data for one in subjects]).found if subjects else ()
    tried = []
    for rule in rules:
        seen = [] if reads_plan(policies, rule.name) else list(zip(subjects, answers, strict=False))
        places = [str(one.address) for one, said in seen if said.get(rule.name)]
        tried.append(Tried(rule.name, len(seen), len(places), tuple(dict.fromkeys(places))[:MOST_PLACES]))
    return tuple(tried)


def policy_tests(world: World, policies: Policies) -> tuple[int, list[Diagnostic]]:
    """How many of the policies' own tests pass, and what is wrong with the others or with the policies."""
    states = rules_in_force(world, policies)
    wrong = {one.problem: one for one in states if one.problem}
    failures = [
        error(f"{one.rule.name} cannot be evaluated: {problem}", remedy="Mend it.", path=one.places[0])
        for problem, one in wrong.items()
    ]
    failures += [
        error(f"{path} cannot be used: {problem}", remedy="Mend it.", path=path)
        for path, problem in problems_of(policies).items()
        if not any(problem in one for one in wrong)
    ]
    tests, problem = world.policies.test(policies)
    if problem and not failures:
        failures.append(error(f"The policies' tests cannot be run: {problem}", remedy="Mend it."))
    failures += [
        error(f"{one.name}: {one.problem}", remedy="Correct the policy or the test.", path=one.file)
        for one in tests
        if one.problem
    ]
    return sum(not one.problem for one in tests), failures


def _of(address: Address, resources: Resources | None) -> Resources | None:
    """The engine's own resources that a change is about: those of its module call."""
    if resources is None or not address.resource:
        return resources
    prefix = f"module.{address.resource}"
    return [one for one in resources if _is_in(str(one.get("address", "")), prefix)]


def _is_in(address: str, prefix: str) -> bool:
    return address == prefix or address.startswith((f"{prefix}.", f"{prefix}["))
