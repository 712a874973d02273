"""How answers look: for people with colour and marks, plain where there is no terminal, and as JSON.

Views take the server's data and print; they decide nothing.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Self

import yaml
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pave.engine.views import RunView, StackView, ago, duration, mark

_STYLES = {"ok": "green", "busy": "blue", "warn": "yellow", "bad": "red"}
_WIDE = 10_000
_PLAIN = 100
_REF = re.compile(r"([a-z]+):default/(\S+)")
_VIEWS = {
    "ChangeView": "reviewing.change",
    "WhereView": "reviewing.whereabouts",
    "CheckList": "reviewing.checks",
    "DoraReport": "reviewing.dora",
    "GuardrailList": "judging.rules",
    "GuardrailExplained": "judging.explained",
    "Drafted": "judging.drafted",
    "ApprovalView": "judging.approval",
    "ComponentScores": "product.scores",
    "ScorecardList": "product.scorecards",
    "ScorecardDetail": "product.scorecard",
    "Badge": "product.badge",
    "DemandReport": "product.demand",
    "Insights": "product.insights",
    "Health": "product.health",
    "AccessAnswer": "rights.answer",
    "CostReport": "costing.report",
    "CostExplained": "costing.explained",
    "Imported": "costing.imported",
    "AlertList": "watching.alerts",
    "AlertDetail": "watching.alert",
    "AlertRuleList": "watching.rules",
    "AlertTested": "watching.tested",
    "SloList": "watching.objectives",
    "SloDetail": "watching.objective",
    "MessageList": "watching.messages",
    "SentTest": "watching.sent",
}
"""How answers that deserve a view of their own are drawn: `module.function` below `pave.cli`, by the output model."""
_MEASURED = {
    "MetricList": "metrics",
    "MetricAnswer": "answer",
    "DashboardView": "dashboard",
    "ExportView": "exported",
    "TraceList": "traces",
}
_WATCH_SECONDS = 5.0
_COMMIT = re.compile(r"[0-9a-f]{40}")


def console(*, errors: bool = False) -> Console:
    """The terminal, or plain lines of any width where there is none. NO_COLOR is honoured."""
    stream = sys.stderr if errors else sys.stdout
    width = None if stream.isatty() else _WIDE
    return Console(file=stream, highlight=False, markup=False, emoji=False, width=width, soft_wrap=not stream.isatty())


def as_json(data: Any) -> None:
    """The answer as it came."""
    print(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def status(state: str, word: str = "") -> Text:
    """`● Healthy`."""
    shown = mark(state)
    return Text.assemble((shown.glyph, _STYLES[shown.tone]), " ", word or shown.word)


def show(data: Any, model: str, *, steps: bool = True) -> None:
    """Any answer; runs, stacks and credentials have a view of their own, the rest is tables and facts.

    `steps` says whether a run's steps are shown; who follows it where there is no terminal has seen them.
    """
    out = console()
    if model == "RunView":
        out.print(run_view(RunView.model_validate(data), steps=steps))
    elif model == "StackView":
        out.print(_stack(StackView.model_validate(data)))
    elif model == "Credentials":
        _credentials(out, data)
    elif model == "LogPage":
        from pave.cli import log_lines  # noqa: PLC0415 — it draws with what is here

        log_lines.show(out, data)
    elif model == "CostExport":
        sys.stdout.write(data["csv"])  # a file: no terminal's width may break a line
    elif model == "TokenView":
        out.print(facts({key: value for key, value in data.items() if key != "token"}))
        out.print(Text(str(data["token"])), soft_wrap=True)
    elif model in _VIEWS:
        module, _, view = _VIEWS[model].partition(".")
        out.print(getattr(import_module(f"pave.cli.{module}"), view)(data))  # they draw with what is here
    elif model in _MEASURED:
        out.print(measured(data, model, out.width if out.width < _WIDE else _PLAIN))
    elif isinstance(data, Mapping) and isinstance(data.get("lines"), list):
        for line in data["lines"]:
            out.print(Text(str(line)))
    elif isinstance(data, Mapping):
        _answer(out, data)
    else:
        out.print(Text(str(data)))


def measured(data: Mapping[str, Any], model: str, width: int) -> RenderableType:
    """What was measured, drawn for a terminal of `width` columns."""
    from pave.cli import observing  # noqa: PLC0415 — as above

    drawn: RenderableType = getattr(observing, _MEASURED[model])(data, width)
    return drawn


def watch(ask: Callable[[], Mapping[str, Any]], model: str) -> None:
    """Draw an answer again every few seconds, in place where there is a terminal; ends with Ctrl-C."""
    out = console()
    with Live(console=out, screen=out.is_terminal, auto_refresh=False) as live:
        while True:
            live.update(measured(ask(), model, out.width if out.width < _WIDE else _PLAIN), refresh=True)
            time.sleep(_WATCH_SECONDS)


def _answer(out: Console, data: Mapping[str, Any]) -> None:
    single = {key: value for key, value in data.items() if value not in (None, "", [], {}) and key not in _NO_FACTS}
    lists = {key: single.pop(key) for key, value in data.items() if value and _is_rows(value)}
    empty = [key for key, value in data.items() if value == []]
    for name, rows in lists.items():
        if len(lists) > 1:
            out.print(Text(f"\n{name.replace('_', ' ').capitalize()}", style="bold"))
        out.print(table(rows))
    if not lists and empty:
        out.print(Text("The trash is empty." if empty[0] == "kept" else f"No {empty[0].replace('_', ' ')}.", "dim"))
    if single:
        out.print(facts(single))


def _credentials(out: Console, data: Mapping[str, Any]) -> None:
    """What to copy stands in lines of its own, which no terminal's width may break."""
    out.print(Text.assemble((str(data["address"]), "bold"), "  ", (str(data["type"]), "dim")))
    variables = data["variables"]
    out.print(facts({key: one for key, one in data["outputs"].items() if one not in variables.values()}))
    for name, value in variables.items():
        out.print(Text.assemble((f"{name}=", "cyan"), str(value)), soft_wrap=True)


