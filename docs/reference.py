"""Writes docs/settings.md, docs/operations.md and docs/guardrails.md from the declarations in the code.

    make docs

It keeps no text of its own beyond the introductions, so the pages cannot say what the code does not; a test
fails where they were not made again.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import groupby
from pathlib import Path
from typing import Any

import yaml

from pave.engine.operations import Operation
from pave.engine.registry import OPERATIONS
from pave.model.guardrail import CATEGORIES
from pave.model.guardrail_file import read_guardrail
from pave.settings import Settings
from pave.verdict.subject import EXAMPLE, KNOWN_AT_THE_DOOR

HERE = Path(__file__).parent
_LIBRARY = HERE.parent / "pave" / "library" / "guardrails"
RULES = [read_guardrail(path.read_bytes(), path.name) for path in sorted(_LIBRARY.glob("*.yaml"))]

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


_GUARDRAILS = """\
# Guardrails

The rules that Pave comes with, made from `pave/library/guardrails` by `make docs`. In a platform repository they are
files below `guardrails/`, changed like anything else: by a change request, which says how often the changed rule would
have fired on what was judged in the last 30 days. A rule is a condition in CEL that must hold for each planned change;
one that cannot be evaluated denies (`guardrail.error`).

- **advisory** warns, **soft** waits for somebody's approval, **hard** denies.
- `request` is asked before anything is planned, `plan` of every plan and change request, `deploy` right before it is
  recorded, `schedule` of what is there: when a rule or a stack changed, and once a day.

## What a condition may read

Every change has all of this; what is not known says `unknown` or `missing`. Inputs are those of the module, with their
defaults. A rule of the stage `request`
may read {door} only.

```yaml
{shape}```

## What ends, and what there may be of it

`pave add orders trial --type redis --for 3d` and `pave env create try --for 2d` have an end, which stands in Git. A day
before, its owner is told (`resource.ends`, `environment.ends`), with the command that gives more time:
`pave extend dev/orders/trial --by 3d`, `pave env extend try --by 3d`. That is judged like any change; `temporary-ends`
and `preview-ends` say how much there may be. What is over is removed by a change like any other: judged, and a commit
in the platform's own name. `pave quota` shows how much each team has of what it may have; `pave env sleep try` stops
all that runs in an environment, `pave env wake try` or the first request starts it again.

What is denied says what would pass. Where that is a value, `pave fix RUN` asks for the same again with it.

## Exceptions

An approval is for one run and exactly its plan: a member of the team that owns the rule, or of the one that owns what
is changed, answers it (`pave approval list`), never whoever asked; it ends after 24 hours, and with the plan that it
was for. A waiver is a file, `waivers/NAME.yaml`, with who, why, for what and until when, at most a year; it ends by
itself, and of two the one that ends first counts. What is excused stays to be seen.

```yaml
# waivers/orders-small-backup.yaml
apiVersion: pave/v1
kind: Waiver
metadata: {{name: orders-small-backup}}
spec:
  guardrail: postgres-backup-in-production
  for: prod/orders/db            # or the beginning of an address, with * for any part
  reason: Rebuilt nightly from the ledger; see the runbook.
  by: user:dana
  until: 2027-02-01
```

## The rules
"""


def guardrails() -> str:
    """The page about guardrails."""
    shape = yaml.safe_dump(plain(EXAMPLE), sort_keys=False, default_flow_style=None, width=118)
    page = _GUARDRAILS.format(shape=shape, door=", ".join(f"`{one}`" for one in KNOWN_AT_THE_DOOR))
    for category, group in groupby(sorted(RULES, key=lambda one: (CATEGORIES.index(one.category), one.name)),
                                   key=lambda one: one.category):  # fmt: skip
        page += f"\n### {category.capitalize()}\n\n"
        page += "| guardrail | level | stages | for | what it says | what would pass |\n|---|---|---|---|---|---|\n"
        for one in group:
            looks = "; ".join(f"{key}: {_listed(value)}" for key, value in one.applies.items()) or "everything"
            row = (f"`{one.name}`: {one.title}", one.level, ", ".join(one.stages), looks, one.message, one.remedy)
            page += f"| {' | '.join(cell.replace('|', '/') for cell in row)} |\n"
    return page


def plain(value: Any) -> Any:
    """Mappings and lists as YAML writes them."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    return value


def _listed(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


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


PAGES = {"settings.md": settings, "operations.md": operations, "guardrails.md": guardrails}

if __name__ == "__main__":
    for name, page in PAGES.items():
        (HERE / name).write_text(page(), encoding="utf-8")
