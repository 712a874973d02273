"""Policies in Rego, as written in the platform repository. An engine behind a port evaluates them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pave.model.names import Ref

FOLDER = "policies"
ANYTHING = "*"
"""What a policy reads that uses `input` as a whole."""
LEVELS = {"deny": "hard", "violation": "hard", "warn": "advisory"}
"""What the names of Conftest's rules mean: the level of what they find."""


@dataclass(frozen=True)
class PolicyRule:
    """A rule that says what is wrong: `name` is its package and its own name, such as `main.deny_public`.

    A rule may stand in several files; each has one of these. What its comment `# METADATA` does not say is the usual.
    """

    name: str
    level: str
    file: str
    line: int
    title: str = ""
    description: str = ""
    owner: Ref = field(default_factory=lambda: Ref("group", "default", "platform"))
    category: str = "compliance"
    stages: tuple[str, ...] = ("plan",)
    remedy: str = ""


@dataclass(frozen=True)
class PolicyFile:
    """One file: its rules as its text shows them, and the fields of `input` that it reads, as dotted names."""

    path: str
    text: str
    rules: tuple[PolicyRule, ...] = ()
    reads: frozenset[str] = frozenset()
    problem: str = ""
    """Why it cannot be used, as a sentence without its full stop."""


@dataclass(frozen=True)
class Policies:
    """Everything below `policies/`: the files, their tests (by path), what they see as `data`, what cannot be read."""

    files: tuple[PolicyFile, ...] = ()
    tests: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.files or self.problems)

    @property
    def rules(self) -> Iterator[PolicyRule]:
        """Every rule, file by file."""
        return (rule for file in self.files for rule in file.rules)
