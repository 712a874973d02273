"""YAML documents with positions: bytes in, plain values out, and for every place in them a line and a column.

Scalars follow YAML 1.2's core schema, as Backstage and Score read them: `no` and `2026-12-20` stay text, keys
are always text. Refused are duplicate keys (a lenient reader silently keeps the last), custom tags, alias bombs
and everything too large or too deep to be written by a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from pave.model.diagnostics import Diagnostic, Findings, Refused, Source, error

MAX_BYTES = 2_000_000
MAX_NODES = 200_000
MAX_DEPTH = 100

Path = tuple[str | int, ...]
"""A place inside a document: keys and indexes from its root."""

_MARKER = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_NOTHING = re.compile(r"(?:---)?(?:\s|#[^\n]*(?:\n|$)|^%[^\n]*$|^\.\.\.$)*", re.MULTILINE)
_UNRENDERED = re.compile(r"\$\{\{|\{\{|\{%")
_PREFIX = "tag:yaml.org,2002:"
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]{1,300}")
_BASED = re.compile(r"0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


@dataclass(frozen=True)
class Document:
    """One document of a file. `places` maps each path to its line and column, counted from 1.

    Below the path of a block of text (`|`), 0 is where its first line stands.
    """

    file: str
    data: Any
    places: dict[Path, tuple[int, int]] = field(repr=False)

    def source(self, path: Sequence[str | int] = ()) -> Source:
        """Where `path` stands; a place that is not there is looked for at its nearest parent."""
        at: Path = tuple(path)
        while at not in self.places and at:
            at = at[:-1]
        return Source(self.file, *self.places.get(at, (0, 0)))

    def error(self, path: Sequence[str | int], summary: str, **parts: Any) -> Diagnostic:
        """An error about the value at `path`."""
        return error(summary, source=self.source(path), path=show(path), **parts)


def show(path: Sequence[str | int]) -> str:
    """A path as people read it: `spec.resources[0].type`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            shown = part if re.fullmatch(r"[\w$:/-]+", part) else repr(part)
            text += f".{shown}" if text else shown
    return text


def is_unrendered(text: str) -> bool:
    """Whether `text` still holds expressions of a template engine."""
    return bool(_UNRENDERED.search(text))


def read_documents(data: bytes, file: str, findings: Findings) -> tuple[Document, ...]:
    """Every document that can be read. What cannot stands in `findings`; it does not stop the others."""
    text = _decode(data, file, findings)
    if text is None:
        return ()
    documents: list[Document] = []
    for line, part in _parts(text):
        try:
            for value, places in _Reader(part, file, line).documents():
                documents.append(Document(file, value, places))
        except Refused as refused:
            findings.extend(refused.diagnostics)
    return tuple(documents)


def read_document(data: bytes, file: str) -> Document:
    """The only document of a file. Raises `Refused` where there is none, more than one, or one that cannot be read."""
    findings = Findings()
    documents = read_documents(data, file, findings)
    findings.refuse_if_any()
    if len(documents) != 1:
        found = "is empty" if not documents else f"holds {len(documents)} documents"
        where = documents[1].source() if len(documents) > 1 else Source(file)
        raise Refused(error(f"{file} {found}, but one is expected", remedy="Write one document a file.", source=where))
    return documents[0]


def _decode(data: bytes, file: str, findings: Findings) -> str | None:
    if len(data) > MAX_BYTES:
        findings.add(
            error(
                f"{file} is too large: {len(data)} bytes",
                remedy=f"A definition has at most {MAX_BYTES} bytes; put large content into a file of its own.",
                source=Source(file),
            )
        )
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data[: problem.start].count(b"\n") + 1
        findings.add(error(f"{file} is not UTF-8 text", remedy="Save it as UTF-8.", source=Source(file, line)))
        return None


def _parts(text: str) -> Iterator[tuple[int, str]]:
    """The text of each document with the line it begins at (from 0), so that a broken one stays alone.

    A `---` at the start of a line is a marker wherever it stands, even inside a block of text.
    """
    starts = [0, *(match.start() for match in _MARKER.finditer(text) if match.start())]
    line = 0
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        part = text[start:end]
        if not _NOTHING.fullmatch(part):
            yield line, part
        line += part.count("\n")


