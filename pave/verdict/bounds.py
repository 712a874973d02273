"""What keeps a condition from taking for ever: CEL has no loops but its macros, and each runs over a list.

The length of a condition, how deep its macros stand in each other, and how large the lists are that a change may
bring are limited; patterns are matched in linear time by the engine itself. So the worst condition ends in well
under a second. Source of the macros: google/cel-spec, doc/langdef.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

LONGEST = 4_000
DEEPEST = 2
MOST_ITEMS = 1_000
MOST_TEXT = 100_000

_TOKEN = re.compile(
    r"""(?P<text>[rbRB]{0,2}(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))"""
    r"""|(?P<macro>\.\s*(?:all|exists|exists_one|filter|map)\s*\()|(?P<open>[(\[{])|(?P<close>[)\]}])""",
    re.DOTALL,
)


def unbounded(condition: str) -> str:
    """Why a condition could take too long, as the end of a sentence; empty where it cannot."""
    if len(condition) > LONGEST:
        return f"its condition is longer than {LONGEST} characters"
    standing: list[bool] = []
    for found in _TOKEN.finditer(condition):
        if found.lastgroup in ("macro", "open"):
            standing.append(found.lastgroup == "macro")
            if sum(standing) > DEEPEST:
                return f"its condition has more than {DEEPEST} of all, exists, map and filter within each other"
        elif found.lastgroup == "close" and standing:
            standing.pop()
    return ""


def too_large(data: Any) -> str:
    """Why what a rule would look at is too large, as the end of a sentence; empty where it is not."""
    pending = [data]
    seen = 0
    while pending:
        one = pending.pop()
        seen += 1
        if seen > 100 * MOST_ITEMS:
            return f"it is about more than {100 * MOST_ITEMS} values"
        if isinstance(one, str) and len(one) > MOST_TEXT:
            return f"it has a text of more than {MOST_TEXT} characters"
        if isinstance(one, Mapping | list | tuple):
            if len(one) > MOST_ITEMS:
                return f"it has a list of more than {MOST_ITEMS} items"
            pending += one.values() if isinstance(one, Mapping) else one
    return ""
