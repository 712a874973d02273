"""A stack as a Terraform root module: one module call per resource, outputs wired by reference.

The root module is data (`main.tf.json`), so nothing a user writes is ever parsed as HCL: text is
escaped and only the placeholders that `pave.plan.stack` resolved become references.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from pave.model.diagnostics import Refused, error

RESERVED = frozenset({"source", "version", "providers", "count", "for_each", "lifecycle", "depends_on", "locals"})
"""What Terraform keeps for itself in a module call; no variable can have such a name."""

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class Reference:
    """The output of another module call of the same root module."""

    call: str
    output: str

    def __str__(self) -> str:
        return f"module.{_identifier(self.call)}.{_identifier(self.output)}"


Template = tuple[str | Reference, ...]
"""Text with references in it. Exactly one reference and nothing else passes the value on with its type."""


@dataclass(frozen=True)
class RootModule:
    """`document` is main.tf.json without its backend; `sources` maps each call's module folder to its Git tree id."""

    document: Mapping[str, Any]
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Call:
    """One module call. `source` is the module's folder below `modules/`, `digest` its Git tree id."""

    name: str
    source: str
    digest: str
    arguments: Mapping[str, Any]
    depends_on: tuple[str, ...] = ()


def call(source: str, arguments: Mapping[str, Any], depends_on: Iterable[str] = ()) -> dict[str, Any]:
    """The body of one module call in JSON syntax; `depends_on` names other calls.

    Raises `Refused` for an argument that Terraform keeps for itself.
    """
    taken = sorted(RESERVED & arguments.keys())
    if taken:
        raise Refused(
            error(
                f"The module {source} cannot take an input named {', '.join(taken)}",
                detail="Terraform keeps these names for itself.",
                remedy="Rename the variable in the module.",
            )
        )
    body: dict[str, Any] = {"source": f"./modules/{source}"}
    body.update({_identifier(name): expression(value) for name, value in arguments.items()})
    after = sorted(set(depends_on))
    if after:
        body["depends_on"] = [f"module.{_identifier(name)}" for name in after]
    return body


def document(calls: Sequence[Call]) -> RootModule:
    """The root module of `calls`: the `http` backend, the calls, and one sensitive output for each.

    Addresses and credentials of the backend are no part of it: the engine gets them when it runs.
    """
    root: dict[str, Any] = {"terraform": {"backend": {"http": {}}}}
    if calls:
        ordered = sorted(calls, key=lambda one: one.name)
        root["module"] = {_identifier(one.name): call(one.source, one.arguments, one.depends_on) for one in ordered}
        root["output"] = {one.name: {"value": f"${{module.{one.name}}}", "sensitive": True} for one in ordered}
    return RootModule(root, {one.source: one.digest for one in calls})


def expression(value: Any) -> Any:
    """`value` in Terraform's JSON syntax, so that it evaluates to itself.

    Text, `Reference`, `Template`, mapping, list, number, bool and None, nested at will. Text comes out in
    Unicode's NFC, as Terraform stores all text. Raises `TypeError` for anything else.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, Reference):
        return f"${{{value}}}"
    if isinstance(value, tuple):
        return _template(value)
    if isinstance(value, Mapping):
        return {escape(str(key)): expression(one) for key, one in value.items()}
    if isinstance(value, list):
        return [expression(one) for one in value]
    raise TypeError(f"{type(value).__name__} has no form in Terraform")


def escape(text: str) -> str:
    """`text` as a template that evaluates to it."""
    return text.replace("${", "$${").replace("%{", "%%{")


def _template(parts: Template) -> str:
    written = ""
    for literal, group in groupby(parts, key=lambda part: isinstance(part, str)):
        if literal:
            written += escape("".join(str(part) for part in group))
            continue
        # A dollar right before a reference would turn it into escaped text (`$${`), so it becomes an expression.
        bare = written.rstrip("$")
        if bare != written:
            written = f'{bare}${{"{written[len(bare) :]}"}}'
        written += "".join(f"${{{part}}}" for part in group)
    return written


def _identifier(name: str) -> str:
    if not _IDENTIFIER.fullmatch(name):
        raise Refused(error(f"{name!r} is not a Terraform identifier", remedy="Use letters, digits, _ and -."))
    return name
