"""Rules in another language than Pave's own, evaluated by an engine that may not be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pave.model.policy import Policies
from pave.verdict.policy import Answers


@dataclass(frozen=True)
class PolicyTest:
    """A rule `test_…` of a policy's own tests, such as `main.test_public`; `problem` says why it did not pass."""

    name: str
    file: str
    problem: str = ""


class PolicyEngine(Protocol):
    """Evaluates Rego. Never raises for what a policy does: whatever is wrong is part of the answer."""

    def ask(self, policies: Policies, inputs: Sequence[Mapping[str, Any]]) -> Answers:
        """What every rule says of every input, within bounds of time and memory."""

    def test(self, policies: Policies) -> tuple[Sequence[PolicyTest], str]:
        """The outcome of the policies' own tests, and why there is none."""
