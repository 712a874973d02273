"""A synthetic check of every URL: asked through the router as a client would, twice a minute.

What sleeps is not asked, because that would wake it. The router's figures leave these requests out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime

from pave.model.names import Address
from pave.observe.series import Sample
from pave.ports import Probe
from pave.provider.meters.processes import labels_of
from pave.provider.routes import Routes
from pave.provider.servers.caddy import Route
from pave.provider.signals import probe

_EVERY_SECONDS = 30.0
_AT_ONCE = 8

Place = tuple[str, str]


class ProbeMeter:
    """Implements `pave.ports.Meter`. It never waits: what was found out since the last look is what it tells."""

    name = "probes"

    def __init__(self, routes: Routes, ask: Callable[[str, int, str], Probe] = probe) -> None:
        self._routes, self._ask = routes, ask
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pave-probe")
        self._asked: dict[Place, tuple[float, Future[Probe]]] = {}
        self._found: dict[Place, Probe] = {}

    def measure(self, now: datetime) -> Iterable[tuple[str, Sample]]:
        """Success and duration of the newest check of each URL."""
        del now
        routes = [one for one in self._routes.all() if one.stack and not one.asleep]
        self._gather({(one.host, one.path) for one in routes})
        self._begin(routes)
        for one in routes:
            found = self._found.get((one.host, one.path))
            if found is not None:
                labels = {**labels_of(Address.parse(one.stack)), "url": found.url}
                yield one.stack, Sample("probe_success", labels, float(found.ok))
                yield one.stack, Sample("probe_duration_seconds", labels, found.seconds)

    def _gather(self, wanted: set[Place]) -> None:
        self._found = {place: one for place, one in self._found.items() if place in wanted}
        for place, (_, asked) in self._asked.items():
            if place in wanted and asked.done() and asked.exception() is None:
                self._found[place] = asked.result()
        self._asked = {place: one for place, one in self._asked.items() if place in wanted}

    def _begin(self, routes: Sequence[Route]) -> None:
        router = self._routes.router
        if router is None or not routes:
            return
        port, at = router.port, time.monotonic()
        for one in routes:
            place = (one.host, one.path)
            before = self._asked.get(place)
            if before is None or (before[1].done() and at - before[0] >= _EVERY_SECONDS):
                self._asked[place] = (at, self._pool.submit(self._ask, one.host, port, one.path or "/"))
