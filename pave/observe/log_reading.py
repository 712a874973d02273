"""What programs write becomes lines: structured where it is JSON, with a level and a time, and safe to show.

Whatever a program writes, a line is text of bounded length: binary becomes replacement characters, colours stay, and no
other control sequence reaches a terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pave.observe.logs import Level, LogLine, Origin

LONGEST = 16 * 1024
"""Characters of a line that are kept."""
CUT = " … [cut: the line is longer than 16 KiB]"
_MOST_FIELDS, _LONGEST_FIELD, _DEEPEST = 60, 2000, 4

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SEQUENCE = re.compile(r"\x1b(?:\[[0-9;]*m|\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~]?)")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1a\x1c-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NEEDS_CARE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

_SAID = ("message", "msg", "event", "text", "log")
_LEVELS = ("level", "severity", "lvl", "levelname", "log.level", "level_name")
_TIMES = ("time", "timestamp", "ts", "@timestamp", "datetime", "date", "t")
_WORDS = {
    **dict.fromkeys(("trace", "debug", "verbose", "dbug", "dbg"), Level.DEBUG),
    **dict.fromkeys(("info", "notice", "information", "inf"), Level.INFO),
    **dict.fromkeys(("warn", "warning", "wrn"), Level.WARNING),
    **dict.fromkeys(("error", "err", "severe"), Level.ERROR),
    **dict.fromkeys(("fatal", "critical", "crit", "panic", "alert", "emergency", "emerg", "dpanic"), Level.FATAL),
}
_NUMBERS = {10: Level.DEBUG, 20: Level.DEBUG, 30: Level.INFO, 40: Level.WARNING, 50: Level.ERROR, 60: Level.FATAL}
"""As pino and bunyan write them."""
_LEVEL_SAID = re.compile(
    r"\b(TRACE|DEBUG|VERBOSE|INFO|NOTICE|WARN|WARNING|ERROR|ERR|SEVERE|FATAL|CRITICAL|CRIT|PANIC|ALERT|EMERG)\b"
    r"|\b(?:level|lvl|severity)=\"?([A-Za-z]+)|\[([a-z]{3,9})\]|^(error|warning|fatal|panic|info|debug):"
)
_LOOKED_AT = 200
_TRACEBACK = "Traceback (most recent call last)"
_STAMP = re.compile(r"^\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?)\s?(Z|[+-]\d\d:?\d\d)?")

AHEAD, BEHIND, WITHOUT_ZONE = timedelta(minutes=5), timedelta(hours=24), timedelta(minutes=5)
"""How far a line's own time may be from its arrival to count: ahead, behind, and without a zone either way."""
_TOGETHER = timedelta(seconds=1)


@dataclass
class Reader:
    """Reads the lines of one origin in their order; a line that says no time or level may have that of the one before.

    A traceback's lines belong to the line that began it, so they stay with it when lines are put in order.
    """

    origin: Origin
    router: bool = False
    before: datetime | None = None
    level: Level | None = None

    def read(self, texts: Iterable[str], arrived: datetime) -> Iterator[LogLine]:
        """Lines of masked text, without their ends, that arrived at a time (aware UTC)."""
        for text in texts:
            line = access(text, self.origin, arrived) if self.router else self._line(text, arrived)
            if line is not None:
                yield line

    def _line(self, text: str, arrived: datetime) -> LogLine:
        document = structured(text)
        fields, level, said = document or ({}, None, "")
        coloured = bounded(tame(said or text))
        plain = without_colour(coloured)
        if document is not None:
            at = sane(_first(fields, _TIMES), arrived)
        else:
            level = self._level_of(plain[:_LOOKED_AT])
            match = _STAMP.match(plain)
            at = sane(f"{match[1]}{match[2] or ''}", arrived) if match else None
        self.level = level
        if at is not None:
            self.before = at
        elif self.before is not None and abs(arrived - self.before) <= _TOGETHER:
            at = self.before
        return LogLine(at or arrived, self.origin, plain, level, fields, coloured if coloured != plain else "")

    def _level_of(self, text: str) -> Level | None:
        if text[:1] in (" ", "\t"):
            return self.level
        return recognised(text)


