"""How alerts, objectives and messages look in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from pave.cli.render import facts, grid, status, table
from pave.engine.views import ago

_SEVERITY = {"critical": "red", "warning": "yellow", "info": "blue"}


def alerts(data: Mapping[str, Any]) -> RenderableType:
    """What fires, then what is broken, then what is silenced."""
    parts: list[RenderableType] = []
    if data["alerts"]:
        out = grid("state", "severity", "where", "what", "since", "id")
        for one in data["alerts"]:
            what = Text(one["message"] or one["title"])
            what.append(_quiet(one), "dim")
            since = one["resolved_at"] if one["state"] == "resolved" else one["since"]
            out.add_row(status(one["state"]), _severity(one), one["subject"], what, _ago(since), one["id"])
        for name in ("state", "id", "since"):
            next(column for column in out.columns if column.header == name).no_wrap = True
        parts.append(out)
    else:
        parts.append(Text.assemble(status("healthy", "Nothing fires"), (f"  {data['rules']} rules watch", "dim")))
    if data["broken"]:
        parts.append(Text("\nBroken rules: what they would watch is not watched", "bold red"))
        parts += [Text.assemble("  ", status("broken", one["name"]), f"  {one['problem']}") for one in data["broken"]]
    if data["silences"]:
        parts.append(Text("\nSilenced", "bold"))
        parts += [
            Text.assemble(
                ("  ", ""),
                (one["id"], "cyan"),
                f"  {one['rule']} on {one['subject']} until {_time(one['until'])}: {one['reason']}",
                (f"  {_short(one['by'])}", "dim"),
            )
            for one in data["silences"]
        ]
    return Group(*parts)


def alert(data: Mapping[str, Any]) -> RenderableType:
    """One alert: what is wrong, what was changed before, where to look, who was told."""
    one = data["alert"]
    parts: list[RenderableType] = [
        Text.assemble(
            status(one["state"]), "  ", (one["subject"], "bold"), "  ", (one["title"], "bold"), "  ", _severity(one)
        ),
        Text(f"  {one['message']}"),
    ]
    if data["changes"]:
        parts.append(Text("\nChanged before", "bold"))
        for change in data["changes"]:
            who = _short(change["actor"]) or "somebody"
            said = f"{change['cause']} of {change['commit'] or 'no commit'} by {who}, {change['outcome']}"
            parts.append(Text.assemble("  ", (f"{_ago(change['at']):<14}", "dim"), said, (f"  {change['run']}", "dim")))
    told = {
        "since": _ago(one["since"]),
        "owner": _short(one["owner"]),
        "taken care of by": f"{_short(one['acknowledged_by'])}  {one['reason']}".strip(),
        "silenced by": one["silenced"],
        "came again": f"{one['flaps']} times within an hour" if one["flaps"] else "",
        "going back": f"pave run {data['rollback']}" if data["rollback"] else "",
        "runbook": data["runbook"],
        "logs": data["logs"],
        "measured": ", ".join(f"{name} {value:.4g}" for name, value in data["values"].items()),
        "rule": f"{one['rule']}: {data['rule'].get('when', '')}" if data["rule"] else one["rule"],
    }
    parts += [Text(""), facts(told)]
    if data["told"]:
        parts += [Text("\nWho was told", "bold"), table(data["told"])]
    if one["state"] in ("firing", "recovering") and not one["acknowledged_by"]:
        parts.append(Text.assemble("\n", ("→ ", "cyan"), f"pave alert ack {one['id']} --reason …"))
    return Group(*parts)


def rules(data: Mapping[str, Any]) -> RenderableType:
    """The rules, those with a problem in front."""
    out = grid("state", "rule", "severity", "when", "applies to")
    for one in sorted(data["rules"], key=lambda one: (one["state"] != "broken", one["state"] != "off", one["name"])):
        when = Text(one["problem"] or one["when"], "red" if one["problem"] else "")
        when.append(f" for {one['hold']}" if one["hold"] else "", "dim")
        name = Text.assemble(
            (one["name"], "cyan"), "" if one["origin"] == "built in" else (f"  {one['origin']}", "dim")
        )
        out.add_row(status(one["state"]), name, _severity(one), when, one["applies"])
    out.columns[0].no_wrap = out.columns[1].no_wrap = True
    return out


def tested(data: Mapping[str, Any]) -> RenderableType:
    """What a test saw, and where its message goes."""
    words = {"holds": "it would fire now", "well": "it is well", "unknown": "nothing was measured"}
    return Group(
        Text.assemble((data["rule"], "cyan"), " on ", (data["subject"], "bold"), f": {words[data['seen']]}"),
        Text(f"  {data['message']}" if data["message"] else "", "dim"),
        *_ways(data),
    )


def sent(data: Mapping[str, Any]) -> RenderableType:
    """Where a test message goes."""
    return Group(*_ways(data))


def objectives(data: Mapping[str, Any]) -> RenderableType:
    """Objectives with what is left of their budgets."""
    out = grid("state", "stack", "objective", "good", "budget left", "burns", "over")
    for one in data["slos"]:
        burn = f"{one['burn']:g} ×" if one["burn"] is not None else ""
        objective = Text.assemble((f"{one['name']} ", "cyan"), one["objective"])
        out.add_row(status(one["state"]), one["stack"], objective, one["good"], one["left"], burn, one["window"])
    return out if data["slos"] else Text("No objectives: they are about stacks with a route that do not sleep.", "dim")


def objective(data: Mapping[str, Any]) -> RenderableType:
    """One objective with its windows."""
    out = grid("state", "windows", "wakes as", "too much from", "long", "short", "requests")
    for one in data["windows"]:
        out.add_row(
            status(one["state"]), one["window"], _severity(one), one["allowed"], one["long"], one["short"],
            str(one["requests"]),
        )  # fmt: skip
    return Group(objectives({"slos": [data["slo"]]}), Text("\nShares of bad requests", "bold"), out)


def messages(data: Mapping[str, Any]) -> RenderableType:
    """What was said, newest first; what did not arrive says why."""
    if not data["messages"]:
        return Text("Nothing was said.", "dim")
    out = grid("state", "when", "to", "what")
    for one in data["messages"]:
        what = Text.assemble((one["title"], _SEVERITY.get(one["severity"], "")))
        if one["problem"]:
            what.append(f"\n{one['problem']}", "red")
        if one["state"] == "waiting" and one["due_at"]:
            what.append(f"\nnext try {_time(one['due_at'])}, {one['attempts']} so far", "dim")
        out.add_row(status(one["state"]), _ago(one["at"]), f"{_short(one['recipient'])} {one['channel']}", what)
    out.columns[0].no_wrap = out.columns[1].no_wrap = True
    return out


def _ways(data: Mapping[str, Any]) -> Iterator[Text]:
    for one in data["ways"]:
        mark = status("given-up" if one["problem"] else "sent", f"{_short(one['recipient'])} {one['channel']}")
        late = f"  not before {_time(one['due_at'])}" if one["due_at"] else ""
        yield Text.assemble(
            "  ", mark, (f"  {one['problem']}" if one["problem"] else late, "red" if one["problem"] else "dim")
        )


def _severity(one: Mapping[str, Any]) -> Text:
    return Text(one["severity"], _SEVERITY.get(one["severity"], ""))


def _quiet(one: Mapping[str, Any]) -> str:
    said = [f"{_short(one['acknowledged_by'])} takes care of it" if one["acknowledged_by"] else ""]
    said.append("silenced" if one["silenced"] else "")
    text = ", ".join(filter(None, said))
    return f"  ({text})" if text else ""


def _ago(text: str | None) -> str:
    return ago(datetime.fromisoformat(text), datetime.now(UTC)) if text else ""


def _time(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _short(reference: str) -> str:
    return reference.replace(":default/", ":")
