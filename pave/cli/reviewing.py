"""How delivery looks in a terminal: a change request, where a commit is, what its checks said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pave.cli.render import grid, status
from pave.engine.views import duration

_DIFF = {"+": "green", "-": "red", "@": "cyan"}
_MOST_DIFF_LINES = 200


def change(data: Mapping[str, Any]) -> RenderableType:
    """One change request: what, whose, what stands in the way; then checks, plan, diff and what was said."""
    head = Text.assemble(
        status(str(data["state"])), "  ", (str(data["title"]), "bold"), "  ", (str(data["id"]), "cyan"), "\n"
    )
    head.append(f"  {data['branch']} → {data['target']} at {str(data['head'])[:7]}, by {_short(data['author'])}", "dim")
    parts: list[RenderableType] = [head]
    parts += [Text.assemble("  ", ("↗ ", "cyan"), url) for url in data.get("urls", {}).values()]
    if data.get("checks"):
        parts += [Text("\nChecks", "bold"), checks(data["checks"])]
    parts += list(_plan(data.get("plan") or {}, data.get("verdict") or {}))
    parts += list(_diff(data.get("diff") or {}))
    for one in data.get("comments", ()):
        parts.append(
            Text.assemble("\n", (_short(one["author"]), "bold"), (f"  {one['at'][:16]}", "dim"), f"\n{one['text']}")
        )
    if data.get("next"):
        parts.append(Text.assemble("\n", ("→ ", "cyan"), str(data["next"])))
    return Group(*parts)


def checks(data: Mapping[str, Any]) -> RenderableType:
    """How each check ended; what those that failed found, with its place."""
    table = grid("", "", "", "")
    for one in data["checks"]:
        seconds = f"{one['seconds']:.1f} s" if one.get("seconds") else ""
        table.add_row(status(one["outcome"]), str(one["name"]), str(one["summary"]), Text(seconds, "dim"))
        for finding in one.get("findings", ()) if one["outcome"] == "failed" else ():
            place = ":".join(str(finding[key]) for key in ("file", "line") if finding.get(key))
            table.add_row("", Text(place, "cyan"), str(finding["message"]), "")
            if finding.get("remedy"):
                table.add_row("", "", Text(f"→ {finding['remedy']}", "dim"), "")
    return table


def whereabouts(data: Mapping[str, Any]) -> RenderableType:
    """Where a commit is: a line an environment, with the reason and what to do."""
    head = Text.assemble((str(data["commit"])[:12], "bold"), "  ", str(data["title"]))
    head.append(f"  {data['repository']}, by {_short(data['author'])}", "dim")
    table = grid("", "", "")
    for one in data["places"]:
        told = Text(str(one.get("reason") or ""))
        if one["state"] in ("live", "included") and one.get("url"):
            told = Text.assemble(told, "  " if told else "", ("↗ ", "cyan"), str(one["url"]))
        table.add_row(status(one["state"]), Text(str(one.get("stack") or one["environment"]), "bold"), told)
        if one.get("remedy"):
            table.add_row("", "", Text(f"→ {one['remedy']}", "dim"))
    return Group(head, table)


def dora(data: Mapping[str, Any]) -> RenderableType:
    """DORA's metrics: a line a group, and below it what its lead times are made of."""
    shown = f"Deployments to {', '.join(data['production']) or 'no environment'} since {data['since'][:10]}"
    head = Text.assemble((shown, "bold"), ("" if data["complete"] else "  of the newest records only", "yellow"))
    if not data["groups"]:
        return Group(head, Text("None: nothing has come to production in this time.", "dim"))
    table = grid(str(data["by"]), "deployments", "lead time", "fail rate", "recovery", "rework")
    for one in data["groups"]:
        often = f"{one['deployments']}  {one['per_day']:.2f} a day"
        recovery = duration(one["recovery_time"]) or "–"
        if one["unrecovered"]:
            recovery += f", {one['unrecovered']} open"
        rates = (_percent(one["change_fail_rate"]), recovery, _percent(one["rework_rate"]))
        table.add_row(_short(one["group"]), often, duration(one["lead_time"]) or "–", *rates)
        parts = [f"{name} {duration(seconds)}" for name, seconds in one["segments"].items() if seconds]
        if parts:
            table.add_row("", "", Text(", ".join(parts), "dim"))
    return Group(head, table)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _plan(plan: Mapping[str, Any], verdict: Mapping[str, Any]) -> Iterator[RenderableType]:
    changes = plan.get("changes") or ()
    if changes:
        cost = str((plan.get("cost") or {}).get("text", ""))
        yield Text.assemble("\n", ("Plan", "bold"), (f"  {cost}" if cost else "", "dim"))
        yield from (Text(f"  {one}", "dim") for one in (plan.get("cost") or {}).get("budgets", ()))
        costs = {one["address"]: one["text"] for one in (plan.get("cost") or {}).get("resources", ())}
        table = Table.grid(padding=(0, 2))
        for one in changes:
            told = Text(costs.get(one["address"], ""), "dim")
            table.add_row(f"  {one['action']}", str(one["address"]), Text(str(one["module"]), "dim"), told)
        yield table
    if verdict:
        yield Text.assemble("\n", ("Verdict", "bold"), "  ", status(str(verdict.get("outcome", ""))))
        for one in verdict.get("findings", ()):
            yield Text.assemble("  ", str(one["message"]), (f"  {one.get('remedy', '')}", "dim"))


def _diff(diff: Mapping[str, str]) -> Iterator[RenderableType]:
    left = _MOST_DIFF_LINES
    for path, text in diff.items():
        yield Text.assemble("\n", (path, "bold"))
        lines = [one for one in text.splitlines() if not one.startswith(("diff ", "index ", "--- ", "+++ "))]
        for line in lines[: max(left, 0)]:
            yield Text(line, _DIFF.get(line[:1], ""))
        left -= len(lines)
    if left < 0:
        yield Text(f"… {-left} more lines; --json has them all", "dim")


def _short(reference: Any) -> str:
    return str(reference).replace(":default/", ":")
