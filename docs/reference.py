"""Writes docs/settings.md and docs/operations.md from the declarations in the code.

    make docs

It keeps no text of its own beyond the introductions, so the pages cannot say what the code does not; a test
fails where they were not made again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from itertools import groupby
from pathlib import Path
from typing import Any

from pave.engine.operations import Operation
from pave.engine.registry import OPERATIONS
from pave.settings import Settings

HERE = Path(__file__).parent

_SETTINGS = """\
# Settings

Made from `pave/settings.py` by `make docs`. The first source that says something wins: the command line, the
variable, `pave.toml` in the data directory, the default. An unknown key in `pave.toml` and a value of the wrong type
are refused, with the source that said it. `data` cannot stand in `pave.toml`, which lies in it. A program that is left
empty is the one that came with Pave; `pave doctor` says which are used.

| in `pave.toml` | variable | default | what it is |
|---|---|---|---|
"""

_OPERATIONS = """\
# Operations

Made from `pave/engine/registry` by `make docs`. Each operation is declared once; its command, its route below
`/api/v1`, its entry in `/api/v1/openapi.json` and on the page `/api` follow. A token carries scopes; whether its
holder may touch this very component is decided by who owns it.

What *starts a run* answers 202 with the run and its address; the command follows it to its end. What can *dry run*
shows the plan and its verdict and changes nothing (`--dry-run`, `?dry_run=true`). A *destructive* operation removes
something. Every command takes `--json`.
"""


def settings() -> str:
    """The page about settings."""
    rows = ""
    for one in fields(Settings):
        if one.name != "sources":
            key = "" if one.name == "data" else f"`{one.name}`"
            default = f"`{one.default}`" if one.default != "" else ""
            rows += f"| {key} | `PAVE_{one.name.upper()}` | {default} | {one.metadata['about']} |\n"
    return _SETTINGS + rows


def operations() -> str:
    """The page about operations."""
    page = _OPERATIONS
    for noun, group in groupby(OPERATIONS, key=lambda one: one.name.partition(".")[0]):
        page += f"\n## {noun}\n"
        for one in group:
            page += "".join(_operation(one))
    return page


def _operation(one: Operation[Any, Any]) -> Iterator[str]:
    method, _, path = one.rest.partition(" ")
    flags = {
        "read only": one.read_only,
        "starts a run": one.starts_run,
        "dry run": one.dry_run,
        "destructive": one.destructive,
        "idempotent": one.idempotent and not one.read_only,
    }
    said = [flag for flag, holds in flags.items() if holds]
    scopes = ", ".join(f"`{scope}`" for scope in one.scopes) or "none"
    yield f"\n### {one.name}\n\n{one.summary}.\n\n"
    yield f"    pave {_typed(one.cli)}\n"
    yield f"    {method} /api/v1{path.replace(':path}', '}')}\n\n"
    yield f"Scopes: {scopes} · {' · '.join(said)}\n"
    inputs = [
        f"| `{info.alias or name}` | {_shown(info)} | {info.description or ''} |"
        for name, info in one.input.model_fields.items()
    ]
    if inputs:
        yield "\n| input | default | what it is |\n|---|---|---|\n" + "\n".join(inputs) + "\n"


def _typed(cli: str) -> str:
    """`add {component} {name}` as people type it: `add COMPONENT NAME`."""
    return re.sub(r"{(\w+)}", lambda found: found[1].upper(), cli)


def _shown(info: Any) -> str:
    if info.is_required():
        return "required"
    default = info.get_default(call_default_factory=True)
    return f"`{default}`" if default not in ("", None, [], {}, ()) else ""


PAGES = {"settings.md": settings, "operations.md": operations}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
