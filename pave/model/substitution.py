"""Backstage's substitutions: `{$text: ./openapi.yaml}`, `$json`, `$yaml`, `$openapi`, `$asyncapi`.

Files of the same repository are put in their place. A remote address stays as it is written: reading a catalog
fetches nothing. A path that leaves the repository is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pave.model.diagnostics import Findings, Refused, warning
from pave.model.document import MAX_BYTES, Document, Path, read_document, show
from pave.model.schema import is_placeholder

Include = Callable[[str], bytes | None]
"""Reads a file of the repository by its path from the root; None where there is none."""

_REMOTE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def nothing(path: str) -> None:
    """An `Include` for a file that stands alone."""
    del path


def substitute(document: Document, include: Include, findings: Findings) -> Document:
    """The same document with local substitutions in place; what cannot be put in place is reported and stays."""
    return replace(document, data=_walk(document, document.data, (), include, findings))


def resolve(file: str, target: str) -> str | None:
    """`target`, written in `file`, as a path from the repository's root; None where it leaves the repository."""
    parts = [] if target.startswith("/") else file.split("/")[:-1]
    for part in target.split("/"):
        if part == "..":
            if not parts:
                return None
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _walk(document: Document, value: Any, path: Path, include: Include, findings: Findings) -> Any:
    if is_placeholder(value):
        return _put(document, value, path, include, findings)
    if isinstance(value, dict):
        return {key: _walk(document, one, (*path, key), include, findings) for key, one in value.items()}
    if isinstance(value, list):
        return [_walk(document, one, (*path, index), include, findings) for index, one in enumerate(value)]
    return value


def _put(document: Document, value: dict[str, Any], path: Path, include: Include, findings: Findings) -> Any:
    ((kind, target),) = value.items()
    if not isinstance(target, str):
        findings.add(document.error(path, f"{kind} takes a path or an address", remedy=f"Write {kind}: ./file."))
        return value
    if _REMOTE.match(target):
        return value
    inside = resolve(document.file, target)
    if inside is None:
        findings.add(document.error(path, f"{kind}: {target} leaves the repository", remedy="Name a file inside it."))
        return value
    data = include(inside)
    if data is None:
        findings.add(
            warning(
                f"{kind}: {target} is not there, so it stays as it is written",
                remedy=f"Add {inside}, or correct the path.",
                source=document.source(path),
                path=show(path),
            )
        )
        return value
    try:
        return _read(kind, data, inside)
    except Refused as refused:
        for one in refused.diagnostics:
            findings.add(document.error(path, f"{kind}: {target} cannot be read", detail=str(one)))
    except ValueError as problem:
        findings.add(document.error(path, f"{kind}: {target} cannot be read", detail=f"{problem}."))
    return value


def _read(kind: str, data: bytes, file: str) -> Any:
    if len(data) > MAX_BYTES:
        raise ValueError(f"it has {len(data)} bytes, and {MAX_BYTES} are allowed")
    if kind == "$json":
        return json.loads(data)
    if kind == "$yaml":
        return read_document(data, file).data
    return data.decode()
