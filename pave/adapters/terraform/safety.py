"""What a foreign Terraform module may not do: run programs on the machine that Pave runs on.

This reads the text, it runs nothing. It is one fence of several: providers are code as well, which is
why modules are taken in by an administrator and pinned by digest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pave.model.diagnostics import Diagnostic, Source, error

_PROVISIONERS = ("local-exec", "remote-exec", "file")
_COMMENT = re.compile(r"#[^\n]*|//[^\n]*|/\*.*?\*/", re.DOTALL)
_TEXT = re.compile(r'"(?:\\.|[^"\\\n])*"')
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})")
_PROVISIONER = re.compile(r'\bprovisioner\s+"?([A-Za-z_-]+)"?')
_EXTERNAL = re.compile(r'\bdata\s+"?external"?\s+"?([A-Za-z0-9_-]+)"?')
_REMOTE_SOURCE = re.compile(r'^\s*source\s*=\s*"([^"]*)"', re.MULTILINE)
_BACKEND = re.compile(r'\b(backend|cloud)\s*(?:"[^"]*"\s*)?\{')


def dangerous(files: Mapping[str, bytes]) -> list[Diagnostic]:
    """What in a module's files runs programs, takes state elsewhere or loads more modules; empty where all is well."""
    found: list[Diagnostic] = []
    for name in sorted(files):
        if name.endswith((".tf.json", ".tofu.json")):
            found += _in_json(name, files[name])
        elif name.endswith((".tf", ".tofu")):
            found += _in_hcl(name, files[name].decode(errors="replace"))
    return found


def _in_hcl(name: str, text: str) -> Iterator[Diagnostic]:
    bare = _without_comments(_ESCAPE.sub(lambda found: _character(found[1] or found[2]), text))
    for match in _PROVISIONER.finditer(bare):
        yield _provisioner(match[1], _at(name, bare, match.start()))
    for match in _EXTERNAL.finditer(bare):
        yield _external(match[1], _at(name, bare, match.start()))
    for match in _BACKEND.finditer(bare):
        yield _backend(match[1], _at(name, bare, match.start()))
    for block in re.finditer(r'\bmodule\s+"?[\w-]+"?\s*\{', bare):
        source = _REMOTE_SOURCE.search(bare, block.end())
        if source and not source[1].startswith(("./", "../")):
            yield _remote(source[1], _at(name, bare, source.start(1)))


def _in_json(name: str, content: bytes) -> Iterator[Diagnostic]:
    try:
        document = json.loads(content)
    except ValueError as problem:
        yield error(f"{name} is not valid JSON: {problem}", remedy="Correct the file.", source=Source(name))
        return
    yield from _walk(document, (), Source(name))


def _walk(value: Any, path: tuple[str, ...], source: Source) -> Iterator[Diagnostic]:
    if isinstance(value, list):
        for inner in value:
            yield from _walk(inner, path, source)
    if not isinstance(value, Mapping):
        return
    for key, inner in value.items():
        if path[-1:] == ("provisioner",):
            yield _provisioner(key, source)
        if path[-2:] == ("data", "external"):
            yield _external(key, source)
        if path == ("terraform",) and key in ("backend", "cloud"):
            yield _backend(key, source)
        if len(path) == 2 and path[0] == "module" and key == "source" and not str(inner).startswith(("./", "../")):
            yield _remote(str(inner), source)
        yield from _walk(inner, (*path, str(key)), source)


def _character(code: str) -> str:
    number = int(code, 16)
    # Only what could write a name: a quote or a line end made from an escape would change the text's shape.
    return chr(number) if number < 128 and chr(number).isalnum() else " "


def _without_comments(text: str) -> str:
    """The same text with comments blanked out; texts in quotes stay, and so do the lines' numbers."""

    def blank(match: re.Match[str]) -> str:
        return match[0] if match[0].startswith('"') else re.sub(r"[^\n]", " ", match[0])

    return re.sub(f"{_TEXT.pattern}|{_COMMENT.pattern}", blank, text, flags=re.DOTALL)


def _at(name: str, text: str, position: int) -> Source:
    return Source(name, text.count("\n", 0, position) + 1)


def _provisioner(kind: str, source: Source) -> Diagnostic:
    what = "runs programs" if kind in _PROVISIONERS else "is not known to be harmless"
    return error(
        f'The provisioner "{kind}" is not allowed',
        detail=f"It {what} on the machine that Pave runs on.",
        remedy="Have a provider do it, or the workload itself when it starts.",
        source=source,
    )


def _external(kind: str, source: Source) -> Diagnostic:
    return error(
        f'The data source "external" ({kind}) is not allowed',
        detail="It runs a program already when a plan is made.",
        remedy="Take the value as a variable, or from a provider.",
        source=source,
    )


def _backend(kind: str, source: Source) -> Diagnostic:
    return error(
        f'A module cannot have a "{kind}" block',
        detail="State is kept by Pave, encrypted and versioned.",
        remedy="Remove the block.",
        source=source,
    )


def _remote(address: str, source: Source) -> Diagnostic:
    return error(
        f"The module loads another one from {address!r}",
        detail="Its content could change without anybody having looked at it.",
        remedy="Copy it into a folder of this module and name it with ./.",
        source=source,
    )
