"""The one registry of operations: everything that Pave can do is declared here once.

REST routes, OpenAPI, CLI commands, MCP tools and portal forms are made from these declarations, so
that no door can do more, or answer otherwise, than another.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from pave.model.names import Ref
from pave.request.roles import Verb

In = TypeVar("In", bound=BaseModel)
Out = TypeVar("Out", bound=BaseModel)


class Nothing(BaseModel):
    """The input of an operation that needs none."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Call:
    """How an operation was asked for: who, through which door, with which idempotency key, only to look or for real.

    `behalf` is the person that an agent acts for.
    """

    actor: Ref
    door: str
    scopes: frozenset[str] = frozenset()
    key: str = ""
    dry_run: bool = False
    behalf: Ref | None = None


class Caller(Protocol):
    """What every operation is carried out with: it says no where whoever asks may not, and counts what is used."""

    def admit(self, operation: Operation[Any, Any], given: BaseModel) -> None:
        """Raise `Forbidden` unless it may be done."""

    def count(self, operation: Operation[Any, Any]) -> AbstractContextManager[None]:
        """Around one call."""


@dataclass(frozen=True)
class Operation(Generic[In, Out]):
    """One thing that Pave can do.

    `name` is `noun.verb`. `rest` is `METHOD /path/{field}`: path fields are taken from the input, the rest
    comes from the query (GET, DELETE) or the JSON body. `cli` is the command as typed, with its positional
    fields in braces and `[braces]` where optional: `add {component} {name}`; all other input fields become
    options. `starts_run` answers with a run (202, `Location`), otherwise with the result itself.
    `dry_run` says that it can be asked for without effect: the answer then is what would happen, with its
    verdict. What is `live` changes by itself all the time, so that it can be watched. `stream` is the path of a stream
    that takes the same input and goes on telling: `--follow` on the command line. `examples` are command lines for
    the help. `verb` is what is done, for the judge of rights: without one nobody may. `about` says where: a place with
    input fields in braces, `{env}/{component}`, `run:{run}`, `change:{change}`; empty where only the handler knows.
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
    stream: str = ""
    live: bool = False
    examples: tuple[str, ...] = ()
    verb: Verb | None = None
    about: str = ""

    def carry_out(self, context: Caller, given: In) -> Out:
        """Answer, after the judge of rights, and count it. The only way that a door may take. Raises `Forbidden`."""
        with context.count(self):
            context.admit(self, given)
            return self.handler(context, given)

    def places(self, given: BaseModel) -> tuple[str, ...]:
        """The places that it is about; a field that holds several gives one for each."""
        values = {name: getattr(given, name) for name in type(given).model_fields if f"{{{name}}}" in self.about}
        several = next(((name, value) for name, value in values.items() if isinstance(value, list)), None)
        if several is None:
            return (self.about.format(**values),)
        return tuple(self.about.format(**{**values, several[0]: one}) for one in several[1])

    def missing(self, scopes: frozenset[str]) -> tuple[str, ...]:
        """The scopes that are needed and not among `scopes`; empty means that the caller may ask."""
        return tuple(scope for scope in self.scopes if scope not in scopes)