def problem(data: Mapping[str, Any]) -> None:
    """A refusal: what happened, where, and what to do."""
    out = console(errors=True)
    out.print(Text.assemble(("■", "red"), " ", (str(data.get("detail") or data.get("title") or "Refused"), "bold")))
    diagnostics = list(data.get("diagnostics") or ())
    for number, one in enumerate(diagnostics):
        if one.get("file") or number:
            out.print(_diagnostic(one))
    if data.get("remedy"):
        out.print(Text.assemble(("→ ", "cyan"), str(data["remedy"])))


def unreachable(url: str, reason: str) -> None:
    """Nobody answers."""
    out = console(errors=True)
    where = f"Pave does not answer at {url}" if url else "Pave does not run here"
    out.print(Text.assemble(("■", "red"), " ", (f"{where}: {reason}", "bold")))
    out.print(Text.assemble(("→ ", "cyan"), "Start it: pave up"))


def _diagnostic(one: Mapping[str, Any]) -> Text:
    place = str(one.get("file", "")) + (f":{one['line']}" if one.get("line") else "")
    place = f"{place} {one.get('path', '')}".strip()
    line = Text.assemble("  ", (f"{place}  " if place else "", "cyan"), str(one.get("summary", "")))
    return line.append(f"  {one['remedy']}", "dim") if one.get("remedy") else line


