"""What resources hold: databases, queues, buckets, caches, volumes. Nothing is started to be measured.

What is dear to find out (the size of a database, of a bucket, of a folder) is looked at once a minute and told again
until then.
"""

from __future__ import annotations

import os
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pave.model.names import Address
from pave.observe.series import Kind, Sample
from pave.provider.buckets import Buckets
from pave.provider.caches import Caches
from pave.provider.databases import Databases
from pave.provider.meters.processes import labels_of
from pave.provider.meters.tail import Tail
from pave.provider.queues import Queues
from pave.provider.volumes import Volumes

_SELDOM = 60.0
_WALK_SECONDS = 2.0
_LOG_BYTES = 4 * 2**20
_SLOW = re.compile(rb"\] (\S+) LOG:  duration: [\d.]+ ms")

Measured = Iterable[tuple[str, Sample]]


def _sample(address: Address, name: str, value: float, kind: Kind = Kind.GAUGE) -> tuple[str, Sample]:
    labels = {**labels_of(address), "resource": address.resource}
    return str(address.stack), Sample(name, labels, value, kind)


class DatabaseMeter:
    """Implements `pave.ports.Meter`: PostgreSQL's databases. Slow queries are those that its log tells of."""

    name = "databases"

    def __init__(self, databases: Databases) -> None:
        self._databases = databases
        self._sizes: dict[Address, int] = {}
        self._looked = -_SELDOM
        server = databases.server
        self._log = Tail(server.ground.logs / f"{server.name}.log", whole=False)
        self._slow: defaultdict[str, int] = defaultdict(int)

    def measure(self, now: datetime) -> Measured:
        """One query for all of them."""
        del now
        seldom = time.monotonic() - self._looked >= _SELDOM
        lines, _ = self._log.read(_LOG_BYTES)
        for line in lines:
            if match := _SLOW.search(line):
                self._slow[match[1].decode(errors="replace")] += 1
        for one in self._databases.usage(sizes=seldom):
            if one.size is not None:
                self._sizes[one.address] = one.size
                self._looked = time.monotonic()
            yield _sample(one.address, "database_connections", one.connections)
            yield _sample(one.address, "database_slow_queries_total", self._slow[one.name], Kind.COUNTER)
            if one.address in self._sizes:
                yield _sample(one.address, "database_size_bytes", self._sizes[one.address])


class QueueMeter:
    """Implements `pave.ports.Meter`: JetStream's streams, all in one answer of the server."""

    name = "queues"

    def __init__(self, queues: Queues) -> None:
        self._queues = queues

    def measure(self, now: datetime) -> Measured:
        """What waits: of a queue that keeps what was read, what the slowest of its readers has not read."""
        server = self._queues.server
        accounts = {
            record["account"]: Address.parse(key) for key, record in server.ground.inventory.list("queue").items()
        }
        if not accounts or not server.running:
            return
        for account, stream in server.streams().items():
            if account in accounts:
                waiting = _waiting(stream)
                yield _sample(accounts[account], "queue_messages", waiting)
                yield _sample(accounts[account], "queue_oldest_seconds", _age(stream, now) if waiting else 0.0)


def _waiting(stream: Mapping[str, Any]) -> int:
    kept = int(stream["state"]["messages"])
    readers = stream.get("consumer_detail") or ()
    if (stream.get("config") or {}).get("retention") == "workqueue" or not readers:
        return kept
    return max(int(one.get("num_pending", 0)) + int(one.get("num_ack_pending", 0)) for one in readers)


def _age(stream: Mapping[str, Any], now: datetime) -> float:
    # Go writes nanoseconds, Python reads microseconds.
    written = re.sub(r"(\.\d{6})\d+", r"\1", str(stream["state"]["first_ts"])).replace("Z", "+00:00")
    return max((now - datetime.fromisoformat(written)).total_seconds(), 0.0)


class BucketMeter:
    """Implements `pave.ports.Meter`: objects and bytes of buckets, listed page by page, two seconds a round."""

    name = "buckets"

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets
        self._held: dict[str, tuple[int, int]] = {}
        self._looked: dict[str, float] = {}
        self._walk: dict[str, tuple[int, int, str]] = {}

    def measure(self, now: datetime) -> Measured:
        """A large bucket is counted over several rounds; until it is through, what was counted before is told."""
        del now
        server = self._buckets.server
        records = {one["bucket"]: Address.parse(key) for key, one in server.ground.inventory.list("bucket").items()}
        if not records or not server.running:
            return
        end = time.monotonic() + _WALK_SECONDS
        for bucket in sorted(records, key=lambda one: self._looked.get(one, 0.0)):
            if time.monotonic() - self._looked.get(bucket, -_SELDOM) >= _SELDOM:
                self._count(bucket, end)
        for bucket, address in records.items():
            if bucket in self._held:
                objects, size = self._held[bucket]
                yield _sample(address, "bucket_objects", objects)
                yield _sample(address, "bucket_size_bytes", size)

    def _count(self, bucket: str, end: float) -> None:
        objects, size, after = self._walk.pop(bucket, (0, 0, ""))
        while time.monotonic() < end:
            more, taken, after = self._buckets.server.listed(bucket, after)
            objects, size = objects + more, size + taken
            if not after:
                self._held[bucket], self._looked[bucket] = (objects, size), time.monotonic()
                return
        self._walk[bucket] = (objects, size, after)


class CacheMeter:
    """Implements `pave.ports.Meter`: the memory of caches. One that does not answer is left out."""

    name = "caches"

    def __init__(self, caches: Caches) -> None:
        self._caches = caches

    def measure(self, now: datetime) -> Measured:
        """One question to each."""
        del now
        for address in self._caches.all():
            server = self._caches.server(address)
            record = server.record
            if record is None:
                continue
            try:
                yield _sample(address, "cache_memory_bytes", server.used(record))
            except OSError:
                continue


class VolumeMeter:
    """Implements `pave.ports.Meter`: what volumes hold on the disk, two seconds a volume."""

    name = "volumes"

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes
        self._held: dict[Address, int] = {}
        self._looked = -_SELDOM

    def measure(self, now: datetime) -> Measured:
        """A volume with too many files to look at in time tells what it told before."""
        del now
        present = self._volumes.all()
        if time.monotonic() - self._looked >= _SELDOM or any(one not in self._held for one in present):
            self._looked = time.monotonic()
            for address in present:
                path = self._volumes.path(address)
                size = taken(path, _WALK_SECONDS) if path is not None else None
                if size is not None:
                    self._held[address] = size
        for address in present:
            if address in self._held:
                yield _sample(address, "workload_disk_bytes", self._held[address])


def taken(folder: Path, seconds: float, clock: Callable[[], float] = time.monotonic) -> int | None:
    """Bytes that a folder takes on the disk; None where there was no time to look at all of it."""
    end, total, waiting = clock() + seconds, 0, [folder]
    while waiting:
        if clock() > end:
            return None
        for entry in _entries(waiting.pop()):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            else:
                try:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                except OSError:  # it has just gone
                    continue
    return total


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            yield from found
    except OSError:
        return
