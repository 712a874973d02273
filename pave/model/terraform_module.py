"""What a Terraform module says about itself: its variables and outputs, from `.tf` and `.tf.json` files.

Only those two kinds of block are looked at; expressions are never evaluated.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pave.model.diagnostics import Findings, Source, error
from pave.model.module import Input, Output


@dataclass
class Declared:
    """Variables and outputs of a module by name."""

    inputs: dict[str, Input] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)


def is_terraform(name: str) -> bool:
    """Whether `name` is a Terraform file of the module's own folder."""
    return "/" not in name and name.endswith((".tf", ".tf.json"))


def read_declared(files: Mapping[str, bytes], folder: str, findings: Findings) -> Declared:
    """Read the module in `files` (names relative to it). A file that cannot be parsed is an error in `findings`."""
    declared = Declared()
    for name in sorted(filter(is_terraform, files)):
        parsed = _parse(files[name], f"{folder}/{name}", findings)
        for variable, body in _blocks(parsed, "variable"):
            declared.inputs[variable] = _input(variable, body)
        for output, body in _blocks(parsed, "output"):
            declared.outputs[output] = Output(output, _text(body.get("description")), body.get("sensitive") is True)
    return declared


def _input(name: str, body: Mapping[str, Any]) -> Input:
    return Input(
        name=name,
        type=_expression(body.get("type", "any")),
        description=_text(body.get("description")),
        default=body.get("default"),
        required="default" not in body,
        sensitive=body.get("sensitive") is True,
    )


def _expression(value: Any) -> str:
    text = str(value)
    return text[2:-1] if text.startswith("${") and text.endswith("}") else text


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _blocks(parsed: Mapping[str, Any], kind: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = parsed.get(kind, [])
    for group in found if isinstance(found, list) else [found]:
        for name, body in group.items():
            for one in body if isinstance(body, list) else [body]:
                yield name.strip('"'), one


def _parse(data: bytes, file: str, findings: Findings) -> Mapping[str, Any]:
    import hcl2  # noqa: PLC0415 — its grammar costs 60 ms and some 15 MB, for platforms whose modules did not change
    from hcl2.utils import SerializationOptions  # noqa: PLC0415 — as above

    try:
        text = data.decode()
        if file.endswith(".json"):
            loaded = json.loads(text)
            return loaded if isinstance(loaded, dict) else {}
        options = SerializationOptions(
            with_comments=False, explicit_blocks=False, preserve_heredocs=False, strip_string_quotes=True
        )
        parsed: Mapping[str, Any] = hcl2.loads(
            text if text.endswith("\n") else text + "\n", serialization_options=options
        )
    except Exception as problem:  # noqa: BLE001 — the parser's errors have no common type but this
        line = getattr(problem, "line", 0) or getattr(problem, "lineno", 0)
        first = (str(problem).splitlines() or [type(problem).__name__])[0]
        findings.add(
            error(
                "it is not valid Terraform",
                detail=f"{first.rstrip('.')}.",
                remedy="`terraform validate` in the module's folder shows the place.",
                source=Source(file, line if isinstance(line, int) and line > 0 else 0),
            )
        )
        return {}
    return parsed
