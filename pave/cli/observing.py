"""How what is measured looks in a terminal: metrics as sparklines, dashboards as charts, traces as trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from pave.cli.charts import COLOURS, amount, braille, sparkline
from pave.cli.render import grid
from pave.engine.views import ago

_HEIGHT = 5
_AXIS = 9
_GAP = 3
_TWO_COLUMNS = 120
_NARROWEST = 50
_MARKS = {
    "deployment": ("▲", "green"),
    "rollback": ("◀", "yellow"),
    "failure": ("✖", "red"),
    "scale": ("◆", "blue"),
    "alert": ("!", "red"),
}
_SHOWN_MARKS = 8
_BAR = 24


def metrics(data: Mapping[str, Any], width: int) -> RenderableType:
    """Everything that is measured of a stack, a line each."""
    found = data["metrics"]
    if not found:
        return Text(f"Nothing was measured of {data['stack']} yet; every ten seconds it is.", "dim")
    longest = max(len(one["name"]) for one in found)
    room = max(min(width - longest - 40, 60), 10)
    out = grid("metric", "", "", "now", "unit")
    for one in found:
        row = (
            Text(one["name"], "cyan"),
            Text(one["aggregation"], "dim"),
            Text(sparkline(one["values"], room), "green"),
            Text(amount(one["last"], one["unit"]), "bold", justify="right"),
            Text(_unit(one["unit"]), "dim"),
        )
        out.add_row(*row)
    more = [Text(f"and {data['left_out']} more: pave metric NAME", "dim")] if data["left_out"] else []
    return Group(_head(str(data["stack"]), data), Text(), out, *more)


def answer(data: Mapping[str, Any], width: int) -> RenderableType:
    """One metric."""
    if not data["lines"]:
        return Text(f"Nothing like that was measured of {data['metric']} in this time.", "dim")
    chart = {"title": data["metric"], "unit": data["unit"], "lines": data["lines"]}
    return Group(*_chart(chart, data, [], max(width, _NARROWEST)))


def dashboard(data: Mapping[str, Any], width: int) -> RenderableType:
    """A page of charts, two beside each other where there is room; what happened stands below each."""
    columns = 2 if width >= _TWO_COLUMNS else 1
    room = max((width - _GAP * (columns - 1)) // columns, _NARROWEST)
    drawn = [_chart(one, data, data["marks"], room) for one in data["charts"] if one["lines"] or one["problem"]]
    silent = [one["title"] for one in data["charts"] if not (one["lines"] or one["problem"])]
    parts: list[RenderableType] = [_head(data["title"], data), Text()]
    for at in range(0, len(drawn), columns):
        parts += [*_beside(drawn[at : at + columns], room), Text()]
    parts += [_mark(one) for one in data["marks"][-_SHOWN_MARKS:]]
    if silent:
        parts.append(Text(f"Nothing was measured for: {', '.join(silent)}.", "dim"))
    return Group(*parts)


def exported(data: Mapping[str, Any], _width: int) -> RenderableType:
    """The file, ready to be redirected into its place."""
    return Text(data["text"].rstrip())


def traces(data: Mapping[str, Any], width: int) -> RenderableType:
    """Traces as a list; one that was asked for as a tree."""
    found = data["traces"]
    if not found:
        return Text("No traces: an application sends them where OTEL_EXPORTER_OTLP_ENDPOINT says.", "dim")
    if len(found) == 1 and found[0]["tree"]:
        return _tree(found[0], width)
    now, out = datetime.now(UTC), grid("trace", "when", "took", "spans", "what")
    for one in found:
        what = Text.assemble(one["name"], ("  " + one["problem"] if one["problem"] else "", "red"))
        took = Text(amount(one["seconds"], "seconds"), justify="right")
        out.add_row(Text(one["id"][:16], "cyan"), ago(_time(one["at"]), now), took, str(one["spans"]), what)
    return out


def _tree(one: Mapping[str, Any], width: int) -> RenderableType:
    spans = one["tree"]
    total = max((span["offset"] + span["seconds"] for span in spans), default=0.0) or 1.0
    depth: dict[str, int] = {}
    for span in spans:
        depth[span["id"]] = depth.get(span["parent"], -1) + 1
    names = [f"{'  ' * depth[span['id']]}{span['name']}" for span in spans]
    room = min(max(map(len, names)), max(width - _BAR - 30, 20))
    parts: list[RenderableType] = [
        Text.assemble((one["name"], "bold"), f"  {amount(one['seconds'], 'seconds')}  ", (one["problem"], "red")),
        Text(f"{one['id']}  {one['at']}", "dim"),
        Text(),
    ]
    for name, span in zip(names, spans, strict=True):
        begin = min(int(span["offset"] / total * _BAR), _BAR - 1)
        length = min(max(round(span["seconds"] / total * _BAR), 1), _BAR - begin)
        bar = f"{' ' * begin}{'━' * length}".ljust(_BAR)
        tone = "red" if span["problem"] else "green"
        took = amount(span["seconds"], "seconds").rjust(8)
        said = ("  " + (span["problem"] or span["kind"]), "red" if span["problem"] else "dim")
        parts.append(Text.assemble((name[:room].ljust(room), "cyan"), "  ", (bar, tone), took, said))
    return Group(*parts)


def _head(title: str, data: Mapping[str, Any]) -> Text:
    since, until = _time(data["since"]), _time(data["until"])
    return Text.assemble((title, "bold"), (f"  {_clock(since, data)} – {_clock(until, data)} UTC", "dim"))


def _chart(
    one: Mapping[str, Any], data: Mapping[str, Any], marks: Sequence[Mapping[str, Any]], width: int
) -> list[Text]:
    unit, lines = one["unit"], one["lines"]
    title = Text.assemble((one["title"], "bold"), (f"  {_unit(unit)}" if unit else "", "dim"))
    if one.get("problem"):
        return [title, Text(f"  {one['problem']}", "red")]
    plot = width - _AXIS
    values = [value for line in lines for value in line["values"] if value is not None]
    high = max(values, default=0.0) or 1.0
    rows = braille([line["values"] for line in lines], plot, _HEIGHT, high)
    scale = {0: amount(high, unit), _HEIGHT - 1: "0"}
    drawn = [
        Text.assemble((scale.get(number, "").rjust(_AXIS - 2), "dim"), ("┤", "dim"), row)
        for number, row in enumerate(rows)
    ]
    drawn += [*_happened(marks, data, plot), _below(data, plot)]
    return [title, *drawn, *_legend(one, width)]


def _happened(marks: Sequence[Mapping[str, Any]], data: Mapping[str, Any], plot: int) -> list[Text]:
    """A row with what happened, each below its time."""
    since, until = _time(data["since"]).timestamp(), _time(data["until"]).timestamp()
    places: dict[int, tuple[str, str]] = {}
    for one in marks:
        at = (_time(one["at"]).timestamp() - since) / max(until - since, 1.0)
        if at >= 0:
            places[min(int(at * plot), plot - 1)] = _MARKS.get(one["kind"], ("·", "dim"))
    if not places:
        return []
    return [Text.assemble(" " * (_AXIS - 1), *(places.get(column, (" ", "")) for column in range(plot)))]


def _below(data: Mapping[str, Any], plot: int) -> Text:
    since, until = _clock(_time(data["since"]), data), _clock(_time(data["until"]), data)
    return Text(" " * (_AXIS - 1) + since + until.rjust(plot - len(since)), "dim")


def _legend(one: Mapping[str, Any], width: int) -> list[Text]:
    several = len({line["aggregation"] for line in one["lines"]}) > 1
    found = Text(" " * (_AXIS - 1))
    for number, line in enumerate(one["lines"]):
        name = " ".join([*line["labels"].values(), *([line["aggregation"]] if several else [])]) or line["aggregation"]
        shown = f"{name} {amount(line['last'], one['unit'])}  "
        if len(found) + len(shown) + 2 > width and number:
            found.append("…", "dim")
            break
        found.append("● ", COLOURS[number % len(COLOURS)])
        found.append(shown[: width - _AXIS])
    if one.get("left_out"):
        found.append(f"+{one['left_out']} more", "dim")
    return [found]


def _beside(drawn: Sequence[Sequence[Text]], room: int) -> list[Text]:
    """Blocks of rows side by side."""
    rows = []
    for at in range(max(map(len, drawn))):
        row = Text()
        for number, block in enumerate(drawn):
            part = block[at].copy() if at < len(block) else Text()
            part.truncate(room)
            if number < len(drawn) - 1:
                part.pad_right(room + _GAP - part.cell_len)
            row.append_text(part)
        rows.append(row)
    return rows


def _mark(one: Mapping[str, Any]) -> Text:
    glyph, tone = _MARKS.get(one["kind"], ("·", "dim"))
    run = (f"  {one['run']}" if one["run"] else "", "dim")
    at = _time(one["at"]).strftime("%m-%d %H:%M:%S")
    return Text.assemble((glyph, tone), f" {at}  {one['kind']}  ", (one["text"], ""), run)


def _unit(unit: str) -> str:
    """What `amount` has not said already."""
    return {"seconds": "", "bytes": "", "share": ""}.get(unit, unit)


def _clock(at: datetime, data: Mapping[str, Any]) -> str:
    long = (_time(data["until"]) - _time(data["since"])).total_seconds() > 86400
    return at.strftime("%m-%d %H:%M" if long else "%H:%M")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
