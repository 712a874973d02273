"""The engine for Rego: regorus, an optional part of the installation, asked in the sandbox.

Whoever may propose a change may propose a policy, so it is somebody's program like a test is: no network, no files, an
end to its time and its memory. What it then does not say denies.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pave.adapters.sandbox import Confinement, Mount, Sandbox, interpreter_mounts
from pave.apply.retry import ApplyError
from pave.model.diagnostics import Refused
from pave.model.policy import Policies
from pave.ports.policies import PolicyTest
from pave.verdict.policy import Answers

INSTALL = "pip install pave-platform[rego]"
_WORKER = Path(__file__).with_name("worker.py")
_INSIDE = "/opt/pave/rego.py"


@dataclass(frozen=True)
class SandboxPolicyEngine:
    """Implements `pave.ports.PolicyEngine`. `seconds` is wall time for all inputs together, `memory` bytes."""

    sandbox: Sandbox
    seconds: float = 10.0
    memory: int = 512 * 1024**2

    def ask(self, policies: Policies, inputs: Sequence[Mapping[str, Any]]) -> Answers:
        """What every rule says of every input."""
        said, problem, remedy = self._asked(policies, inputs)
        if problem:
            return Answers(problem=problem, remedy=remedy)
        answers = said["answers"]
        rules = {name: tuple(f"{file}:{line}" for file, line in places) for name, places in said["rules"].items()}
        return Answers(rules, said["unread"], [one["found"] for one in answers], [one["wrong"] for one in answers])

    def test(self, policies: Policies) -> tuple[Sequence[PolicyTest], str]:
        """The outcome of the policies' own tests, and why there is none."""
        if not policies.tests:
            return (), ""
        said, problem, _ = self._asked(policies, (), policies.tests)
        if problem:
            return (), problem
        unread = (PolicyTest(path, path, problem) for path, problem in said["unread"].items())
        return [*unread, *(PolicyTest(**one) for one in said["tests"])], ""

    def _asked(
        self, policies: Policies, inputs: Sequence[Mapping[str, Any]], tests: Mapping[str, str] | None = None
    ) -> tuple[dict[str, Any], str, str]:
        """What the worker answered, or what went wrong and what would help."""
        if find_spec("regorus") is None:
            return {}, "no engine for Rego is installed", f"Install it: {INSTALL}"
        asked = {
            "files": {one.path: one.text for one in policies.files if not one.problem},
            "tests": tests or {},
            "data": policies.data,
            "inputs": inputs,
        }
        confinement = Confinement(
            (sys.executable, "-I", "-B", _INSIDE),
            read=(Mount(_WORKER, _INSIDE), *interpreter_mounts(packages=True)),
            memory_bytes=self.memory,
            processes=512,
            file_bytes=1024**2,
            seconds=self.seconds,
        )
        try:
            result = self.sandbox.execute(confinement, stdin=json.dumps(asked, default=str).encode())
        except (Refused, ApplyError) as problem:
            return {}, str(problem).split("\n", 1)[0].rstrip("."), ""
        if result.timed_out:
            return {}, f"they did not end within {self.seconds:g} s", "Make them do less."
        try:
            said: dict[str, Any] = json.loads(result.text) if result.code == 0 and not result.cut else {}
        except json.JSONDecodeError:
            said = {}
        if "unread" not in said:
            last = (result.text.strip().splitlines() or ["no word"])[-1][:200]
            return {}, f"the engine ended with {result.code}: {last.rstrip('.')}", "Make them do less, or mend them."
        return said, "", ""
