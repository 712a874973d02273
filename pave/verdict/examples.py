"""Guardrails tried on their own examples, each laid over a change that nothing is wrong with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pave.model.diagnostics import Diagnostic, error
from pave.model.guardrail import Example
from pave.model.names import Address
from pave.verdict.finding import Outcome
from pave.verdict.guardrail import Compiled, Subject
from pave.verdict.subject import EXAMPLE

_OUTCOMES = {"advisory": Outcome.WARNED, "soft": Outcome.NEEDS_APPROVAL}


def run_examples(compiled: Compiled) -> Sequence[Diagnostic]:
    """Run a guardrail's own examples; one diagnostic for each that does not come out as expected."""
    wrong = []
    for number, example in enumerate(compiled.rule.examples):
        found = outcome_of(compiled, subject_of(compiled, example))
        if found != example.expect:
            wrong.append(
                error(
                    f"{compiled.rule.name}: example {number + 1} is {found}, not {example.expect}",
                    detail=f"Given {dict(example.given)}.",
                    remedy="Correct the condition or the example.",
                    path=f"spec.examples[{number}]",
                )
            )
    return wrong


def subject_of(compiled: Compiled, example: Example) -> Subject:
    """The change of an example: what the rule applies to, with what the example says of it."""
    applies = {
        key: wanted[0] if isinstance(wanted, (list, tuple)) else wanted for key, wanted in compiled.rule.applies.items()
    }
    kind = {"kind": applies.pop("environment")} if "environment" in applies else {}
    data = _laid(_laid(EXAMPLE, {"change": applies, "environment": kind}), example.given)
    return Subject(Address("example", "service", "thing"), data)


def outcome_of(compiled: Compiled, subject: Subject) -> str:
    """What the rule alone makes of a change."""
    finding = compiled.ask(subject)
    if finding is None:
        return Outcome.ALLOWED.value
    return _OUTCOMES.get(finding.level, Outcome.DENIED).value


def _laid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Values over values; what is a mapping in both is laid part by part."""
    laid = dict(below)
    for key, value in above.items():
        under = below.get(key)
        both = isinstance(value, Mapping) and isinstance(under, Mapping)
        laid[key] = _laid(under, value) if both and isinstance(under, Mapping) else value
    return laid
