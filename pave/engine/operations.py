"""The one registry of operations: everything that Pave can do is declared here once.

REST routes, OpenAPI, CLI commands, MCP tools and portal forms are made from these declarations, so
that no door can do more, or answer otherwise, than another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

In = TypeVar("In", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)


@dataclass(frozen=True)
class Operation(Generic[In, Out]):
    """One thing that Pave can do.

    `name` is `noun.verb`. `rest` is `METHOD /path/{field}`: path fields are taken from the input, the rest
    comes from the query (GET, DELETE) or the JSON body. `cli` is the command as typed, with its positional
    fields in braces and `[braces]` where optional: `add {component} {name}`; all other input fields become
    options. `starts_run` answers with a run (202, `Location`), otherwise with the result itself.
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
