"""How answers look: for people with colour and marks, plain where there is no terminal, and as JSON.

Views take the server's data and print; they decide nothing.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pave.engine.views import RunView, StackView, ago, duration, mark

_STYLES = {"ok": "green", "busy": "blue", "warn": "yellow", "bad": "red"}
_WIDE = 10_000


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


def show(data: Any, model: str) -> None:
    """Any answer; runs and stacks have a view of their own, the rest is a table or a list of facts."""
    out = console()
    if model == "RunView":
        out.print(run_view(RunView.model_validate(data)))
    elif model == "StackView":
        out.print(_stack(StackView.model_validate(data)))
    elif isinstance(data, Mapping) and (found := _main_list(data)):
        name, rows = found
        out.print(_table(rows) if rows else Text(f"No {name.replace('_', ' ')}.", style="dim"))
        rest = {key: value for key, value in data.items() if key != name and value not in (None, "", [], {})}
        if rest:
            out.print(_facts(rest))
    elif isinstance(data, Mapping) and isinstance(data.get("lines"), list):
        for line in data["lines"]:
            out.print(Text(str(line)))
    elif isinstance(data, Mapping):
        out.print(_facts(data))
    else:
        out.print(Text(str(data)))


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


def run_view(view: RunView) -> RenderableType:
    """A run whole: steps with durations, verdict with its fix, what came of it."""
    head = Text.assemble(
        status(view.state), "  ", (view.kind, "bold"), " ", view.subject, (f"  {duration(view.seconds)}", "dim")
    )
    parts: list[RenderableType] = [head]
    parts += [_step(one.name, one.subject, one.state, one.seconds, one.detail) for one in view.steps]
    if not view.id or view.state == "denied":
        parts += _changes(view.plan or {})
    parts += _verdict(view.verdict or {})
    if view.error:
        parts.append(Text.assemble(("■ ", "red"), (str(view.error.get("summary", "It failed")), "bold")))
        if view.error.get("detail"):
            parts.append(Text(f"  {view.error['detail']}"))
        if view.error.get("file"):
            parts.append(_diagnostic({**view.error, "remedy": ""}))
    if view.remedy and view.state in ("failed", "denied", "cancelled"):
        parts.append(Text.assemble(("→ ", "cyan"), (view.remedy, "bold")))
    urls = view.result.get("urls") if view.state == "succeeded" else None
    if isinstance(urls, Mapping):
        parts += [Text.assemble(("  ↗ ", "cyan"), (str(url), "underline")) for url in urls.values()]
    if view.id and not view.ended:
        parts.append(Text(f"  run {view.id}", style="dim"))
    return Group(*parts)


def _step(name: str, subject: str, state: str, seconds: float | None, detail: str) -> Text:
    shown = mark(state)
    skipped = "skipped: " if state == "skipped" else ""
    return Text.assemble(
        "  ", (shown.glyph, _STYLES[shown.tone]), f" {name:<12} ", (f"{duration(seconds):>9}  ", "dim"),
        (f"{subject}  " if subject else "", ""), (skipped + detail, "dim"),
    )  # fmt: skip


def _changes(plan: Mapping[str, Any]) -> Iterator[Text]:
    signs = {"create": ("+", "green"), "update": ("~", "yellow"), "replace": ("±", "yellow"), "delete": ("-", "red")}
    for one in plan.get("changes", ()):
        sign, style = signs.get(str(one.get("action")), (" ", "dim"))
        if one.get("action") != "none":
            yield Text.assemble("  ", (sign, style), f" {one.get('address')}  ", (str(one.get("type", "")), "dim"))


def _verdict(verdict: Mapping[str, Any]) -> Iterator[Text]:
    outcome = str(verdict.get("outcome", ""))
    if outcome in ("", "allowed"):
        return
    yield status(outcome)
    for one in verdict.get("findings", ()):
        level = mark("denied" if one.get("level") == "hard" else "degraded")
        yield Text.assemble("  ", (level.glyph, _STYLES[level.tone]), f" {one.get('message')}")
        yield Text(f"    {one.get('title')} · {one.get('guardrail')}, {one.get('level')}", style="dim")
        if one.get("remedy"):
            yield Text.assemble("    ", ("Fix: ", "cyan"), str(one["remedy"]))


def _stack(view: StackView) -> RenderableType:
    now = datetime.now(UTC)
    parts: list[RenderableType] = [
        Text.assemble(
            (view.address, "bold"), "  ", status(view.status), (f"  {view.reason}" if view.reason else "", "")
        )
    ]
    facts = {
        "owner": view.owner,
        "commit": f"{view.commit[:12]}  {ago(view.applied_at, now)}".strip(),
        "repository": view.repository,
        "phase": view.phase,
        "pinned": view.pin or "",
        "run": view.run,
    }
    parts.append(_facts(facts | {f"at {name}": url for name, url in view.urls.items()}))
    if view.resources:
        table = grid("resource", "type", "module", "state")
        for one in view.resources:
            module = f"{one.module} {one.version}".strip()
            table.add_row(one.address, one.type, module, status(one.status, one.reason or mark(one.status).word))
        parts.append(table)
    if view.error:
        parts.append(Text.assemble(("■ ", "red"), str(view.error.get("summary"))))
        if view.error.get("remedy"):
            parts.append(Text.assemble(("→ ", "cyan"), str(view.error["remedy"])))
    return Group(*parts)


def _main_list(data: Mapping[str, Any]) -> tuple[str, Sequence[Mapping[str, Any]]] | None:
    lists = [(key, value) for key, value in data.items() if isinstance(value, list) and key != "lines"]
    of_objects = [(key, value) for key, value in lists if all(isinstance(one, Mapping) for one in value)]
    full = [(key, value) for key, value in of_objects if value]
    return next(iter(full or (of_objects if len(data) == len(of_objects) else [])), None)


_FIRST = ("status", "state", "address", "name", "subject", "title", "kind", "commit", "owner", "actor")
_HIDDEN = frozenset(
    {"repository", "phase", "checked_at", "started_at", "finished_at", "parameters", "result", "steps", "plan"}
)
_SAID_BY_ADDRESS = frozenset({"environment", "component", "run", "door", "verdict", "remedy"})


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    hidden = _HIDDEN | (_SAID_BY_ADDRESS if {"address", "subject"} & set(rows[0]) else frozenset())
    keys = dict.fromkeys(key for row in rows for key in row)
    kept = [key for key in keys if key not in hidden and any(_cell(key, row.get(key)).plain for row in rows)]
    columns = sorted(kept, key=lambda key: _FIRST.index(key) if key in _FIRST else len(_FIRST))
    table = grid(*(column.replace("_", " ") for column in columns))
    for row in rows:
        table.add_row(*(_cell(column, row.get(column)) for column in columns))
    return table


def _cell(key: str, value: Any) -> Text:
    match value:
        case None | "" | [] | {}:
            return Text()
        case str() if key in ("status", "state", "outcome"):
            return status(value)
        case str() if key == "commit":
            return Text(value[:12])
        case str() if key.endswith("_at"):
            return Text(_when(value))
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
            return Text(str(value).splitlines()[0] if str(value) else "")


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


def _facts(data: Mapping[str, Any]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for key, value in data.items():
        if value in (None, "", [], {}):
            continue
        plain = isinstance(value, str | int | float | bool) or key == "urls"
        shown = _cell(key, value) if plain else Text(json.dumps(value, indent=2, ensure_ascii=False, default=str))
        table.add_row(key.replace("_", " "), shown)
    return table
