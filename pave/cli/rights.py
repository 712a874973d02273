"""How rights look in a terminal: yes or no, the chain of reasons with their files, and what would change the answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from pave.cli.render import grid, status


def answer(data: Mapping[str, Any]) -> RenderableType:
    """One verb with its reasons, or a table of all verbs."""
    return _table(data) if data["verbs"] else _one(data)


def _one(data: Mapping[str, Any]) -> RenderableType:
    word = "Yes" if data["allowed"] else "No"
    role = f"  as {data['role']}" if data["role"] else ""
    head = Text.assemble(
        status("allowed" if data["allowed"] else "denied", word), "  ", (data["summary"], "bold"), (role, "dim")
    )
    parts: list[RenderableType] = [head]
    if data["explain"] or not data["allowed"]:
        parts += [_reason(one) for one in data["reasons"]]
    shown = data["needed"] if data["explain"] else data["needed"][:1]
    parts += [Text.assemble(("→ ", "cyan"), f"It would be allowed if {one}.") for one in shown]
    return Group(*parts)


def _reason(one: Mapping[str, Any]) -> Text:
    place = f"{one['file']}:{one['line']}" if one["line"] else one["file"]
    return Text.assemble(f"  {one['said']}", (f"  {place}" if place else "", "dim"))


def _table(data: Mapping[str, Any]) -> RenderableType:
    where = data["address"] or "the platform"
    out = grid("", "verb", "as, or what it takes", "what it is about")
    for one in data["verbs"]:
        mark = status("allowed" if one["allowed"] else "denied", "yes" if one["allowed"] else "no")
        out.add_row(mark, Text(one["verb"], "cyan"), one["why"], Text(one["about"], "dim"))
    acting = f" for {_short(data['behalf'])}" if data["behalf"] else ""
    return Group(Text.assemble((_short(data["user"]), "bold"), acting, f" and {where}"), out)


def _short(reference: str) -> str:
    return reference.replace(":default/", ":")
