"""How guardrails look in a terminal: a rule, its draft, what waits for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from pave.cli.render import changes, facts, findings, grid, status, table
from pave.engine.views import ago, duration


def rules(data: Mapping[str, Any]) -> RenderableType:
    """The rules in force, by category, those that find most in front."""
    out = grid("rule", "level", "found", "what it wants")
    for one in sorted(data["guardrails"], key=lambda one: (one["category"], -one["found"], one["name"])):
        title = Text.assemble(one["title"], ("  " + one["problem"] if one["problem"] else "", "red"))
        name = Text.assemble((f"{one['category']} ", "dim"), (one["name"], "cyan"))
        out.add_row(name, _level(one["level"]), str(one["found"] or ""), title)
    return out


def _level(level: str) -> Text:
    return Text(level, {"hard": "red", "soft": "yellow"}.get(level, "dim"))


def explained(data: Mapping[str, Any]) -> RenderableType:
    """One rule: what it wants, when, of what; what it found, who is excused, how it is tested."""
    rule = data["guardrail"]
    applies = "; ".join(f"{key}: {_listed(value)}" for key, value in rule["applies"].items()) or "every change"
    parts: list[RenderableType] = [
        Text.assemble((rule["title"], "bold"), "  ", (rule["name"], "cyan")),
        facts(
            {
                "level": f"{rule['level']}, {rule['category']}",
                "asked": ", ".join(rule["stages"]),
                "looks at": applies,
                "owner": rule["owner"],
                "policy" if rule["language"] == "Rego" else "requires": " ".join(rule["require"].split()),
                "says": rule["message"],
                "would pass": rule["remedy"],
                "broken": rule["problem"],
            }
        ),
        Text(f"\n{data['lately']}", "dim"),
    ]
    if data["findings"]:
        parts += [Text("\nNow", "bold"), *findings(data["findings"])]
    if data["waivers"]:
        parts += [Text("\nExcused", "bold"), table(data["waivers"])]
    if data["examples"]:
        parts.append(Text("\nExamples", "bold"))
        parts += [Text.assemble("  ", status(one["expect"]), f"  {one['given']}") for one in data["examples"]]
    return Group(*parts)


def drafted(data: Mapping[str, Any]) -> RenderableType:
    """The file, ready to be redirected into its place; what is said about it are comments."""
    said = [f"# {data['path']}", f"# {data['lately']}"]
    return Text("\n".join([*said, data["text"].rstrip()]))


def approval(data: Mapping[str, Any]) -> RenderableType:
    """One question: who asks for what, what was found, what would be done, and how to answer."""
    now = datetime.now(UTC)
    head = Text.assemble(status(data["state"]), "  ", (data["subject"], "bold"), "  ", (data["id"], "cyan"))
    parts: list[RenderableType] = [
        head,
        facts(
            {
                "asked by": _short(data["requester"]),
                "asked": ago(datetime.fromisoformat(data["asked_at"]), now),
                "waited": duration(data["waited"]),
                "may answer": ", ".join(map(_short, data["approvers"])),
                "answered by": _short(data["decided_by"]),
                "because": data["reason"],
                "run": data["run"],
            }
        ),
        Text("\nWhat was found", "bold"),
        *findings(data["findings"]),
        Text("\nWhat would be done", "bold"),
        *changes(data["plan"] or {}),
    ]
    if data["state"] == "open":
        parts += list(_how_to_answer(data))
    return Group(*parts)


def _how_to_answer(data: Mapping[str, Any]) -> Iterator[Text]:
    if data["mine"]:
        yield Text.assemble("\n", ("→ ", "cyan"), data["mine"])
    else:
        yield Text.assemble("\n", ("→ ", "cyan"), f"pave approval approve {data['id']} --reason …, or refuse")


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _short(reference: str) -> str:
    return reference.replace(":default/", ":")
