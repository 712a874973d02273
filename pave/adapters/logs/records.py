"""One log line as bytes: columns apart by tabs, so that a search finds a line by its bytes and reads few of them whole.

The columns: time (16 digits, microseconds since 1970), number, level, stack, source, process, version, revision, the
text as a JSON string, the fields as a JSON object of strings, the text with colours or nothing. A line that begins with
`#` is a mark and no record.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from pave.observe.logs import Level, LogLine, LogQuestion, Origin

MARK = b"#"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SIGNS = {Level.DEBUG: "d", Level.INFO: "i", Level.WARNING: "w", Level.ERROR: "e", Level.FATAL: "f", None: "-"}
_LEVELS = {sign.encode(): level for level, sign in _SIGNS.items()}
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_LONGEST_KEY = 38
"""Bytes in which time and number of a record stand."""

Key = tuple[int, int]
"""Time and number: the order of lines."""


def microseconds(at: datetime) -> int:
    """A time as it stands in a record."""
    return (at - _EPOCH) // _MICROSECOND


def moment(at: int) -> datetime:
    """The time that stands in a record."""
    return _EPOCH + timedelta(microseconds=at)


def encode(line: LogLine, number: int) -> bytes:
    """A line as a record, with its end."""
    head = f"{microseconds(line.at):016d}\t{number}\t{_SIGNS[line.level]}\t{_origin(line.origin)}\t"
    fields = _encode(dict(line.fields)) if line.fields else "{}"
    coloured = _encode(line.coloured) if line.coloured else ""
    return f"{head}{_encode(line.text)}\t{fields}\t{coloured}\n".encode()


def decode(record: bytes) -> tuple[Key, LogLine]:
    """A record, without its end, as a line and its key. Raises `ValueError` for what is none."""
    at, number, sign, stack, source, process, version, revision, text, fields, coloured = record.split(b"\t", 10)
    key = (int(at), int(number))
    origin = _origin_of(stack, source, process, version, revision)
    found = {} if fields == b"{}" else json.loads(fields)
    shown = json.loads(coloured) if coloured else ""
    return key, LogLine(moment(key[0]), origin, json.loads(text), _LEVELS[sign], found, shown)


def key_of(block: bytes, start: int) -> Key:
    """The key of the record that begins at `start`."""
    at, number, _ = block[start : start + _LONGEST_KEY].split(b"\t", 2)
    return int(at), int(number)


def stack_of(record: bytes) -> bytes:
    """The column that says the stack."""
    return record.split(b"\t", 4)[3]


def sign_of(record: bytes) -> bytes:
    """The column that says the level."""
    return record.split(b"\t", 3)[2]


def signs(level: Level | None) -> bytes:
    """The signs of a level and those that are graver; without one all."""
    return "".join(_SIGNS[one] for one in (level.and_graver if level else _SIGNS)).encode()


def needles(question: LogQuestion) -> tuple[bool, list[bytes]]:
    """Bytes of which one is in every record that answers, and whether they are in its lower case; none: any record."""
    if runs := [run for run in _ascii_runs(question.text) if len(run) > 1]:
        longest = max(runs, key=len).lower()
        return True, [_encode(longest)[1:-1].encode()]
    if question.fields:
        return False, [f"{_encode(name)}:{_encode(value)}".encode() for name, value in question.fields[:1]]
    stack = f"\t{question.environment}/{question.component}\t" if question.environment and question.component else "\t"
    if question.level:
        return False, [f"\t{_SIGNS[one]}{stack}".encode() for one in question.level.and_graver]
    return False, [stack.encode()] if len(stack) > 1 else []


def _ascii_runs(text: str) -> list[str]:
    return "".join(one if one.isascii() else "\n" for one in text).split("\n")


@lru_cache(maxsize=10_000)
def _origin(origin: Origin) -> str:
    parts = (origin.stack, origin.source, origin.process, origin.version, origin.revision)
    return "\t".join(" ".join(part.split()) for part in parts)


@lru_cache(maxsize=10_000)
def _origin_of(stack: bytes, source: bytes, process: bytes, version: bytes, revision: bytes) -> Origin:
    environment, _, component = stack.decode().partition("/")
    return Origin(source.decode(), environment, component, process.decode(), version.decode(), revision.decode())