def access(text: str, origin: Origin, arrived: datetime) -> LogLine | None:
    """A line of the router's access log, without headers; None for what is none, and for what Pave itself asked.

    Source of the format: caddyserver.com/docs/logging.
    """
    try:
        one = json.loads(text)
        request = one["request"]
        headers = request.get("headers") or {}
        agent = str((headers.get("User-Agent") or [""])[0])
        status, seconds = int(one["status"]), float(one["duration"])
        method, uri = str(request["method"]), str(request["uri"])
        at = datetime.fromtimestamp(float(one["ts"]), UTC)
    except (ValueError, KeyError, TypeError, OverflowError, AttributeError, IndexError, OSError):
        return None
    if agent.startswith("pave-probe"):
        return None
    fields = {
        "status": str(status),
        "method": method,
        "path": uri.partition("?")[0],
        "duration": f"{seconds:.6f}",
        "size": str(one.get("size", 0)),
        "remote": str(request.get("remote_ip", "")),
        "agent": agent,
        "port": str(one.get("served_by") or ""),
    }
    kept = {name: tame(value)[:_LONGEST_FIELD] for name, value in fields.items() if value}
    level = Level.ERROR if status >= 500 else Level.INFO
    said = tame(f"{method} {uri} {status} {seconds * 1000:.1f} ms")[:LONGEST]
    return LogLine(sane(at, arrived) or arrived, origin, said, level, kept)


def structured(text: str) -> tuple[dict[str, str], Level | None, str] | None:
    """Fields without the message, level, and message of a line that is a JSON object; else None."""
    if not text.startswith("{") or len(text) > 4 * LONGEST:
        return None
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    message = next((name for name in _SAID if isinstance(document.get(name), str) and document[name]), "")
    said = str(document.pop(message, ""))
    fields: dict[str, str] = {}
    _flatten(document, "", fields, 0)
    return fields, _level(_first(fields, _LEVELS)), said


def _flatten(value: Mapping[str, Any], prefix: str, into: dict[str, str], depth: int) -> None:
    for key, one in value.items():
        if len(into) >= _MOST_FIELDS:
            return
        name = f"{prefix}{tame(str(key))[:100]}"
        if isinstance(one, Mapping) and depth < _DEEPEST:
            _flatten(one, f"{name}.", into, depth + 1)
        else:
            into[name] = without_colour(tame(_text(one)))[:_LONGEST_FIELD]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _first(fields: Mapping[str, str], names: Iterable[str]) -> str:
    return next((fields[name] for name in names if fields.get(name)), "")


def _level(said: str) -> Level | None:
    if said.isdecimal() and len(said) <= 3:
        return _NUMBERS.get(int(said))
    return _WORDS.get(said.strip().lower())


def recognised(text: str) -> Level | None:
    """The level that a line of plain text names at its beginning."""
    if text.startswith(_TRACEBACK):
        return Level.ERROR
    for match in _LEVEL_SAID.finditer(text):
        if (level := _WORDS.get(next(one for one in match.groups() if one).lower())) is not None:
            return level
    return None


def sane(said: str | datetime, arrived: datetime) -> datetime | None:
    """The time that a line says (ISO 8601, or seconds, milli-, micro- or nanoseconds since 1970), where it can be so.

    A clock that is wrong, and a local time without its zone, would put the line where nobody finds it.
    """
    at = said if isinstance(said, datetime) else _parsed(said)
    if at is None:
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
        return at if abs(arrived - at) <= WITHOUT_ZONE else None
    return at.astimezone(UTC) if arrived - BEHIND <= at <= arrived + AHEAD else None


def _parsed(said: str) -> datetime | None:
    if not said or len(said) > 40:
        return None
    try:
        if said[0].isdigit() and said.replace(".", "", 1).isdecimal():
            number = float(said)
            while number > 1e11:
                number /= 1000
            return datetime.fromtimestamp(number, UTC)
        return datetime.fromisoformat(said.replace(",", "."))
    except (ValueError, OverflowError, OSError):
        return None


def bounded(text: str) -> str:
    """At most 16 KiB of a text, with a note where it was more."""
    return text if len(text) <= LONGEST + len(CUT) else text[:LONGEST] + CUT


def tame(text: str) -> str:
    """Text without what a terminal would obey, but for colours; other control characters are shown as replaced."""
    if not _NEEDS_CARE.search(text):
        return text
    if "\x1b" in text:
        text = _SEQUENCE.sub(lambda match: match[0] if _COLOUR.fullmatch(match[0]) else "", text)
    return _CONTROL.sub("\ufffd", text)


def without_colour(text: str) -> str:
    """Text without colours."""
    return _COLOUR.sub("", text) if "\x1b" in text else text


def expanded(secrets: Iterable[str]) -> tuple[str, ...]:
    """Secrets as they can be found in lines: of one with several lines, each."""
    found: set[str] = set()
    for one in secrets:
        found.add(one)
        found.update(part.strip() for part in one.splitlines() if len(part.strip()) >= 8)
    return tuple(sorted(found))
