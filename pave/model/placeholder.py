"""Score's placeholders: `${resources.db.host}` and `${metadata.name}` in text, `$$` for a dollar itself.

Only these two roots are Score's. Anything else in `${…}` belongs to somebody else (`${pod.metadata.name}`) and
stays text; `foreign` names it, so that a warning can.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ROOTS = ("metadata", "resources")

_TOKEN = re.compile(r"\$(?:(?P<dollar>\$)|\{(?P<inside>[^}]*)\})")
_DOT = re.compile(r"(?<!\\)\.")


@dataclass(frozen=True)
class Placeholder:
    """A reference: `path` is what follows the root, such as `("db", "host")` below `resources`."""

    root: str
    path: tuple[str, ...]

    def __str__(self) -> str:
        return "${" + ".".join((self.root, *(part.replace(".", r"\.") for part in self.path))) + "}"


def parse(text: str) -> tuple[str | Placeholder, ...]:
    """Split `text` into literal text, with escapes resolved, and placeholders. Empty text gives no parts."""
    parts: list[str | Placeholder] = []
    literal, end = "", 0
    for match in _TOKEN.finditer(text):
        literal += text[end : match.start()]
        end = match.end()
        found = _placeholder(match)
        if found is None:
            literal += "$" if match["dollar"] else match[0]
            continue
        if literal:
            parts.append(literal)
        parts.append(found)
        literal = ""
    literal += text[end:]
    return (*parts, literal) if literal else tuple(parts)


def placeholders(text: str) -> tuple[Placeholder, ...]:
    """The placeholders in `text`, in order."""
    return tuple(part for part in parse(text) if isinstance(part, Placeholder))


def foreign(text: str) -> tuple[str, ...]:
    """What looks like a placeholder in `text` but is none of Score's."""
    return tuple(
        match[0] for match in _TOKEN.finditer(text) if match["inside"] is not None and _placeholder(match) is None
    )


def escape(text: str) -> str:
    """`text` written so that `parse` gives it back unchanged, as one literal."""
    return text.replace("$", "$$")


def _placeholder(match: re.Match[str]) -> Placeholder | None:
    if match["inside"] is None:
        return None
    root, *path = (part.replace(r"\.", ".") for part in _DOT.split(match["inside"].strip()))
    return Placeholder(root, tuple(path)) if root in ROOTS and path and all(path) else None