class Progress:
    """A run while it goes on: a live view on a terminal, else a line per step that ended."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._out = console(errors=True)
        self._said: set[tuple[str, str, str]] = set()
        self._live: Live | None = None
        self._view: RunView | None = None

    def __enter__(self) -> Self:
        if not self.quiet and self._out.is_terminal:
            self._live = Live(console=self._out, get_renderable=self._render, refresh_per_second=10, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, view: RunView) -> None:
        """The newest view of the run."""
        self._view = view
        if self._live is not None or self.quiet:
            return
        for step in view.steps:
            said = (step.name, step.subject, step.state)
            if step.state != "running" and said not in self._said:
                self._said.add(said)
                self._out.print(_step(step.name, step.subject, step.state, step.seconds, step.detail))

    def _render(self) -> RenderableType:
        if self._view is None:
            return Text("◐ asking …", style="dim")
        view = self._view
        if view.created_at and not view.ended:
            view = view.model_copy(update={"seconds": (datetime.now(UTC) - view.created_at).total_seconds()})
        return run_view(view)


def run_view(view: RunView, *, steps: bool = True) -> RenderableType:
    """A run whole: steps with durations, verdict with its fix, what came of it."""
    outcome = str((view.verdict or {}).get("outcome", ""))
    said = view.state if view.id or view.state == "failed" else outcome or view.state
    took = duration(view.seconds) if view.id else "only looked at: nothing was changed"
    parts: list[RenderableType] = [
        Text.assemble(status(said), "  ", (view.kind, "bold"), " ", view.subject, (f"  {took}", "dim"))
    ]
    if steps:
        parts += [_step(one.name, one.subject, one.state, one.seconds, one.detail) for one in view.steps]
    if not view.id or view.state == "denied":
        parts += changes(view.plan or {})
    parts += _verdict(view.verdict or {}, said)
    if view.error:
        parts.append(Text.assemble(("■ ", "red"), (str(view.error.get("summary", "It failed")), "bold")))
        if view.error.get("detail"):
            parts.append(Text(f"  {view.error['detail']}"))
        if view.error.get("file"):
            parts.append(_diagnostic({**view.error, "remedy": ""}))
    if view.remedy and view.state in ("failed", "denied", "cancelled"):
        parts.append(Text.assemble(("→ ", "cyan"), (view.remedy, "bold")))
    if view.state == "waiting" and view.result.get("approval"):
        said = f"Somebody else has to approve it: pave approval show {view.result['approval']}"
        parts.append(Text.assemble(("→ ", "cyan"), (said, "bold")))
    urls = view.result.get("urls") if view.state == "succeeded" else None
    if isinstance(urls, Mapping):
        parts += [Text.assemble(("  ↗ ", "cyan"), (str(url), "underline")) for url in urls.values()]
    if view.state == "failed" and view.logs:
        parts.append(Text(f"  all it said: {view.logs}", style="dim"))
    if view.id and not view.ended:
        parts.append(Text(f"  run {view.id}", style="dim"))
    return Group(*parts)


def _step(name: str, subject: str, state: str, seconds: float | None, detail: str) -> Text:
    shown = mark(state)
    skipped = "skipped: " if state == "skipped" else ""
    # What is done to one address is a part of the step before it.
    place = "    " if subject else "  "
    return Text.assemble(
        place, (shown.glyph, _STYLES[shown.tone]), f" {name:<{14 - len(place)}} ", (f"{duration(seconds):>9}  ", "dim"),
        (f"{subject}  " if subject else "", ""), (skipped + detail, "dim"),
    )  # fmt: skip


def changes(plan: Mapping[str, Any]) -> Iterator[Text]:
    """What a plan does, a line for each resource."""
    signs = {"create": ("+", "green"), "update": ("~", "yellow"), "replace": ("±", "yellow"), "delete": ("-", "red")}
    cost = plan.get("cost") or {}
    costs = {one["address"]: one["text"] for one in cost.get("resources", ())}
    for one in plan.get("changes", ()):
        sign, style = signs.get(str(one.get("action")), (" ", "dim"))
        if one.get("action") != "none":
            told = (f"  {costs.get(one.get('address'), '')}".rstrip(), "dim")
            yield Text.assemble(
                "  ", (sign, style), f" {one.get('address')}  ", (str(one.get("type", "")), "dim"), told
            )
    if costs:
        yield Text.assemble("  ", ("Cost: ", "cyan"), str(cost.get("text", "")))
        yield from (Text(f"  {one}", "dim") for one in cost.get("budgets", ()))


def _verdict(verdict: Mapping[str, Any], said: str) -> Iterator[Text]:
    outcome = str(verdict.get("outcome", ""))
    if outcome in ("", "allowed"):
        return
    if outcome != said:
        yield status(outcome)
    yield from findings(verdict.get("findings", ()))


def findings(found: Sequence[Mapping[str, Any]]) -> Iterator[Text]:
    """What guardrails found, each with what would pass; what is excused says by which waiver."""
    for one in found:
        level = mark("denied" if one.get("level") == "hard" else "degraded")
        yield Text.assemble("  ", (level.glyph, _STYLES[level.tone]), f" {one.get('message')}")
        excused = f", excused by the waiver {one['waiver']}" if one.get("waiver") else ""
        yield Text(f"    {one.get('title')} · {one.get('guardrail')}, {one.get('level')}{excused}", style="dim")
        if one.get("remedy") and not excused:
            yield Text.assemble("    ", ("Fix: ", "cyan"), str(one["remedy"]))


def _stack(view: StackView) -> RenderableType:
    now = datetime.now(UTC)
    parts: list[RenderableType] = [
        Text.assemble(
            (view.address, "bold"), "  ", status(view.status), (f"  {view.reason}" if view.reason else "", "")
        )
    ]
    told = {
        "owner": view.owner,
        "commit": Text(f"{view.commit[:12]}  {ago(view.applied_at, now)}".strip()),
        "repository": view.repository,
        "built": f"{view.artifact[:19]}  {view.built_with}".strip(),
        "phase": "" if view.phase == "live" else view.phase,
        "pinned": view.pin or "",
        "run": view.run,
    }
    parts.append(facts(told | {f"at {name}": url for name, url in view.urls.items()}))
    if view.resources:
        table = grid("resource", "type", "module", "state")
        for one in view.resources:
            module = f"{one.module} {one.version}".strip()
            state = status(one.status, one.reason or mark(one.status).word)
            if one.until:
                state.append(f"  until {one.until[:16].replace('T', ' ')}", "dim")
            table.add_row(one.address, one.type, module, state)
        parts.append(table)
    if view.error:
        parts.append(Text.assemble(("■ ", "red"), str(view.error.get("summary"))))
        if view.error.get("remedy"):
            parts.append(Text.assemble(("→ ", "cyan"), str(view.error["remedy"])))
    return Group(*parts)


_FIRST = (
    *("status", "state", "outcome", "id", "stack", "address", "ref", "name", "subject", "title", "kind", "commit"),
    *("owner", "actor"),
)
_HIDDEN = frozenset(
    {"repository", "phase", "checked_at", "started_at", "finished_at", "parameters", "result", "steps", "plan"}
    | {"remedy", "require", "observed_at", "artifact", "asked_at", "checked_at", "built_at", "recorded_at", "head"}
    | {"committed_at", "auto", "recovers", "expires_at", "logs"}
)
_SAID_BY_ADDRESS = frozenset({"environment", "component", "run", "door", "verdict"})
_NO_FACTS = frozenset({"last_event"})
_WHOLE = frozenset({"status", "state", "address", "ref", "subject", "id", "kind", "commit", "name", "seconds"})


def _is_rows(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, Mapping) for one in value)


def table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows with the columns that say something."""
    keys = dict.fromkeys(key for row in rows for key in row)
    hidden = _HIDDEN | (_SAID_BY_ADDRESS if {"address", "subject"} & set(keys) else frozenset())
    hidden |= {"kind"} if "ref" in keys else frozenset()
    kept = [key for key in keys if key not in hidden and any(_cell(key, row.get(key)).plain for row in rows)]
    columns = sorted(kept, key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))
    table = grid(*(column.replace("_", " ") for column in columns))
    for name, column in zip(columns, table.columns, strict=True):
        column.no_wrap = name in _WHOLE or name.endswith("_at")
    for row in rows:
        table.add_row(*(_cell(column, row.get(column)) for column in columns))
    return table


