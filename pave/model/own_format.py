"""What Pave's own files share: `apiVersion: pave/v1`, a kind, a name; checked before anything is made of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import yaml

from pave.model import schema
from pave.model.diagnostics import Findings, Refused, Source
from pave.model.document import Document, read_document, show
from pave.model.names import Ref


def read(data: bytes, file: str, kind: str) -> Document:
    """The one document of `file`, which follows the schema of `kind`. Raises `Refused` with all that is wrong."""
    document = read_document(data, file)
    findings = Findings()
    schema.check(document, kind.lower(), findings)
    findings.refuse_if_any()
    return document


def reference(document: Document, path: Sequence[str | int], kind: str) -> Ref:
    """The entity reference at `path`; a bare name means a `kind`. Raises `Refused`, placed."""
    value: Any = document.data
    for part in path:
        value = value[part]
    try:
        return Ref.parse(value, kind=kind)
    except Refused as refused:
        raise Refused(*(one.at(document.source(path), show(path)) for one in refused.diagnostics)) from None


class Inline(dict[str, Any]):
    """A mapping that is written in one line."""


class _Dumper(yaml.SafeDumper):
    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: FBT001, FBT002, ARG002 — PyYAML's own signature
        super().increase_indent(flow, indentless=False)


_Dumper.add_representer(
    Inline, lambda dumper, value: dumper.represent_mapping("tag:yaml.org,2002:map", value.items(), flow_style=True)
)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    """Text, in quotes wherever YAML 1.2 would take it for something else, which PyYAML (1.1) does not know."""
    style = None
    if any(letter.isdigit() for letter in value) and not any(letter.isspace() for letter in value):
        style = '"' if _numeric(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _numeric(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return value[:2] in ("0o", "0x")
    return True


_Dumper.add_representer(str, _text)


def write(kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> bytes:
    """A file of Pave's own, always written the same way: keys in the order given, one line an `Inline`."""
    document = {"apiVersion": "pave/v1", "kind": kind, "metadata": metadata, "spec": spec}
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return text.encode()


def place(refused: Refused, source: Source, path: str = "") -> Refused:
    """The same refusal, placed."""
    return Refused(*(one.at(source, path) for one in refused.diagnostics))
