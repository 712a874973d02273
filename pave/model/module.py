"""A module: a building block that ops offers, described by `module.yaml` beside its own files.

The module's own variables are the truth about its inputs; `module.yaml` only adds what they cannot
say (choices, limits, a better default).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pave.model.names import Ref
from pave.model.price import Meter, Prices, Usage


@dataclass(frozen=True)
class Input:
    """One input of a module. `type` is Terraform's type expression as text; `required` has no default."""

    name: str
    type: str = "any"
    description: str = ""
    default: Any = None
    required: bool = False
    sensitive: bool = False
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None


@dataclass(frozen=True)
class Output:
    """One output of a module; a sensitive one is never shown, only wired."""

    name: str
    description: str = ""
    sensitive: bool = False


@dataclass(frozen=True)
class Module:
    """A building block. `path` is its folder in the platform repository, `digest` the Git tree id of it."""

    name: str
    version: str
    provides: str
    engine: str
    path: str
    digest: str
    owner: Ref
    klass: str = "default"
    title: str = ""
    description: str = ""
    stateful: bool = False
    inputs: Mapping[str, Input] = field(default_factory=dict)
    outputs: Mapping[str, Output] = field(default_factory=dict)
    meters: tuple[Meter, ...] = ()
    prices: Prices = field(default_factory=dict)
    usage: Mapping[str, Usage] = field(default_factory=dict)
    equivalent: str = ""
    properties: Mapping[str, str | bool] = field(default_factory=dict)
    supported_until: str = ""
