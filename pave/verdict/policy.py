"""Policies of another language as findings: the same levels, owners, waivers and strictness as guardrails.

What an engine answered is a value here. An answer that is missing, a policy that is broken, one that reads what no
change has: each is a `guardrail.error`, which denies.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from pave.model.names import Address, Ref
from pave.model.policy import ANYTHING, LEVELS, Policies, PolicyFile, PolicyRule
from pave.verdict.finding import Finding
from pave.verdict.guardrail import BROKEN, Subject
from pave.verdict.subject import EXAMPLE, KNOWN_AT_THE_DOOR

PLAN = "resource_changes"
"""Where the engine's own resources stand, in the shape of `terraform show -json`."""
_OPEN = ("inputs", "evidence.checks", PLAN)
"""What has fields that no list names: those of a module, of the checks, of a provider."""
_ABOUT_CHANGE = ("change", "inputs", "module", "workload", PLAN, ANYTHING)
_USUAL = ("plan",)


@dataclass(frozen=True)
class Answers:
    """What an engine said: where each rule stands, which files it could not read, and per input what rules found.

    `wrong` is per input why a rule could not be asked; `problem` why there is no answer at all, and what would help.
    """

    rules: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unread: Mapping[str, str] = field(default_factory=dict)
    found: Sequence[Mapping[str, Sequence[Any]]] = ()
    wrong: Sequence[Mapping[str, str]] = ()
    problem: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Asked:
    """A subject, and the engine's own resources that it is about; None where the engine's plan is not at hand."""

    subject: Subject
    resources: Sequence[Mapping[str, Any]] | None = None

    @property
    def input(self) -> dict[str, Any]:
        """What a policy sees as `input`."""
        plan = {} if self.resources is None else {PLAN: list(self.resources)}
        return {**self.subject.data, **plan}


def concerned(policies: Policies, stages: Collection[str]) -> bool:
    """Whether anything has to be asked at these stages. A rule that its text does not show counts as usual."""
    if not policies:
        return False
    return bool(set(_USUAL) & set(stages)) or any(set(rule.stages) & set(stages) for rule in policies.rules)


def problems_of(policies: Policies) -> dict[str, str]:
    """What is wrong with files, as far as their text shows it, by path."""
    return {**policies.problems, **{one.path: said for one in policies.files if (said := problem_of(one))}}


def problem_of(file: PolicyFile) -> str:
    """Why a file cannot be used; it may read nothing that no change has, for that would silently never hold."""
    if file.problem:
        return file.problem
    stages = {stage for rule in file.rules for stage in rule.stages}
    for name in sorted(file.reads):
        first = name.split(".", 1)[0]
        if not _known(name):
            return f"it reads input.{name}, which no change has"
        if "request" in stages and first not in (*KNOWN_AT_THE_DOOR, ANYTHING):
            return f"it reads input.{name}, which is not known yet at the stage request"
        if "schedule" in stages and first == PLAN:
            return f"it reads input.{PLAN}, and at the stage schedule no engine is asked"
    return ""


def _known(name: str) -> bool:
    """Whether changes have a field, as far as that can be listed."""
    here: Any = EXAMPLE
    walked: list[str] = []
    if name == ANYTHING:
        return True
    for part in name.split("."):
        if ".".join(walked) in _OPEN or not isinstance(here, Mapping):
            return True
        walked.append(part)
        if ".".join(walked) in _OPEN:
            return True
        if part not in here:
            return False
        here = here[part]
    return True


def findings_of(
    policies: Policies, asked: Sequence[Asked], answers: Answers, stages: Collection[str]
) -> Iterator[Finding]:
    """What policies say of the subjects, in the order in which they were asked."""
    for stack in dict.fromkeys(one.subject.address.stack for one in asked):
        for path, said in sorted({**problems_of(policies), **answers.unread}.items()):
            yield _broken(stack, path, said)
        if answers.problem:
            yield _broken(stack, "The policies", answers.problem, answers.remedy)
    if answers.problem:
        return
    rules = [
        (rule, places)
        for name, places in sorted(answers.rules.items())
        if set((rule := known_rule(policies, name, places)).stages) & set(stages)
    ]
    told: set[tuple[str, str, Address | None]] = set()
    for number, one in enumerate(asked):
        subject = one.subject
        if too_much := subject.too_large:
            yield _broken(subject.address, "The policies", too_much)
        elif number >= len(answers.found) or number >= len(answers.wrong):
            yield _broken(subject.address, "The policies", "the engine did not answer")
        else:
            for rule, places in rules:
                for finding in _of_a_rule(policies, rule, places, (one, answers.found[number], answers.wrong[number])):
                    key = (finding.guardrail, finding.message, finding.address)
                    if key not in told:
                        told.add(key)
                        yield finding


