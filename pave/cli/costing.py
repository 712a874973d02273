"""How costs look in a terminal: by whom, why, and what came of an import."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pave.cli.render import facts, grid

_NEARLY, _ALL = 0.8, 1.0


def report(data: Mapping[str, Any]) -> RenderableType:
    """A line a group: a month as estimated, so far, where it leads, the budget, and the same in the cloud."""
    head = Text.assemble((f"{data['currency']} a month", "bold"), (f"  since {str(data['since'])[:10]}", "dim"))
    if not data["groups"]:
        return Group(head, Text("Nothing is there that could cost anything.", "dim"))
    table = grid(str(data["by"]), "a month", "low to high", "so far", "projection", "budget", "in the cloud")
    for number in range(1, 7):
        table.columns[number].justify = "right"
    for one in data["groups"]:
        span = "" if one["low"] == one["high"] else f"{one['low']} to {one['high']}"
        name = Text(_short(one["group"]), "cyan")
        amounts = (one["monthly"], span, one["so_far"], one["projection"])
        table.add_row(name, *amounts, _budget(one), one["shadow"] or "–")
        if one["unpriced"]:
            table.add_row(Text.assemble("  unpriced: ", (", ".join(one["unpriced"]), "yellow")))
    return Group(head, table)


def _budget(one: Mapping[str, Any]) -> Text:
    if not one["budget"]:
        return Text("–", "dim")
    share = float(one["share"] or 0)
    style = "red" if share > _ALL else "yellow" if share > _NEARLY else "green"
    reserved = f", {one['reserved']} reserved" if one["reserved"] else ""
    return Text.assemble((f"{share:.0%}", style), f" of {one['budget']}{reserved}")


def explained(data: Mapping[str, Any]) -> RenderableType:
    """A resource: its SKUs with quantity and price, and those of its equivalent."""
    parts: list[RenderableType] = [
        Text.assemble((str(data["address"]), "bold"), "  ", (str(data["module"]), "dim")),
        Text(str(data["text"])),
        _lines(data["lines"], so_far=True),
    ]
    if data["equivalent"]:
        parts += [Text(f"\nThe same as {data['equivalent']}", "bold"), _lines(data["shadow"], so_far=False)]
    return Group(*parts)


def _lines(lines: Sequence[Mapping[str, Any]], *, so_far: bool) -> Table:
    table = grid("sku", "a month", "unit", "price", "costs", *(["so far"] if so_far else []), "price from")
    for one in lines:
        if one["unpriced"]:
            table.add_row(str(one["sku"]), Text("unpriced", "yellow"))
            continue
        span = "" if one["low"] == one["high"] else f" ({one['low']} to {one['high']})"
        row = [
            str(one["sku"]),
            f"{one['typical']}{span}",
            str(one["unit"]),
            str(one["unit_price"]),
            str(one["monthly"]),
        ]
        table.add_row(*row, *([str(one["so_far"])] if so_far else []), Text(str(one["source"]), "dim"))
    return table


def imported(data: Mapping[str, Any]) -> RenderableType:
    """What was taken, and what was not, with its line and why."""
    told = {"taken": f"{data['taken']} rows, {data['cost']} {data['currency']}", "refused": data["refused"] or ""}
    parts: list[RenderableType] = [Text(str(data["name"]), "bold"), facts(told)]
    for one in data["problems"]:
        place = f"{one.get('file', '')}:{one.get('line', '')}"
        line = Text.assemble("  ", (place, "cyan"), f"  {one['summary']}")
        parts.append(line.append(f"  {one.get('remedy', '')}", "dim"))
    if data["refused"] > len(data["problems"]):
        parts.append(Text(f"  … {data['refused'] - len(data['problems'])} more", "dim"))
    return Group(*parts)


def _short(reference: str) -> str:
    return reference.replace(":default/", ":")
