"""Log lines on this machine: one open file, which is sealed into a compressed segment whenever it is large enough.

What is written at once stands in the open file with the marks of its sources behind it. A start that finds a
half-written end cuts it off at the last mark, so lines and marks are there together or not at all, and nothing is lost
or doubled.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from pave.adapters.logs import finding, records, segments
from pave.adapters.logs.records import MARK, Key
from pave.adapters.logs.segments import Block, Segment, Summary
from pave.apply.retry import Transient
from pave.model.diagnostics import Refused, error
from pave.observe.logs import LogLine, LogQuestion
from pave.ports import Found

_OPEN_BYTES = 8 * 2**20
_OPEN_FOR = timedelta(days=1)
_RECENT = 4000
_AT_ONCE = 5000
_WHOLE = Summary(0, 10**16, "", "\U0010ffff", records.signs(None).decode())
_log = logging.getLogger(__name__)
_One = TypeVar("_One")


class LocalLogs:
    """Implements `pave.ports.Logs` in a folder that nobody else uses.

    `most_bytes` is the disk that sealed segments may take, `days` how long they are kept, `open_bytes` when the open
    file is sealed.
    """

    def __init__(self, folder: Path, most_bytes: int, days: int, open_bytes: int = _OPEN_BYTES) -> None:
        self._folder, self._most, self._days, self._full = folder, most_bytes, timedelta(days=days), open_bytes
        self._lock, self._came = threading.RLock(), threading.Condition()
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="pave-log-reader")
        self._marks: dict[str, str] = {}
        self._sealed: tuple[Segment, ...] = ()
        self._path, self._file, self._last, self._opened = folder, -1, 0, 0.0
        self._recent: deque[tuple[int, LogLine]] = deque(maxlen=_RECENT)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._recover()

    def write(self, lines: Sequence[LogLine], marks: Mapping[str, str]) -> None:
        """Keep lines and marks, both or none; a mark that is empty is forgotten."""
        with self._lock:
            kept = [records.encode(line, number) for number, line in enumerate(lines, self._last + 1)]
            content = b"".join((*kept, _mark(marks)))
            size = os.fstat(self._file).st_size
            try:
                written = os.write(self._file, content)
            except OSError as problem:
                os.ftruncate(self._file, size)
                raise _not_kept(problem) from problem
            if written < len(content):
                os.ftruncate(self._file, size)
                raise _not_kept("the disk is full")
            self._marks |= marks
            self._marks = {key: mark for key, mark in self._marks.items() if mark}
            self._recent.extend(enumerate(lines, self._last + 1))
            self._last += len(lines)
            if size + len(content) >= self._full:
                self._try_to_seal()
        if lines:
            with self._came:
                self._came.notify_all()

    def marks(self) -> Mapping[str, str]:
        """How far each source was read."""
        with self._lock:
            return dict(self._marks)

    def search(self, question: LogQuestion, limit: int, before: str = "") -> Found:
        """The newest lines that answer, or those before an earlier answer's `position`."""
        newest = finding.Newest(question, limit, _key(before) if before else None)
        with self._lock:
            file, size = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC), os.fstat(self._file).st_size
            sealed = self._sealed
        try:
            newest.look(os.pread(file, size, 0))
        finally:
            os.close(file)
        parts = [
            (segment, block)
            for segment in sealed
            for block in segment.blocks
            if block.summary.may_have(question, _key(before) if before else None)
        ]
        parts.sort(key=lambda one: -one[1].summary.newest)
        wanted = itertools.takewhile(lambda one: newest.needs(one[1].summary.newest), parts)
        for content in self._ahead(wanted, _content):
            newest.look(content)
        found = newest.lines()
        position = _text(found[0][0]) if newest.full and found else ""
        return Found([line for _, line in found], position, [_position(key[1]) for key, _ in found])

    def read(self, after: str, question: LogQuestion, limit: int) -> Found:
        """Lines that came after a position, in the order in which they came."""
        number = _number(after)
        with self._lock:
            last, recent = self._last, self._recent
            number = min(number, last)
            if number == last or (recent and recent[0][0] <= number + 1):
                begin = number + 1 - recent[0][0] if recent else 0
                looked = list(itertools.islice(recent, begin, begin + _AT_ONCE))
                return _first(looked, question, limit, number)
            sealed = [one for one in self._sealed if one.last > number]
            open_content = self._open_content()
        for segment in sealed:
            blocks = [one for one in segment.blocks if one.summary.may_have(question, None)]
            contents = self._ahead(iter([(segment, one) for one in blocks]), _content)
            found = finding.after(number, question, contents)
            if found:
                return _numbered(found, limit, segment.last)
            number = max(number, segment.last)
        return _numbered(finding.after(number, question, [open_content]), limit, last)

    def last(self) -> str:
        """The number of the newest line."""
        with self._lock:
            return _position(self._last)

    def wait(self, after: str, seconds: float) -> bool:
        """Block until there is a line above `after`, at most `seconds`."""
        number = _number(after)
        with self._came:
            return self._came.wait_for(lambda: self._last > number, seconds)

    def tidy(self, now: datetime) -> None:
        """Forget segments that are too old or too much, the oldest first; and seal what has been open for a day."""
        with self._lock:
            if self._opened < (now - _OPEN_FOR).timestamp():
                self._try_to_seal()
            total = sum(one.size for one in self._sealed)
            for segment in self._sealed:
                written = segments.index_of(segment.path).stat().st_mtime
                if total <= self._most and written >= (now - self._days).timestamp():
                    break
                total -= segment.size
                self._sealed = self._sealed[1:]
                segment.remove()

    def close(self) -> None:
        """Close the open file."""
        self._readers.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            os.close(self._file)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        with self._lock:
            return sum(one.size for one in self._sealed) + os.fstat(self._file).st_size

    def _recover(self) -> None:
        for left in self._folder.glob("*.fresh"):
            left.unlink()
        indexes = sorted(self._folder.glob("*.index"))
        for path in self._folder.glob("*.zst"):
            if not segments.index_of(path).exists():
                path.unlink()  # the open file that it was being made of is still there
        self._sealed = tuple(segments.load(one) for one in indexes if one.with_suffix(".zst").exists())
        self._last = self._sealed[-1].last if self._sealed else 0
        left_open = sorted(self._folder.glob("*.lines"))
        content = b""
        if left_open:
            content = left_open[-1].read_bytes()
            content = content[: _end_of_marks(content)]
            for line in content.split(b"\n"):
                if line.startswith(MARK):
                    self._marks |= json.loads(line[1:])
            self._marks = {key: mark for key, mark in self._marks.items() if mark}
        sealed = {one.first for one in self._sealed}
        if not left_open or int(left_open[-1].stem) in sealed:
            self._begin()
        else:
            self._path = left_open.pop()
            self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            os.ftruncate(self._file, len(content))
            self._opened = self._path.stat().st_mtime
            numbers = (records.key_of(line + b"\t", 0)[1] for line in _records(content))
            self._last = max(numbers, default=self._last)
        for path in left_open:
            path.unlink()

    def _begin(self) -> None:
        """Open a new file, with all marks at its beginning."""
        path = self._folder / f"{self._last + 1:016d}.lines"
        fresh = path.with_suffix(".fresh")
        file = os.open(fresh, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        os.write(file, _mark(self._marks))
        fresh.replace(path)
        self._file = file
        self._path, self._opened = path, path.stat().st_mtime

    def _seal(self) -> None:
        """Make a segment of the open file and begin another one."""
        path, file = self._path, self._file
        segment = segments.seal(self._open_content(), path.with_suffix(".zst"))
        if segment is None:
            return
        try:
            self._begin()
        except OSError:
            segment.remove()
            raise
        self._sealed = (*self._sealed, segment)
        os.close(file)
        path.unlink()

    def _try_to_seal(self) -> None:
        """What cannot be sealed now stays open: its lines are kept already."""
        try:
            self._seal()
        except OSError as problem:
            _log.warning("log lines cannot be compressed: %s", problem)

    def _open_content(self) -> bytes:
        return os.pread(self._file, os.fstat(self._file).st_size, 0)

    def _ahead(self, parts: Iterator[_One], read: Callable[[_One], bytes]) -> Iterator[bytes]:
        """What `read` gives for each part, two of them read ahead of their use."""
        waiting: deque[object] = deque()
        for part in parts:
            waiting.append(self._readers.submit(read, part))
            if len(waiting) > 2:
                yield waiting.popleft().result()  # type: ignore[attr-defined]
        while waiting:
            yield waiting.popleft().result()  # type: ignore[attr-defined]


def _content(part: tuple[Segment, Block]) -> bytes:
    segment, block = part
    try:
        return segment.read(block)
    except FileNotFoundError:  # it was kept long enough, just now
        return b""


def _first(looked: Sequence[tuple[int, LogLine]], question: LogQuestion, limit: int, number: int) -> Found:
    """The first lines that answer, of some that follow on a number."""
    lines, positions = [], []
    for number, line in looked:  # noqa: PLR1704 — how far it was looked
        if question.wants(line):
            lines.append(line)
            positions.append(_position(number))
            if len(lines) >= limit:
                break
    return Found(lines, _position(number), positions)


def _numbered(found: Sequence[finding.Answer], limit: int, looked: int) -> Found:
    kept = found[:limit]
    position = kept[-1][0][1] if len(found) > limit else looked
    return Found([line for _, line in kept], _position(position), [_position(key[1]) for key, _ in kept])


def _mark(marks: Mapping[str, str]) -> bytes:
    return MARK + json.dumps(marks).encode() + b"\n"


def _end_of_marks(content: bytes) -> int:
    """Where the last whole mark ends."""
    end = content.rfind(b"\n") + 1
    while end > 0:
        start = content.rfind(b"\n", 0, end - 1) + 1
        if content[start : start + 1] == MARK:
            return end
        end = start
    return 0


def _records(content: bytes) -> Iterator[bytes]:
    return (line for line in content.split(b"\n") if line and not line.startswith(MARK))


def _position(number: int) -> str:
    return f"{number:018d}"


def _text(key: Key) -> str:
    return f"{key[0]}.{key[1]}"


def _key(text: str) -> Key:
    at, _, number = text.partition(".")
    return _number(at), _number(number)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Refused(error(f"{text[:40]!r} is no position in the logs", remedy="Send one that an answer gave."))
    return int(text)


def _not_kept(problem: object) -> Transient:
    return Transient(error(f"Log lines cannot be kept: {problem}", remedy="Make room on the disk."))
