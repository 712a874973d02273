"""How the platform as a product looks in a terminal: scores, demand, insights, Pave's own health."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from pave.cli.render import facts, grid, status
from pave.engine.views import duration

_KINDS = {
    "search": "searched for",
    "type": "no such resource",
    "denied": "denied",
    "left": "left half-way",
    "need": "asked for",
}
_BARS = "▁▂▃▄▅▆▇█"
_TONES = {"ok": "succeeded", "warn": "degraded", "bad": "failed"}
_MOST = 10


def scores(data: Mapping[str, Any]) -> RenderableType:
    """How a component does, scorecard by scorecard, with what it lacks; the next step in front."""
    parts: list[RenderableType] = []
    for one in data["scores"]:
        level = (one["level"] or "not yet", "bold" if one["level"] else "dim")
        parts.append(Text.assemble((one["title"], "bold"), "  ", level, (f"  {one['passed']}/{one['of']}", "dim")))
        parts += [_check(check) for check in one["checks"]]
        if one["next"]:
            parts.append(Text.assemble("  ", ("→ ", "cyan"), one["next"]))
    for one in data["campaigns"]:
        ends = f"{one['level']} until {one['until']}, {one['days_left']} days left"
        parts.append(Text.assemble("\n", (f"Campaign {one['title']}: ", "bold"), ends))
    return Group(*parts) if parts else Text("No scorecard is about it.", "dim")


def _check(check: Mapping[str, Any]) -> Text:
    mark = ("✓ ", "green") if check["passed"] else ("✗ ", "red")
    problem = (f"  {check['problem']}", "red") if check["problem"] else ""
    return Text.assemble("  ", mark, check["title"], (f"  {check['level']}", "dim"), problem)


def scorecards(data: Mapping[str, Any]) -> RenderableType:
    """All scorecards, with how many components are on each level."""
    out = grid("scorecard", "components", "what it is about")
    for one in data["scorecards"]:
        spread = ", ".join(f"{count} {level or 'not yet'}" for level, count in one["spread"].items() if count)
        out.add_row(Text(one["name"], "cyan"), spread or "none", one["description"] or one["title"])
    return Group(out, *_campaigns(data["scorecards"]))


def _campaigns(cards: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    for one in (campaign for card in cards for campaign in card["campaigns"]):
        left = f"{one['days_left']} days left" if one["days_left"] >= 0 else "over"
        said = f"{one['share']:.0%} on {one['level']} of {one['scorecard']}, {left}"
        missing = ", ".join(one["missing"][:_MOST])
        told = (f"  not yet: {missing}" if missing else "", "dim")
        yield Text.assemble("\n", (f"{one['title']}: ", "bold"), said, told)


def scorecard(data: Mapping[str, Any]) -> RenderableType:
    """One scorecard: what it checks, and how each component does."""
    card = data["scorecard"]
    checks = grid("check", "level", "what a component has")
    for one in data["checks"]:
        checks.add_row(Text(one["name"], "cyan"), one["level"], one["title"])
    out = grid("component", "level", "checks", "next step")
    for one in data["scores"]:
        out.add_row(
            one["component"], one["level"] or Text("not yet", "dim"), f"{one['passed']}/{one['of']}", one["next"]
        )
    return Group(Text.assemble((card["title"], "bold"), f"  {card['description']}"), checks, Text(), out)


def badge(data: Mapping[str, Any]) -> RenderableType:
    """The picture, ready to be redirected into a file."""
    return Text(data["svg"])


def demand(data: Mapping[str, Any]) -> RenderableType:
    """What to automate next, and what needs no human any more."""
    whole = next((one for one in data["flows"] if not one["operation"]), None)
    parts: list[RenderableType] = [Text("What to automate next", "bold")]
    if data["wishes"]:
        out = grid("people", "times", "what they wanted", "how it was noticed")
        for number, one in enumerate(data["wishes"][:_MOST]):
            style = "bold" if number < 3 else ""
            out.add_row(str(one["people"]), str(one["asked"]), Text(one["what"], style), _KINDS[one["kind"]])
        parts.append(out)
    else:
        parts.append(Text("  Nobody missed anything.", "dim"))
    if whole:
        share = "–" if whole["share"] is None else f"{whole['share']:.0%}"
        count = data["tickets_avoided"]
        said = f"{count} request{'' if count == 1 else 's'} needed no human ({share} of what succeeded)"
        parts += [Text("\nRequest to ready", "bold"), Text(f"  {said}"), _flows(data["flows"])]
    newcomers = facts(
        {
            "newcomers": data["newcomers"] or None,
            "to their first deployment": duration(data["first_deployment"]),
            "to their tenth change": duration(data["tenth_change"]),
        }
    )
    return Group(*parts, newcomers)


def _flows(flows: Sequence[Mapping[str, Any]]) -> RenderableType:
    out = grid("operation", "asked", "succeeded", "median", "95th", "no human", "waited for people")
    for one in flows:
        share = "" if one["share"] is None else f"{one['share']:.0%}"
        numbers = (str(one["asked"]), str(one["succeeded"]), duration(one["p50"]), duration(one["p95"]), share)
        out.add_row(Text(one["operation"] or "all", "cyan"), *numbers, duration(one["waited"]) if one["waited"] else "")
    return out


def insights(data: Mapping[str, Any]) -> RenderableType:
    """The platform as a product, on one page."""
    weeks, active = data["delivery"], list(data["active"].values())
    reliability = data["reliability"]
    parts: list[RenderableType] = [
        Text("Delivery to production, eight weeks", "bold"),
        facts(
            {
                "deployments": _trend([one["deployments"] for one in weeks]),
                "lead time": _newest(weeks, "lead_time", duration),
                "change fail rate": _newest(weeks, "change_fail_rate", _percent),
                "recovery": _newest(weeks, "recovery_time", duration),
                "rework": _newest(weeks, "rework_rate", _percent),
            }
        ),
        Text(),
        demand(data["demand"]),
        Text("\nAdoption", "bold"),
        facts(
            {
                "active a day": _trend(active),
                "doors": ", ".join(f"{door} {count}" for door, count in sorted(data["doors"].items())),
                "most used": ", ".join(one["operation"] for one in data["used"][:5]),
                "healthy": f"{reliability['healthy']} of {reliability['stacks']} stacks",
                "not well": ", ".join(reliability["unhealthy"]),
            }
        ),
    ]
    money = data["cost"]
    so_far = f"{money['so_far']} {money['currency']} so far, {money['projection']} at its end"
    monthly = f"{money['monthly']} {money['currency']} a month"
    unpriced = f", without {money['unpriced']} things of no known price" if money["unpriced"] else ""
    parts += [Text("\nCost", "bold"), facts({"this month": so_far, "what is there": f"{monthly}{unpriced}"})]
    if reliability["objectives"]:
        parts += [Text("\nReliability", "bold"), _objectives(reliability["objectives"])]
    if data["guardrails"]:
        out = grid("guardrail", "found", "denied", "waived", "waited for people")
        for one in data["guardrails"][:_MOST]:
            waited = duration(one["waited"]) if one["waited"] else ""
            out.add_row(
                Text(one["guardrail"], "cyan"), *(str(one[key]) for key in ("found", "denied", "waived")), waited
            )
        parts += [Text(f"\nGuardrails, {data['judged']} changes judged", "bold"), out]
    if data["survey"]:
        answers = {name: f"{list(months.values())[-1]:.1f} of 5" for name, months in data["survey"].items() if months}
        parts += [Text("\nSurvey", "bold"), facts(answers)]
    return Group(*parts)


def _objectives(objectives: Sequence[Mapping[str, Any]]) -> RenderableType:
    """The worst objectives with what is left of their error budgets."""
    out = grid("", "stack", "objective", "wanted", "now", "budget left")
    for one in objectives[:_MOST]:
        tone = {"kept": "succeeded", "burning": "degraded"}.get(one["state"], "failed")
        out.add_row(
            status(tone, one["state"]),
            Text(one["stack"], "cyan"),
            one["name"],
            one["objective"],
            one["good"],
            one["left"],
        )
    return out


def health(data: Mapping[str, Any]) -> RenderableType:
    """Pave's own health: its parts, what it promises, what is slow."""
    out = grid("", "part", "how it is")
    for one in data["parts"]:
        out.add_row(status(_TONES[one["state"]], " "), one["name"], one["says"])
    promised = grid("", "objective, seven days", "goal", "now")
    for one in data["objectives"]:
        held = {True: "succeeded", False: "failed", None: "pending"}[one["held"]]
        value = "–" if one["value"] is None else _amount(one["goal"], one["value"])
        promised.add_row(status(held, " "), one["name"], one["goal"], value)
    slow = grid("slowest", "calls", "mean")
    for one in data["slowest"][:5]:
        slow.add_row(Text(one["operation"], "cyan"), str(one["calls"]), f"{one['seconds'] * 1000:.0f} ms")
    return Group(Text(f"Pave {data['version']}", "bold"), out, Text(), promised, Text(), slow)


def _amount(goal: str, value: float) -> str:
    return f"{value:.2%}" if "%" in goal else duration(value)


def _trend(numbers: Sequence[float]) -> str:
    """`▁▃█  3 7 12`: how it goes, and the newest three numbers."""
    most = max(numbers, default=0)
    bars = "".join(_BARS[round(one / most * (len(_BARS) - 1))] if most else _BARS[0] for one in numbers)
    return f"{bars}  {' '.join(str(one) for one in numbers[-3:])}" if numbers else ""


def _newest(weeks: Sequence[Mapping[str, Any]], name: str, shown: Any) -> str:
    known = [one[name] for one in weeks if one[name] is not None]
    return shown(known[-1]) if known else ""


def _percent(share: float) -> str:
    return f"{share:.0%}"
