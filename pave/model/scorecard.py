"""A scorecard: what a good component has, as written. `pave.observe.scorecard` says how each one does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pave.model.names import Ref

LEVELS = ("bronze", "silver", "gold")
"""The levels of a scorecard that names none, the lowest first."""


@dataclass(frozen=True)
class Check:
    """One thing that a component of `level` has: a CEL condition over what is known of the component."""

    name: str
    title: str
    level: str
    require: str
    remedy: str


@dataclass(frozen=True)
class Campaign:
    """A time in which all components that a scorecard applies to are to reach a level; both days belong to it."""

    name: str
    title: str
    level: str
    since: date
    until: date


@dataclass(frozen=True)
class Scorecard:
    """`levels` are in order, the lowest first. `applies` selects components by `type`, `lifecycle`, `owner`, `tag`."""

    name: str
    title: str
    owner: Ref
    category: str
    checks: tuple[Check, ...]
    levels: tuple[str, ...] = LEVELS
    description: str = ""
    applies: Mapping[str, Any] = field(default_factory=dict)
    campaigns: tuple[Campaign, ...] = ()
