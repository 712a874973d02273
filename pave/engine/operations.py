"""The one registry of operations: everything that Pave can do is declared here once.

REST routes, OpenAPI, CLI commands, MCP tools and portal forms are made from these declarations, so
that no door can do more, or answer otherwise, than another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from pave.model.names import Ref

In = TypeVar("In", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)


class Nothing(BaseModel):
    """The input of an operation that needs none."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Call:
    """How an operation was asked for: who, through which door, with which idempotency key, only to look or for real."""

    actor: Ref
    door: str
    scopes: frozenset[str] = frozenset()
    key: str = ""
    dry_run: bool = False


@dataclass(frozen=True)
class Operation(Generic[In, Out]):
    """One thing that Pave can do.

    `name` is `noun.verb`. `rest` is `METHOD /path/{field}`: path fields are taken from the input, the rest
    comes from the query (GET, DELETE) or the JSON body. `cli` is the command as typed, with its positional
    fields in braces and `[braces]` where optional: `add {component} {name}`; all other input fields become
    options. `starts_run` answers with a run (202, `Location`), otherwise with the result itself.
    `dry_run` says that it can be asked for without effect: the answer then is what would happen, with its
    verdict. What is `live` changes by itself all the time, so that it can be watched. `examples` are command lines
    for the help.
    """

    name: str
    summary: str
    rest: str
    cli: str
    input: type[In]
    output: type[Out]
    handler: Callable[[Any, In], Out]
    scopes: tuple[str, ...]
    read_only: bool = False
    destructive: bool = False
    idempotent: bool = True
    starts_run: bool = False
    dry_run: bool = False
    live: bool = False
    examples: tuple[str, ...] = ()

    def missing(self, scopes: frozenset[str]) -> tuple[str, ...]:
        """The scopes that are needed and not among `scopes`; empty means that the caller may ask."""
        return tuple(scope for scope in self.scopes if scope not in scopes)
