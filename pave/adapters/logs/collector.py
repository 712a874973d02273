"""Collecting: every log file and what runs say, ten times a second, into the one place where lines are kept.

How far each source was read is kept together with the lines, so a restart goes on where the last one was. What cannot
be kept now is read again later; the files wait.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from pave.adapters.logs.files import Piece, Place, new_in
from pave.apply.retry import Transient
from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.observe.log_reading import CUT, LONGEST, Reader, expanded
from pave.observe.logs import RUN, Level, LogLine, Origin
from pave.observe.masking import masked
from pave.ports import Clock, Event, Events, LogFile, Logs

ROUND_SECONDS = 0.1
_EVENT_SECONDS = 0.2  # to look is cheaper than a connection that waits
_PATIENCE_SECONDS = 2.0
_TOGETHER = 20_000
_EVENTS, _PROGRAMS = "events", "program/"
_BATCH = 500
_LOST = "Pave: lines are missing here; the file turned more often than it could be read"
_MOST_READERS = 200
_log = logging.getLogger(__name__)


class Collector:
    """Takes lines from `files` and from the record of events. `start` begins, `close` takes what is left and ends."""

    def __init__(self, logs: Logs, files: Callable[[], Sequence[LogFile]], events: Events, clock: Clock) -> None:
        self._logs, self._files, self._events, self._clock = logs, files, events, clock
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._readers: dict[str, Reader] = {}
        self._unreadable: set[str] = set()
        self._places: dict[str, Place | None] = {key: Place.parse(mark) for key, mark in logs.marks().items()}
        self._threads = [
            threading.Thread(target=self._rounds, name="pave-logs", daemon=True),
            threading.Thread(target=self._listen, name="pave-logs-of-runs", daemon=True),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop, with what was written until now taken in."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=10)
        with self._lock:
            self._quietly(self._round)

    def finish(self, path: Path) -> None:
        """Take the last lines of a file that is about to be deleted."""
        with self._lock:
            for file in self._files():
                if file.path == path:
                    self._quietly(partial(self._last_lines, file))

    def collect(self) -> bool:
        """One round over all files; whether there is more already. Raises `Transient`."""
        with self._lock:
            return self._round()

    def _rounds(self) -> None:
        wait = 0.0
        while not self._stop.wait(wait):
            wait = ROUND_SECONDS
            try:
                wait = 0.0 if self.collect() else ROUND_SECONDS
            except Exception:  # noqa: BLE001 — one bad round must not end all later ones
                _log.warning("log lines cannot be taken in; trying again", exc_info=True)
                wait = _PATIENCE_SECONDS

    def _round(self) -> bool:
        files = self._files()
        lines: list[LogLine] = []
        places: dict[str, Place] = {}
        more = False
        for file in files:
            piece = self._new_in(file)
            if piece is not None:
                lines += self._lines(file, piece)
                places[file.key] = piece.place
                more = more or piece.more
                if len(lines) >= _TOGETHER:
                    self._keep(lines, places, {})
                    lines, places = [], {}
        known = {file.key for file in files}
        # A host may come again, and its file is still there.
        gone = {key: "" for key in self._places if key not in known and key.startswith(_PROGRAMS)}
        if lines or places or gone:
            self._keep(lines, places, gone)
        return more

    def _new_in(self, file: LogFile) -> Piece | None:
        """What is new in a file; one that cannot be read holds up no other."""
        try:
            piece = new_in(file.path, self._places.get(file.key), dated=file.access)
        except OSError as problem:
            if file.key not in self._unreadable:
                _log.warning("%s cannot be read: %s", file.path, problem)
            self._unreadable.add(file.key)
            return None
        self._unreadable.discard(file.key)
        return piece

    def _last_lines(self, file: LogFile) -> None:
        while (piece := new_in(file.path, self._places.get(file.key), dated=file.access, final=True)) is not None:
            before, self._places[file.key] = self._places.get(file.key), piece.place
            self._logs.write(self._lines(file, piece), {file.key: str(piece.place)})
            if piece.place == before or not (piece.lines or piece.cut or piece.more):
                break
        self._logs.write([], {file.key: ""})
        self._places.pop(file.key, None)
        self._readers.pop(file.key, None)

    def _keep(self, lines: Sequence[LogLine], places: Mapping[str, Place], gone: Mapping[str, str]) -> None:
        self._logs.write(lines, {**{key: str(place) for key, place in places.items()}, **gone})
        self._places |= places
        for key in gone:
            self._places.pop(key, None)
            self._readers.pop(key, None)

    def _lines(self, file: LogFile, piece: Piece) -> list[LogLine]:
        reader = self._readers.get(file.key)
        if reader is None or reader.origin != file.origin:
            reader = self._readers[file.key] = Reader(file.origin, router=file.access)
        now = self._clock.now()
        found = [LogLine(now, file.origin, _LOST, Level.WARNING)] if piece.lost else []
        secrets = expanded(file.secrets)
        if piece.lines:
            found += reader.read(_texts(masked(piece.lines.decode(errors="replace"), secrets)), now)
        if piece.cut:
            text = masked(piece.cut.decode(errors="replace"), secrets)[:LONGEST]
            found += reader.read([text.replace("\r", " ") + CUT], now)
        return found

    def _listen(self) -> None:
        after = int(self._logs.marks().get(_EVENTS) or -1)
        while not self._stop.is_set():
            try:
                after = self._take(after) if after >= 0 else self._events.last()
                self._stop.wait(_EVENT_SECONDS)
            except Exception:  # noqa: BLE001 — as above
                _log.warning("what runs said cannot be read; trying again", exc_info=True)
                self._stop.wait(_PATIENCE_SECONDS)

    def _take(self, after: int) -> int:
        """Lines of the events above `after`; up to which they were taken."""
        events = self._events.read(after, limit=_BATCH)
        lines = [line for event in events if event.type == "run.log" for line in self._said(event)]
        if events and lines:
            self._logs.write(lines, {_EVENTS: str(events[-1].id)})
        return events[-1].id if events else after

    def _said(self, event: Event) -> list[LogLine]:
        key = f"run/{event.run}"
        if key not in self._readers and len(self._readers) >= _MOST_READERS:
            self._readers = {name: one for name, one in self._readers.items() if not name.startswith("run/")}
        reader = self._readers.setdefault(key, Reader(_origin(event.subject)))
        texts = [part for text in event.data.get("lines") or () for part in _texts(str(text))]
        found = reader.read(texts, event.at.astimezone(UTC))
        return [
            replace(one, at=_not_before(one.at, event.at), fields={**one.fields, "run": event.run}) for one in found
        ]

    def _quietly(self, work: Callable[[], object]) -> None:
        try:
            work()
        except (Transient, OSError) as problem:
            _log.warning("the last log lines could not be taken in: %s", problem)


def _texts(text: str) -> list[str]:
    """Lines without their ends; what a progress bar writes over is a line each."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if not lines[-1] else lines


def _not_before(at: datetime, event: datetime) -> datetime:
    """What a run says is in the order in which it said it."""
    return max(at, event.astimezone(UTC))


def _origin(subject: str) -> Origin:
    """Where a run's lines belong: to the stack that it is about, else to what its subject names."""
    kind, _, rest = subject.partition("/")
    if kind == "change":
        return Origin(RUN, "", rest.partition("/")[0], "run")
    try:
        stack = Address.parse(subject).stack
    except Refused:
        return Origin(RUN, "", kind, "run")
    return Origin(RUN, stack.environment, stack.component, "run")
