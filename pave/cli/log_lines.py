"""How log lines look: time, process and text; the level by its colour, and in words where there is none."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.text import Text

_STYLES = {"warning": "yellow", "error": "red", "fatal": "bold red", "debug": "dim"}
_WIDTH = 10


def show(out: Console, data: Mapping[str, Any]) -> None:
    """Lines, oldest first; those of several stacks name theirs."""
    lines = data["lines"]
    several = len({one["stack"] for one in lines}) > 1
    for one in lines:
        out.print(line(one, named=several), soft_wrap=True)
    if not lines:
        out.print(Text("No lines.", "dim"))
    sys.stdout.flush()


def line(one: Mapping[str, Any], *, named: bool = False) -> Text:
    """One line."""
    style = _STYLES.get(one["level"], "")
    at = datetime.fromisoformat(one["at"]).astimezone()
    day = "" if at.date() == datetime.now(at.tzinfo).date() else f"{at:%Y-%m-%d} "
    who = f"{one['stack']} {one['process']}" if named else str(one["process"])
    text = Text.from_ansi(str(one["text"])) if "\x1b" in one["text"] else Text(str(one["text"]))
    if style and not text.spans:
        text.stylize(style)
    return Text.assemble(
        (f"{day}{at:%H:%M:%S}.{at.microsecond // 1000:03d}", "dim"), " ", (f"{who:<{_WIDTH}} ", "cyan"), text
    )