def _cell(key: str, value: Any) -> Text:
    match value:
        case None | "" | [] | {}:
            return Text()
        case str():
            return _words(key, value)
        case float() if key == "seconds":
            return Text(duration(value))
        case bool():
            return Text("yes" if value else "no")
        case list() if all(isinstance(one, str | int | float) for one in value):
            return Text(", ".join(map(str, value)))
        case list():
            return Text(str(len(value)))
        case dict() if key == "urls":
            return Text(" ".join(map(str, value.values())))
        case dict():
            return Text(str(value.get("summary") or value.get("outcome") or ""))
        case _:
            return Text(str(value))


def _words(key: str, text: str) -> Text:
    if key in ("status", "state", "outcome"):
        return status(text)
    if key == "at" or key.endswith("_at"):
        return Text(_when(text))
    if key == "commit" or _COMMIT.fullmatch(text):
        return Text(text[:12])
    if reference := _REF.fullmatch(text):
        return Text(f"{reference[1]}:{reference[2]}")
    return Text(next(iter(text.splitlines()), ""))


def _when(text: str) -> str:
    try:
        return ago(datetime.fromisoformat(text), datetime.now(UTC)) or text
    except (ValueError, TypeError):
        return text


def grid(*columns: str) -> Table:
    """A table without lines."""
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def facts(data: Mapping[str, Any]) -> Table:
    """Names and values, those that are empty left out."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for key, value in data.items():
        if not isinstance(value, Text) and value in (None, "", [], {}):
            continue
        table.add_row(key.replace("_", " "), _fact(key, value))
    return table


def _fact(key: str, value: Any) -> RenderableType:
    match value:
        case Text():
            return value
        case dict() if key != "urls" and all(isinstance(one, dict) for one in value.values()):
            return table([{"name": name, **one} for name, one in value.items()])
        case dict() if key != "urls":
            return Text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=_WIDE).rstrip())
        case list() if _is_rows(value):
            return table(value)
        case list():
            return Text("\n".join(_cell("", one).plain for one in value))
        case _:
            return _cell(key, value)
