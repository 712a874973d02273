"""What a forge sends, read strictly: JSON in UTF-8, of a bounded size, and of each field the type that is expected."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from pave.model.diagnostics import Refused, error

MOST_BYTES = 5 * 1024 * 1024
_MOST_DEPTH = 64
_MOST_TEXT = 1000
_BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
_LINK = re.compile(r"https?://[^\s<>\"']+")


def read(headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """The object that a signed body holds. Raises `Refused`."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(
            error(
                "A webhook is read as JSON only",
                remedy="Choose the content type application/json in the forge's settings of the webhook.",
            )
        )
    if len(body) > MOST_BYTES:
        _refuse("It is larger than 5 MB")
    try:
        text = body.decode("utf-8")
        _bounded(text)
        found = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)
    except UnicodeDecodeError:
        _refuse("It is not UTF-8")
    except (ValueError, RecursionError):
        _refuse("It is not JSON")
    if not isinstance(found, dict):
        _refuse("It is not a JSON object")
    return found


def text(document: Mapping[str, Any], *path: str, default: str | None = None) -> str:
    """The text at a path, one line and of a bounded length; where it is missing, `default`, if there is one.

    Raises `Refused` for what is not there and for what is no text.
    """
    found = _at(document, path)
    if found is None and default is not None:
        return default
    if not isinstance(found, str):
        _refuse(f"{'.'.join(path)} is not a text")
    return " ".join("".join(one if one.isprintable() else " " for one in found[:_MOST_TEXT]).split())


def link(document: Mapping[str, Any], *path: str) -> str:
    """The web address at a path. Raises `Refused` for everything else: it is shown as a link."""
    found = text(document, *path)
    if not _LINK.fullmatch(found):
        _refuse(f"{'.'.join(path)} is not a web address")
    return found


def number(document: Mapping[str, Any], *path: str) -> int:
    """The whole number at a path. Raises `Refused`."""
    found = _at(document, path)
    if not isinstance(found, int) or isinstance(found, bool):
        _refuse(f"{'.'.join(path)} is not a number")
    return found


def flag(document: Mapping[str, Any], *path: str) -> bool:
    """Whether there is a true at a path."""
    return _at(document, path) is True


def branch_of(ref: str) -> str:
    """The branch that a reference names; empty for a tag and everything else."""
    return ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else ""


def commit_of(id_: str) -> str:
    """A commit id; empty for the id of nothing, which forges send for a branch that is gone. Raises `Refused`."""
    if len(id_) not in (40, 64) or any(one not in "0123456789abcdef" for one in id_):
        _refuse("A commit's id is not one")
    return "" if not id_.strip("0") else id_


def addresses(document: Mapping[str, Any], *names: str) -> tuple[str, ...]:
    """The addresses of a repository that a document has under these names."""
    return tuple(found for name in names if (found := text(document, name, default="")))


def delivery(headers: Mapping[str, str], body: bytes, *names: str) -> str:
    """What a message is called: the first of these headers, else the digest of what it says."""
    found = next((headers[name] for name in names if headers.get(name)), "")
    return found[:200] if found.isprintable() and found else f"sha256:{hashlib.sha256(body).hexdigest()}"


def _at(document: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = document
    for key in path:
        if not isinstance(found, dict):
            return None
        found = found.get(key)
    return found


def _bounded(text: str) -> None:
    """Raise `ValueError` for what is nested too deep; brackets in texts count for nothing."""
    depth = 0
    for one in _BRACKETS.finditer(text):
        match one[0][0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
        if depth > _MOST_DEPTH:
            raise ValueError("too deep")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _no_constant(_text: str) -> NoReturn:
    raise ValueError("not a number")


def _refuse(why: str) -> NoReturn:
    raise Refused(error("The webhook cannot be read", detail=f"{why}.", remedy="Choose JSON as its content type."))
