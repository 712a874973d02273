"""Segments: what was written some time ago, compressed, with an index that says where a search need not look.

A segment's records are sorted by stack and cut into blocks; of each block the index knows times, stacks and levels. The
index is written last: a segment without one is not there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import zstandard

from pave.adapters.logs.records import MARK, Key, key_of, microseconds, sign_of, signs, stack_of
from pave.observe.logs import LogQuestion

BLOCK = 512 * 1024
_LEVEL = 3


@dataclass(frozen=True, slots=True)
class Summary:
    """What is in some records: the least and the greatest time and stack, and the signs of all levels."""

    oldest: int
    newest: int
    first_stack: str
    last_stack: str
    signs: str

    def may_have(self, question: LogQuestion, before: Key | None) -> bool:
        """Whether a record that answers can be among them."""
        if before is not None and self.oldest > before[0]:
            return False
        if question.since and self.newest < microseconds(question.since):
            return False
        if question.until and self.oldest >= microseconds(question.until):
            return False
        if question.level and not set(self.signs) & set(signs(question.level).decode()):
            return False
        low = f"{question.environment}/{question.component}" if question.environment else ""
        high = low if question.component else f"{low}\U0010ffff"
        return not question.environment or (self.last_stack >= low and self.first_stack <= high)


@dataclass(frozen=True, slots=True)
class Block:
    """One compressed block of a segment: where it lies, how long it is, and what is in it."""

    offset: int
    length: int
    raw: int
    summary: Summary


@dataclass(frozen=True)
class Segment:
    """A segment on disk: the numbers of its first and last record, its blocks, and its size in bytes."""

    path: Path
    first: int
    last: int
    blocks: tuple[Block, ...]
    size: int

    def read(self, block: Block) -> bytes:
        """The records of a block. Raises `FileNotFoundError` where the segment is gone meanwhile."""
        with self.path.open("rb") as file:
            data = os.pread(file.fileno(), block.length, block.offset)
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=block.raw)

    def remove(self) -> None:
        """Delete it; its index first, so that it is never half there."""
        index_of(self.path).unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


def index_of(path: Path) -> Path:
    """Where the index of a segment lies."""
    return path.with_suffix(".index")


def load(index: Path) -> Segment:
    """A segment by its index."""
    document = json.loads(index.read_bytes())
    blocks = tuple(
        Block(offset, length, raw, Summary(**summary)) for offset, length, raw, summary in document["blocks"]
    )
    path = index.with_suffix(".zst")
    return Segment(path, document["first"], document["last"], blocks, path.stat().st_size + index.stat().st_size)


def seal(records: bytes, path: Path) -> Segment | None:
    """Write records as a segment at `path`; None where there are none."""
    lines = sorted((one for one in records.split(b"\n") if one and not one.startswith(MARK)), key=stack_of)
    if not lines:
        return None
    compressor, blocks, offset = zstandard.ZstdCompressor(level=_LEVEL), [], 0
    with os.fdopen(_private(path), "wb") as file:
        for some in _cut(lines):
            raw = b"\n".join(some) + b"\n"
            data = compressor.compress(raw)
            file.write(data)
            blocks.append(Block(offset, len(data), len(raw), summary_of(some)))
            offset += len(data)
        file.flush()
        os.fsync(file.fileno())
    numbers = [key_of(one, 0)[1] for one in lines]
    document = {
        "first": min(numbers),
        "last": max(numbers),
        "blocks": [[one.offset, one.length, one.raw, asdict(one.summary)] for one in blocks],
    }
    fresh = path.with_suffix(".fresh")
    with os.fdopen(_private(fresh), "w") as file:
        json.dump(document, file)
    fresh.replace(index_of(path))
    return load(index_of(path))


def summary_of(lines: Sequence[bytes]) -> Summary:
    """What is in records that are sorted by stack."""
    times = [int(one[:16]) for one in lines]
    found = b"".join(sorted({sign_of(one) for one in lines})).decode()
    return Summary(min(times), max(times), stack_of(lines[0]).decode(), stack_of(lines[-1]).decode(), found)


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)


def _cut(lines: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    start, size = 0, 0
    for at, line in enumerate(lines):
        size += len(line) + 1
        if size >= BLOCK:
            yield lines[start : at + 1]
            start, size = at + 1, 0
    if start < len(lines):
        yield lines[start:]
