"""Guardrails compiled and evaluated: CEL conditions over one planned change.

A rule that cannot be compiled, meets a field that is not there, or answers anything but true or false,
is a finding of its own (`guardrail.error`) that denies. A broken rule never lets anything through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from pave.model.guardrail import Guardrail
from pave.model.names import Address
from pave.verdict.bounds import too_large, unbounded
from pave.verdict.finding import Finding

BROKEN = "guardrail.error"
APPLIES_TO = ("type", "action", "module", "stateful", "environment")
_OF_A_CHANGE = re.compile(r"\b(change|inputs|module|workload)\b|\{address\}")
_PLACE = re.compile(r"\{([a-z_][a-z0-9_.]*)\}")


@dataclass(frozen=True)
class Subject:
    """What a guardrail looks at: one change, with all that is known around it, as plain data.

    `data` has the variables of the conditions: `environment`, `change`, `inputs`, `component`, `evidence`, `actor`.
    """

    address: Address
    data: Mapping[str, Any]

    @cached_property
    def too_large(self) -> str:
        """Why it cannot be looked at in any sensible time; empty where it can."""
        return too_large(self.data)

    @cached_property
    def context(self) -> Any:
        """One CEL context for all rules: converting the data is what costs, not the evaluation."""
        import cel  # noqa: PLC0415 — see program

        return cel.Context(variables=dict(self.data))


@dataclass(frozen=True)
class Compiled:
    """A guardrail ready to be asked; `program` is None where the condition is no CEL, and `problem` says why."""

    rule: Guardrail
    program: Any
    problem: str = ""

    @cached_property
    def about_change(self) -> bool:
        """Whether it says anything of the change itself; one that does not is asked once for a whole stack."""
        return _OF_A_CHANGE.search(f"{self.rule.require} {self.rule.message}") is not None

    def applies(self, subject: Subject) -> bool:
        """Whether the rule looks at this change at all. What is not there to be matched on makes it look."""
        change, environment = subject.data.get("change", {}), subject.data.get("environment", {})
        known = {**change, **({"environment": environment["kind"]} if "kind" in environment else {})}
        return all(
            key not in known or known[key] in (wanted if isinstance(wanted, (list, tuple)) else [wanted])
            for key, wanted in self.rule.applies.items()
        )

    def ask(self, subject: Subject) -> Finding | None:
        """The finding of this rule on this change, or None where it holds or does not apply."""
        if too_much := subject.too_large:
            return self._broken(subject, too_much)
        unknown = sorted(set(self.rule.applies) - set(APPLIES_TO))
        if unknown:
            return self._broken(subject, f"it selects on {', '.join(unknown)}, which no change has")
        if not self.applies(subject):
            return None
        if self.program is None:
            return self._broken(subject, self.problem)
        try:
            holds = self.program.execute(subject.context)
        except Exception as problem:  # noqa: BLE001 — whatever a rule does wrong must deny, not pass
            return self._broken(subject, _first_line(problem))
        if holds is True:
            return None
        if holds is not False:
            return self._broken(subject, f"its condition is {type(holds).__name__}, not true or false")
        rule = self.rule
        return Finding(
            guardrail=rule.name,
            title=rule.title,
            level=rule.level,
            category=rule.category,
            message=fill(rule.message, {**subject.data, "address": str(subject.address)}),
            address=subject.address,
            remedy=rule.remedy,
            patch=rule.patch,
            owner=str(rule.owner),
        )

    def _broken(self, subject: Subject, why: str) -> Finding:
        return Finding(
            guardrail=BROKEN,
            title=f"Guardrail {self.rule.name} could not be evaluated",
            level="hard",
            category=self.rule.category,
            message=f"{self.rule.name} on {subject.address}: {why}.",
            address=subject.address,
            remedy=f"Its owner, {self.rule.owner.short}, must mend it; `pave guardrail test` shows the same.",
            owner=str(self.rule.owner),
        )


def compile_all(rules: Iterable[Guardrail]) -> tuple[Compiled, ...]:
    """Every rule compiled, sorted by name; those with a broken condition are kept, and deny."""
    return tuple(_compile(rule) for rule in sorted(rules, key=lambda one: one.name))


def _compile(rule: Guardrail) -> Compiled:
    return Compiled(rule, *program(rule.require))


@lru_cache(maxsize=1024)
def program(condition: str) -> tuple[Any, str]:
    """A condition compiled, or None and why it cannot be."""
    import cel  # noqa: PLC0415 — it loads its own command line, 0.1 s that no other command should wait for

    if why := unbounded(condition):
        return None, why
    try:
        return cel.compile(condition), ""
    except Exception as problem:  # noqa: BLE001 — see Compiled.ask
        return None, _first_line(problem)


def fill(text: str, data: Mapping[str, Any]) -> str:
    """Put values into `{dotted.names}`; a name that is not there stays as it is written."""

    def value(match: re.Match[str]) -> str:
        found: Any = data
        for part in match[1].split("."):
            if not isinstance(found, Mapping) or part not in found:
                return match[0]
            found = found[part]
        return str(found)

    return _PLACE.sub(value, text)


def _first_line(problem: BaseException) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0].rstrip(".")