class _Reader:
    """Builds values from the parser's events: iterating them, unlike composing, can stop at any depth."""

    def __init__(self, text: str, file: str, line: int) -> None:
        self.text, self.file, self.line = text, file, line
        self.nodes = 0
        self.events: Iterator[Any] = iter(())
        self.anchors: dict[str, tuple[Any, int]] = {}
        self.places: dict[Path, tuple[int, int]] = {}

    def documents(self) -> Iterator[tuple[Any, dict[Path, tuple[int, int]]]]:
        self.events = yaml.parse(self.text, Loader=yaml.CSafeLoader)
        try:
            for event in self.events:
                if isinstance(event, yaml.DocumentStartEvent):
                    self.anchors, self.places = {}, {}
                    value = self._value(next(self.events), ())
                    yield value, self.places
        except yaml.YAMLError as problem:
            raise Refused(self._syntax(problem)) from None

    def _value(self, event: Any, path: Path) -> Any:
        self.places.setdefault(path, self._position(event))
        self._count(1, event)
        if len(path) > MAX_DEPTH:
            raise self._refuse(event, f"it is nested deeper than {MAX_DEPTH} levels", "Flatten it.")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self.nodes
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            value = self._scalar(event)
            if event.style == "|":
                self.places[(*path, 0)] = (self._position(event)[0] + 1, 1)
        elif isinstance(event, yaml.SequenceStartEvent):
            self._plain_tag(event, "seq")
            value = list(self._items(path))
        else:
            self._plain_tag(event, "map")
            value = self._mapping(path)
        if event.anchor:
            self.anchors[event.anchor] = (value, self.nodes - before + 1)
        return value

    def _items(self, path: Path) -> Iterator[Any]:
        for index, event in enumerate(self.events):
            if isinstance(event, yaml.SequenceEndEvent):
                return
            yield self._value(event, (*path, index))

    def _mapping(self, path: Path) -> dict[str, Any]:
        value: dict[str, Any] = {}
        merged: list[Any] = []
        lines: dict[str, int] = {}
        for event in self.events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self._key(event)
            at = self._position(event)
            if key in lines:
                raise Refused(
                    error(
                        f"the key {key!r} stands twice: in line {lines[key]} and in line {at[0]}",
                        detail="Of two equal keys one would be lost.",
                        remedy="Remove one, or put --- between the two documents.",
                        source=Source(self.file, *at),
                        path=show((*path, key)),
                    )
                )
            lines[key] = at[0]
            self.places[(*path, key)] = at
            inner = self._value(next(self.events), (*path, key))
            if key == "<<" and isinstance(event, yaml.ScalarEvent) and event.implicit[0]:
                merged += inner if isinstance(inner, list) else [inner]
            else:
                value[key] = inner
        for one in merged:
            if not isinstance(one, dict):
                raise Refused(error("<< merges mappings only", source=Source(self.file, lines["<<"]), path=show(path)))
            value = one | value
        return value

    def _key(self, event: Any) -> str:
        if isinstance(event, yaml.AliasEvent) and isinstance(key := self._alias(event), str):
            return key
        if not isinstance(event, yaml.ScalarEvent):
            hint = (
                "It looks like a template that has not been rendered yet ({{ }})."
                if is_unrendered(self.text)
                else "Put the key into quotes."
            )
            raise self._refuse(event, "a key is not text but a mapping or a list", hint)
        if event.anchor:
            self.anchors[event.anchor] = (event.value, 1)
        return str(event.value)

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self.anchors:
            raise self._refuse(event, f"*{event.anchor} names no anchor before it", f"Define &{event.anchor} first.")
        value, nodes = self.anchors[event.anchor]
        self._count(nodes, event)
        return value

    def _scalar(self, event: Any) -> Any:
        tag, text = event.tag, event.value
        if tag in (None, "!"):
            return text if tag == "!" or not event.implicit[0] else _resolve(text)
        if tag == _PREFIX + "str":
            return text
        value = _resolve(text)
        if tag == _PREFIX + "float" and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        wanted = {"null": type(None), "bool": bool, "int": int, "float": float}.get(tag.removeprefix(_PREFIX))
        if wanted is None or type(value) is not wanted:
            raise self._refuse(event, f"the tag {tag.replace(_PREFIX, '!!')} cannot be read here", "Remove it.")
        return value

    def _plain_tag(self, event: Any, kind: str) -> None:
        if event.tag not in (None, "!", _PREFIX + kind):
            shown = event.tag.replace(_PREFIX, "!!")
            raise self._refuse(event, f"the tag {shown} cannot be read here", "Remove it.")

    def _count(self, nodes: int, event: Any) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            raise self._refuse(
                event, f"it has more than {MAX_NODES} values once its aliases are expanded", "Shorten it."
            )

    def _position(self, event: Any) -> tuple[int, int]:
        return self.line + event.start_mark.line + 1, event.start_mark.column + 1

    def _refuse(self, event: Any, summary: str, remedy: str) -> Refused:
        return Refused(error(summary, remedy=remedy, source=Source(self.file, *self._position(event))))

    def _syntax(self, problem: yaml.YAMLError) -> Diagnostic:
        mark = getattr(problem, "problem_mark", None) or getattr(problem, "context_mark", None)
        where = (
            Source(self.file, self.line + mark.line + 1, mark.column + 1) if mark else Source(self.file, self.line + 1)
        )
        said = getattr(problem, "problem", None) or getattr(problem, "reason", None) or "it cannot be parsed"
        if is_unrendered(self.text):
            return error(
                f"it is not YAML until it is rendered: {said}",
                detail="It holds {% or {{, so it looks like the skeleton of a template.",
                remedy="Keep skeletons below templates/, or render it first.",
                source=where,
            )
        return error(f"it is not YAML: {said}", remedy="Correct the syntax at this place.", source=where)


def _resolve(text: str) -> Any:
    """A plain scalar's value by YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _SPECIAL.fullmatch(text):
        return float(text.lower().replace(".", ""))
    return text
