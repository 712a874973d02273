"""What keeps a condition from taking for ever, and from taking all memory.

CEL has no loops but its macros, and each runs over a list: how deep they stand in each other, how long the lists are
that a condition writes or a change brings, and how much text is looked at that often, is limited; patterns are
matched in linear time by the engine itself. It has no variables either, so what grows must be handed from macro to
macro: `map` may stand there twice, and nothing is added within a macro (`[x].map(a, a + a).map(a, a + a)…` doubles with
each). So the worst condition ends in a second or two. Source of the macros: google/cel-spec, doc/langdef.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

LONGEST = 4_000
DEEPEST = 2
MOST_ITEMS = 1_000
MOST_TEXT = 100_000
MOST_MAPS = 2
MOST_WRITTEN = 200
MOST_WORK = 1_000_000_000
"""Characters that two macros within each other may look at: items times items times the longest text."""

_TOKEN = re.compile(
    r"""(?P<text>[rbRB]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))"""
    r"""|(?P<map>\.\s*map\s*\()|(?P<macro>\.\s*(?:all|exists|exists_one|filter)\s*\()"""
    r"""|(?P<open>[(\[{])|(?P<close>[)\]}])|(?P<plus>\+)|(?P<comma>,)""",
    re.DOTALL,
)


def unbounded(condition: str) -> str:
    """Why a condition could take too long, as the end of a sentence; empty where it cannot."""
    if len(condition) > LONGEST:
        return f"its condition is longer than {LONGEST} characters"
    standing: list[bool] = []
    seen = Counter[str]()
    for found in _TOKEN.finditer(condition):
        kind = found.lastgroup or ""
        seen[kind] += 1
        if kind in ("map", "macro", "open"):
            standing.append(kind != "open")
            if sum(standing) > DEEPEST:
                return f"its condition has more than {DEEPEST} of all, exists, map and filter within each other"
        elif kind == "close" and standing:
            standing.pop()
        elif kind == "plus" and any(standing):
            return "its condition adds within all, exists, map or filter, which can grow without end"
    if seen["map"] > MOST_MAPS:
        return f"its condition has more than {MOST_MAPS} map, which can grow without end"
    if seen["comma"] > MOST_WRITTEN:
        return f"its condition lists more than {MOST_WRITTEN} things"
    return ""


def too_large(data: Any) -> str:
    """Why what a rule would look at is too large, as the end of a sentence; empty where it is not."""
    pending = [data]
    seen = items = text = 0
    while pending:
        one = pending.pop()
        seen += 1
        if seen > 100 * MOST_ITEMS:
            return f"it is about more than {100 * MOST_ITEMS} values"
        if isinstance(one, str):
            text = max(text, len(one))
            if text > MOST_TEXT:
                return f"it has a text of more than {MOST_TEXT} characters"
        if isinstance(one, Mapping | list | tuple):
            items = max(items, len(one))
            if len(one) > MOST_ITEMS:
                return f"it has a list of more than {MOST_ITEMS} items"
            pending += one.values() if isinstance(one, Mapping) else one
    if items * items * text > MOST_WORK:
        return f"it has a list of {items} items and a text of {text} characters, which is too much together"
    return ""
