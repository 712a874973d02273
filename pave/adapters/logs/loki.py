"""Log lines in a Loki, over its HTTP API: pushed as they come, found with LogQL.

Source of the formats: Grafana Loki's HTTP API reference (`/loki/api/v1/push`, `/loki/api/v1/query_range`) and its LogQL
reference. Labels are the few that name a stack and a process; level and fields are structured metadata of each line.
How far sources were read is kept in a file here, after Loki has taken the lines: what was pushed before a crash is
pushed again, and Loki drops a line that it has already.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from pave.adapters.logs.records import microseconds, moment
from pave.apply.retry import Transient
from pave.model.diagnostics import Refused, error
from pave.observe.logs import SOURCES, Level, LogLine, LogQuestion, Origin
from pave.ports import Found

_SECONDS = 15.0
_LABELS = ("source", "environment", "component", "process", "version")
_OURS = frozenset({*_LABELS, "revision", "level", "detected_level", "service_name"})
_NO_NAME = re.compile(r"[^a-zA-Z0-9_]")
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")
_NEVER = (400, 413, 422)
_MOST_BYTES = 2**20
_SEARCHED = timedelta(days=30)
_POLL_SECONDS = 0.4
_LATE = timedelta(seconds=10)
_POSITION = re.compile(r"^(\d{19})\.(\d{6})$")
_log = logging.getLogger(__name__)


class Loki:
    """Implements `pave.ports.Logs`. `url` is where Loki answers, `marks` the file for how far sources were read."""

    def __init__(
        self, url: str, tenant: str, token: str, marks: Path, transport: httpx.BaseTransport | None = None
    ) -> None:
        parts = httpx.URL(url)
        if parts.scheme not in ("http", "https") or not parts.host:
            remedy = "Give the whole address, as in https://loki.example.com"
            raise Refused(error(f"loki_url cannot be {url[:200]!r}", remedy=remedy))
        headers = {"X-Scope-OrgID": tenant} if tenant else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=parts, headers=headers, timeout=_SECONDS, transport=transport, trust_env=transport is None
        )
        self._file, self._lock = marks, threading.Lock()
        self._marks: dict[str, str] = {}
        with suppress(FileNotFoundError, ValueError):
            self._marks = json.loads(marks.read_bytes())

    def write(self, lines: Sequence[LogLine], marks: Mapping[str, str]) -> None:
        """Push lines, then keep the marks."""
        with self._lock:
            for batch in _batches(lines):
                self._push(batch)
            self._marks = {key: mark for key, mark in (self._marks | dict(marks)).items() if mark}
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            fresh = self._file.with_suffix(".fresh")
            fresh.write_text(json.dumps(self._marks))
            fresh.replace(self._file)

    def marks(self) -> Mapping[str, str]:
        """How far each source was read."""
        with self._lock:
            return dict(self._marks)

    def search(self, question: LogQuestion, limit: int, before: str = "") -> Found:
        """The newest lines that answer; of the last 30 days where the question names no beginning."""
        until = question.until or datetime.now(UTC) + timedelta(minutes=10)
        end, skip = _nanoseconds(until), 0
        if before:
            at, skip = _position(before)
            end = at + 1
        since = question.since or datetime.fromtimestamp(end / 1e9, UTC) - _SEARCHED
        times = {"start": _nanoseconds(since), "end": end}
        found = self._range(question, limit + skip, "backward", times)
        kept = found[: max(len(found) - skip, 0)][-limit:]
        position = ""
        if len(found) >= limit + skip and kept:
            first = kept[0][0]
            # Of those with this very time, so many were told already.
            told = sum(at == first for at, _ in kept) + (skip if before and first == end - 1 else 0)
            position = _place(first, told)
        return Found([line for _, line in kept], position, _places(kept))

    def read(self, after: str, question: LogQuestion, limit: int) -> Found:
        """Lines after a position by their own time; what Loki takes in late, by more than its order, is not seen."""
        at, told = _position(after)
        times = {"start": at, "end": _nanoseconds(datetime.now(UTC) + timedelta(minutes=10))}
        found = self._range(question, limit + told, "forward", times)
        fresh = [one for number, one in enumerate(found) if one[0] > at or number >= told][:limit]
        places = _places(fresh, at, told)
        return Found([line for _, line in fresh], places[-1] if places else after, places)

    def last(self) -> str:
        """Now: what comes later has a later time, or very nearly so."""
        return _place(_nanoseconds(datetime.now(UTC) - _LATE), 0)

    def wait(self, after: str, seconds: float) -> bool:
        """Loki tells nobody by itself over plain HTTP, so after a moment there may be something."""
        _position(after)
        time.sleep(min(seconds, _POLL_SECONDS))
        return True

    def tidy(self, now: datetime) -> None:
        """Loki forgets by its own settings."""

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _range(
        self, question: LogQuestion, limit: int, direction: str, times: Mapping[str, int]
    ) -> list[tuple[int, LogLine]]:
        """Lines with their times in nanoseconds, oldest first."""
        query = {"query": logql(question), "limit": limit, "direction": direction, **times}
        answer = self._ask("GET", "query_range", params=query)
        found = [
            (int(value[0]), _line(stream["stream"], value))
            for stream in answer["data"]["result"]
            for value in stream["values"]
        ]
        return sorted(found, key=lambda one: one[0])

    def _push(self, streams: Sequence[Mapping[str, Any]]) -> None:
        """What Loki will never take (too old or too long for it) is given up, or nothing behind it would arrive."""
        try:
            self._ask("POST", "push", json={"streams": streams})
        except Refused as problem:
            _log.warning("%s", problem)

    def _ask(self, method: str, path: str, **parts: Any) -> Any:
        try:
            answer = self._http.request(method, f"/loki/api/v1/{path}", **parts)
        except httpx.HTTPError as problem:
            raise Transient(error(f"Loki does not answer: {problem}", remedy="Check loki_url.")) from problem
        if answer.status_code in _NEVER:
            raise Refused(error(f"Loki refuses that: {answer.text[:300]}"))
        if answer.status_code >= 400:
            remedy = "Check loki_tenant and loki_token." if answer.status_code < 500 else "Ask again later."
            raise Transient(error(f"Loki answers {answer.status_code}: {answer.text[:200]}", remedy=remedy))
        return answer.json() if answer.content else {}


def logql(question: LogQuestion) -> str:
    """A question in LogQL."""
    # A selector needs one label whose value cannot be empty.
    sources = question.sources or SOURCES
    labels = [f'source=~"{"|".join(sources)}"']
    exact = {"environment": question.environment, "component": question.component}
    labels += [f"{name}={_quoted(value)}" for name, value in exact.items() if value]
    if question.process:
        labels.append(f"process=~{_quoted(_escaped(question.process) + '([.].*)?')}")
    if question.version:
        labels.append(f"version=~{_quoted(_escaped(question.version) + '.*')}")
    query = "{" + ", ".join(labels) + "}"
    if question.text:
        query += f" |~ {_quoted('(?i)' + _escaped(question.text))}"
    for name, value in question.fields:
        query += f" | {_name(name)}={_quoted(value)}"
    if question.level:
        query += f' | level=~"{"|".join(one.value for one in question.level.and_graver)}"'
    return query


def _batches(lines: Sequence[LogLine]) -> list[list[dict[str, Any]]]:
    """Streams as `push` takes them, at most about a megabyte at once."""
    batches: list[dict[Origin, list[Any]]] = []
    streams: dict[Origin, list[Any]] = {}
    newest: dict[Origin, int] = {}
    size = 0
    for line in lines:
        at, before = _nanoseconds(line.at), newest.get(line.origin, -1)
        if at <= before < at + 999:
            at = before + 1  # of two equal lines with one time, Loki keeps one
        newest[line.origin] = at
        streams.setdefault(line.origin, []).append(_value(line, at))
        size += len(line.text) + 200
        if size >= _MOST_BYTES:
            batches.append(streams)
            streams, size = {}, 0
    batches += [streams] if streams else []
    return [[{"stream": _labels(origin), "values": values} for origin, values in one.items()] for one in batches]


def _labels(origin: Origin) -> dict[str, str]:
    return {name: value for name in _LABELS if (value := getattr(origin, name))}


def _value(line: LogLine, at: int) -> list[Any]:
    metadata = {f"{name}_extracted" if name in _OURS else name: value for name, value in _named(line.fields).items()}
    metadata |= {"revision": line.origin.revision} if line.origin.revision else {}
    metadata |= {"level": line.level.value} if line.level else {}
    return [str(at), line.text, metadata]


def _named(fields: Mapping[str, str]) -> dict[str, str]:
    return {_name(name): value for name, value in fields.items() if value}


def _name(field: str) -> str:
    name = _NO_NAME.sub("_", field)
    return f"_{name}" if name[:1].isdigit() else name


def _line(labels: Mapping[str, str], value: Sequence[Any]) -> LogLine:
    """A line as `query_range` gives it: structured metadata is among the labels, or, by a setting, beside the text."""
    beside = value[2] if len(value) > 2 else {}
    known = dict(labels) | dict(beside.get("structuredMetadata", beside))
    origin = Origin(
        known.get("source", ""),
        known.get("environment", ""),
        known.get("component", ""),
        known.get("process", ""),
        known.get("version", ""),
        known.get("revision", ""),
    )
    level = next((one for one in Level if one.value == known.get("level")), None)
    fields = {name.removesuffix("_extracted"): one for name, one in known.items() if name not in _OURS}
    return LogLine(moment(int(value[0]) // 1000), origin, str(value[1]), level, fields)


def _escaped(text: str) -> str:
    """A text within a regular expression, as RE2 takes it."""
    return _SPECIAL.sub(r"\\\g<0>", text)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _nanoseconds(at: datetime) -> int:
    return microseconds(at) * 1000


def _place(at: int, told: int) -> str:
    return f"{at:019d}.{told:06d}"


def _places(found: Sequence[tuple[int, LogLine]], at: int = -1, told: int = 0) -> list[str]:
    """Where to go on behind each line: its time, and how many with that time there were up to it."""
    places = []
    for time_, _ in found:
        at, told = (at, told + 1) if time_ == at else (time_, 1)
        places.append(_place(at, told))
    return places


def _position(text: str) -> tuple[int, int]:
    match = _POSITION.match(text)
    if match is None:
        raise Refused(error(f"{text[:40]!r} is no position in the logs", remedy="Send one that an answer gave."))
    return int(match[1]), int(match[2])