def _of_a_rule(
    policies: Policies,
    rule: PolicyRule,
    places: tuple[str, ...],
    answer: tuple[Asked, Mapping[str, Sequence[Any]], Mapping[str, str]],
) -> Iterator[Finding]:
    """What one rule says of one subject; of a stack, where it reads nothing of the change itself."""
    one, found, wrong = answer
    reads = _reads(policies, rule.name)
    tops = {field.split(".", 1)[0] for field in reads}
    if rule.name in wrong:
        yield _broken(one.subject.address, rule.name, wrong[rule.name])
    elif PLAN in tops and one.resources is None:
        yield _broken(one.subject.address, rule.name, f"it reads input.{PLAN}, and the engine's plan is not at hand")
    address = one.subject.address if not tops or tops & set(_ABOUT_CHANGE) else one.subject.address.stack
    for finding in _found(rule, places, found.get(rule.name, ())):
        yield replace(finding, address=address)


def _found(rule: PolicyRule, places: tuple[str, ...], items: Sequence[Any]) -> Iterator[Finding]:
    for item in items:
        text, remedy = _words(item)
        where = _files(places)
        message = (text or rule.title or f"{rule.name} holds.").rstrip()
        yield Finding(
            guardrail=rule.name,
            title=rule.title or f"{rule.name} of {where}",
            level=rule.level,
            category=rule.category,
            message=f"{message} ({where})",
            remedy=remedy or rule.remedy or rule.description or f"{where} says what would pass.",
            owner=str(rule.owner),
        )


def reads_plan(policies: Policies, name: str) -> bool:
    """Whether a rule needs the engine's own resources, as far as its files show it."""
    return any(field.split(".", 1)[0] == PLAN for field in _reads(policies, name))


def _reads(policies: Policies, name: str) -> set[str]:
    files = (file for file in policies.files if any(own.name == name for own in file.rules))
    return {field for file in files for field in file.reads}


def _words(item: Any) -> tuple[str, str]:
    """What a rule said, and what would help: a text, or an object with `msg` and perhaps `remedy`."""
    if isinstance(item, Mapping):
        said = item.get("msg", item.get("message"))
        return (said if isinstance(said, str) else str(dict(item))), str(item.get("remedy") or "")
    return (item, "") if isinstance(item, str) else ("" if item is True else str(item), "")


def known_rule(policies: Policies, name: str, places: tuple[str, ...]) -> PolicyRule:
    """The rule as its text shows it. What only the engine sees in it has what is usual."""
    written = [one for one in policies.rules if one.name == name]
    if written:  # of several files', the first that has a title speaks for all, and it is asked when any of them is
        stages = {stage for one in written for stage in one.stages}
        return replace(next((one for one in written if one.title), written[0]), stages=tuple(sorted(stages)))
    level = LEVELS.get(re.split(r"[._]", name.rsplit(".", 1)[-1])[0], "hard")
    file, _, line = (places[0] if places else ":0").rpartition(":")
    return PolicyRule(name, level, file, int(line), owner=Ref("group", "default", "platform"))


def _files(places: tuple[str, ...]) -> str:
    return ", ".join(dict.fromkeys(one.rpartition(":")[0] for one in places))


def _broken(address: Address, what: str, why: str, remedy: str = "") -> Finding:
    return Finding(
        guardrail=BROKEN,
        title=f"{what} could not be evaluated",
        level="hard",
        category="compliance",
        message=f"{what} on {address}: {why}.",
        address=address,
        remedy=remedy or "Who wrote it must mend it; `pave guardrail test` shows the same.",
        owner="group:default/platform",
    )
