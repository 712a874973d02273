"""A guardrail: a rule on a planned change, as written. `pave.verdict` compiles and evaluates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pave.model.diagnostics import Source
from pave.model.names import Ref

LEVELS = ("advisory", "soft", "hard")
STAGES = ("request", "plan", "deploy", "schedule")
CATEGORIES = ("security", "compliance", "cost", "reliability", "operations")


@dataclass(frozen=True)
class Example:
    """A test of the guardrail: this input must give this verdict."""

    given: Mapping[str, Any]
    expect: str


@dataclass(frozen=True)
class Guardrail:
    """`require` is a CEL condition that must hold for each change that `applies` selects."""

    name: str
    title: str
    owner: Ref
    category: str
    level: str
    require: str
    message: str
    stages: tuple[str, ...] = ("plan",)
    applies: Mapping[str, Any] = field(default_factory=dict)
    remedy: str = ""
    patch: Mapping[str, Any] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    source: Source = field(default_factory=Source, compare=False)
