"""What the router answered, by service, route and class of status, from its access logs.

The logs and not Caddy's own metrics: these know no route, and they count what Pave itself asks. Each log is read on
from where the last look ended; what is written faster than it can be read is skipped, and that is said.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pave.model.names import Address
from pave.observe.series import Kind, Sample
from pave.provider.meters.processes import labels_of
from pave.provider.meters.tail import Tail
from pave.provider.servers.caddy import Route
from pave.provider.signals import AGENT

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latencies' buckets, in seconds: those that Prometheus' clients use."""
_MOST_BYTES = 32 * 2**20
_CLASSES = frozenset("12345")


@dataclass
class _Counted:
    """The requests of one route since Pave looked first."""

    codes: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int, {"2xx": 0, "5xx": 0}))
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    seconds: float = 0.0

    def add(self, status: int, seconds: float) -> None:
        first = str(status)[0]
        self.codes[f"{first}xx" if first in _CLASSES else "5xx"] += 1  # 0: nobody answered
        self.seconds += seconds
        for at, bound in enumerate(BOUNDS):
            if seconds <= bound:
                self.buckets[at] += 1
                return
        self.buckets[-1] += 1


class RouterMeter:
    """Implements `pave.ports.Meter`: requests and latencies by route."""

    name = "router"

    def __init__(self, logs: Path, routes: Callable[[], Sequence[Route]]) -> None:
        self._logs, self._routes = logs, routes
        self._tails: dict[str, Tail] = {}
        self._counted: dict[tuple[str, str], _Counted] = {}
        self._begun = False
        self.skipped = 0

    def measure(self, now: datetime) -> Iterable[tuple[str, Sample]]:
        """Counters since Pave looked first; a route that nobody asked for yet counts 0."""
        del now
        by_host: defaultdict[str, list[Route]] = defaultdict(list)
        for one in self._routes():
            by_host[one.host].append(one)
        for host, routes in by_host.items():
            tail = self._tails.get(host)
            if tail is None:
                # A log that appears while we look is read from its beginning; what was before us is not ours.
                tail = self._tails[host] = Tail(self._logs / f"{host}.log", whole=self._begun)
            lines, skipped = tail.read(_MOST_BYTES)
            self.skipped += skipped
            ordered = sorted(routes, key=lambda one: -len(one.path))
            for line in lines:
                self._count(host, ordered, line)
        self._tails = {host: tail for host, tail in self._tails.items() if host in by_host}
        wanted = {(route.host, route.path) for routes in by_host.values() for route in routes}
        self._counted = {key: one for key, one in self._counted.items() if key in wanted}
        self._begun = True
        yield from self._told(by_host)

    def _count(self, host: str, routes: Sequence[Route], line: bytes) -> None:
        try:
            one = json.loads(line)
            request = one["request"]
            if AGENT in (request["headers"].get("User-Agent") or ()):
                return
            path, _, _ = str(request["uri"]).partition("?")
            status, seconds = int(one.get("status") or 0), float(one.get("duration") or 0.0)
        except (ValueError, KeyError, TypeError, AttributeError):  # cut, or not a request
            return
        for route in routes:
            prefix = route.path.rstrip("/")
            if not prefix or path == prefix or path.startswith(f"{prefix}/"):
                self._counted.setdefault((host, route.path), _Counted()).add(status, seconds)
                return

    def _told(self, by_host: Mapping[str, Sequence[Route]]) -> Iterator[tuple[str, Sample]]:
        for route in (one for routes in by_host.values() for one in routes if one.stack):
            stack = Address.parse(route.stack)
            counted = self._counted.setdefault((route.host, route.path), _Counted())
            labels = {**labels_of(stack), "route": route.path or "/"}
            if len({one.host for routes in by_host.values() for one in routes if one.stack == route.stack}) > 1:
                labels["host"] = route.host
            for sample in _samples(labels, counted):
                yield str(stack), sample


def _samples(labels: Mapping[str, Any], counted: _Counted) -> Iterator[Sample]:
    for code, number in counted.codes.items():
        yield Sample("http_requests_total", {**labels, "code": code}, number, Kind.COUNTER)
    total = 0
    for bound, number in zip((*map(str, BOUNDS), "+Inf"), counted.buckets, strict=True):
        total += number
        yield Sample("http_request_duration_seconds_bucket", {**labels, "le": bound}, total, Kind.COUNTER)
    yield Sample("http_request_duration_seconds_sum", dict(labels), counted.seconds, Kind.COUNTER)
    yield Sample("http_request_duration_seconds_count", dict(labels), total, Kind.COUNTER)
