"""What Pave measures of itself: requests by operation, runs, the queue, the reconciler, connections to the database.

The same numbers are kept beside those of the stacks, under the source `pave`, and shown at `/metrics`.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime

from pave.apply.run import TERMINAL, Run, State
from pave.engine.world import World
from pave.observe.series import Kind, Sample

SOURCE = "pave"
BOUNDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_OPEN = tuple(state for state in State if state not in TERMINAL)
_MOST_RUNS = 10_000
_NEWEST_RUNS = 500
_MOST_OPERATIONS = 200

Parts = Callable[[], Mapping[str, float]]
"""Further numbers by name, gauges but for those that end in `_total`."""


class _Durations:
    """A histogram of seconds by some word."""

    def __init__(self) -> None:
        self._buckets: defaultdict[str, list[int]] = defaultdict(lambda: [0] * (len(BOUNDS) + 1))
        self._sums: defaultdict[str, float] = defaultdict(float)

    def add(self, word: str, seconds: float) -> None:
        at = next((number for number, bound in enumerate(BOUNDS) if seconds <= bound), len(BOUNDS))
        self._buckets[word][at] += 1
        self._sums[word] += seconds

    def samples(self, name: str, label: str) -> Iterator[Sample]:
        for word, buckets in self._buckets.items():
            total = 0
            for bound, number in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
                total += number
                yield Sample(f"{name}_bucket", {label: word, "le": bound}, total, Kind.COUNTER)
            yield Sample(f"{name}_count", {label: word}, total, Kind.COUNTER)
            yield Sample(f"{name}_sum", {label: word}, self._sums[word], Kind.COUNTER)


class PlatformMeter:
    """Implements `pave.ports.Meter` for Pave itself."""

    name = "pave"

    def __init__(self, world: World, parts: Parts) -> None:
        self._world, self._parts = world, parts
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str]] = Counter()
        self._took, self._ran = _Durations(), _Durations()
        self._ended: Counter[tuple[str, str]] = Counter()
        self._seen = world.clock.now()

    def note(self, operation: str, status: int, seconds: float) -> None:
        """One request that was answered; from any thread."""
        with self._lock:
            known = {name for name, _ in self._requests}
            word = operation if operation in known or len(known) < _MOST_OPERATIONS else "other"
            self._requests[(word, str(status))] += 1
            self._took.add(word, seconds)

    def measure(self, now: datetime) -> Iterable[tuple[str, Sample]]:
        """All of it, as it is now."""
        return [(SOURCE, one) for one in self.samples(now)]

    def samples(self, now: datetime) -> list[Sample]:
        """The same without its source."""
        waiting = self._world.runs.find(states=_OPEN, limit=_MOST_RUNS)
        newest = self._world.runs.find(limit=_NEWEST_RUNS)
        with self._lock:
            self._count_ended(newest)
            found = [
                *(
                    Sample("pave_requests_total", {"operation": operation, "status": status}, number, Kind.COUNTER)
                    for (operation, status), number in self._requests.items()
                ),
                *self._took.samples("pave_request_duration_seconds", "operation"),
                *(
                    Sample("pave_runs_ended_total", {"kind": kind, "state": state}, number, Kind.COUNTER)
                    for (kind, state), number in self._ended.items()
                ),
                *self._ran.samples("pave_run_duration_seconds", "kind"),
            ]
        states = Counter(run.state.value for run in waiting)
        found += [Sample("pave_runs", {"state": one.value}, states[one.value]) for one in _OPEN]
        found.append(Sample("pave_queue_lag_seconds", {}, _lag(waiting, now)))
        for name, value in self._parts().items():
            found.append(Sample(name, {}, value, Kind.COUNTER if name.endswith("_total") else Kind.GAUGE))
        return found

    def _count_ended(self, runs: Iterable[Run]) -> None:
        """Each run that ended since the last look, once."""
        ended = [run for run in runs if run.finished_at is not None and run.finished_at > self._seen]
        for run in ended:
            assert run.finished_at is not None
            self._ended[(run.kind, run.state.value)] += 1
            if run.created_at is not None:
                self._ran.add(run.kind, (run.finished_at - run.created_at).total_seconds())
        self._seen = max((run.finished_at for run in ended if run.finished_at is not None), default=self._seen)


def _lag(runs: Iterable[Run], now: datetime) -> float:
    """How long the run that waits for a worker longest has waited; what waits for its time does not count."""
    due = [run.created_at for run in runs if run.state is State.PENDING and run.created_at is not None]
    return max(((now - at).total_seconds() for at in due), default=0.0)
