"""Finding records in blocks: by bytes first, and only what those point at is read whole."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator

from pave.adapters.logs.records import MARK, Key, decode, key_of, needles
from pave.observe.logs import LogLine, LogQuestion

Answer = tuple[Key, LogLine]


class Newest:
    """Collects the newest `limit` lines that answer; `before` leaves out that key and what is newer."""

    def __init__(self, question: LogQuestion, limit: int, before: Key | None = None) -> None:
        self._question, self._limit, self._before = question, limit, before
        self._lowered, self._needles = needles(question)
        self._heap: list[tuple[Key, int]] = []
        self._lines: dict[Key, LogLine] = {}

    def needs(self, newest: int) -> bool:
        """Whether records whose newest time is this one can still change the answer."""
        return len(self._heap) < self._limit or newest >= self._heap[0][0][0]

    def look(self, block: bytes) -> None:
        """Look through a block of records."""
        for start, end in candidates(block, self._needles, lowered=self._lowered):
            if block[start : start + 1] == MARK:
                continue
            key = key_of(block, start)
            full = len(self._heap) >= self._limit
            if (full and key <= self._heap[0][0]) or (self._before is not None and key >= self._before):
                continue
            _, line = decode(block[start:end])
            if key in self._lines or not self._question.wants(line):
                continue
            if full:
                gone, _ = heapq.heapreplace(self._heap, (key, 0))
                del self._lines[gone]
            else:
                heapq.heappush(self._heap, (key, 0))
            self._lines[key] = line

    @property
    def full(self) -> bool:
        """Whether there are as many as were asked for."""
        return len(self._heap) >= self._limit

    def lines(self) -> list[Answer]:
        """What was found, oldest first."""
        return sorted(self._lines.items(), key=lambda one: one[0])


def after(number: int, question: LogQuestion, blocks: Iterable[bytes]) -> list[Answer]:
    """The lines above a number that answer, in the order in which they came."""
    lowered, wanted = needles(question)
    found = []
    for block in blocks:
        for start, end in candidates(block, wanted, lowered=lowered):
            if block[start : start + 1] != MARK and key_of(block, start)[1] > number:
                key, line = decode(block[start:end])
                if question.wants(line):
                    found.append((key, line))
    return sorted(dict(found).items(), key=lambda one: one[0][1])


def candidates(block: bytes, wanted: list[bytes], *, lowered: bool) -> Iterator[tuple[int, int]]:
    """Start and end of the records with one of the needles, the last ones first; without a needle, of all."""
    searched = block.lower() if lowered else block
    for needle in wanted or [b"\n"]:
        yield from _records(block, searched.rfind, needle)


def _records(block: bytes, rfind: Callable[[bytes, int, int], int], needle: bytes) -> Iterator[tuple[int, int]]:
    """Records from the end on; `rfind` looks in what has the same length as `block`."""
    limit = len(block)
    while limit > 0:
        at = rfind(needle, 0, limit)
        if at < 0:
            return
        start = block.rfind(b"\n", 0, at) + 1
        end = block.find(b"\n", at)
        if end < 0:
            end = len(block)
        if end > start:
            yield start, end
        # What ends this record begins none: a needle may lie in the end of the one before.
        limit = start if needle != b"\n" else at
