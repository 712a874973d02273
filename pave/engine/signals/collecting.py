"""Collecting: every ten seconds each meter is asked, and what it says is kept.

Meters are asked side by side. One that is slow holds nothing up: its round is missing, and it is not asked again
before it has answered. One that fails is said, once, and again when it works.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime

from pave.apply.retry import ApplyError
from pave.engine.world import World
from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.observe.series import Sample
from pave.ports import Meter

ROUND_SECONDS = 10.0
PATIENCE_SECONDS = 6.0
"""How long a round waits for its meters."""
_OFFSET_SECONDS = 2.0
_TIDY_ROUNDS = 6
_PATIENT_ROUNDS = 2
"""Rounds in a row that have to fail until it is said: a server that is only just starting is no news."""
_log = logging.getLogger(__name__)

Measured = list[tuple[str, Sample]]


@dataclass
class _Asked:
    """What is known of one meter, or of where it is all kept."""

    name: str
    measure: Callable[[datetime], Iterable[tuple[str, Sample]]]
    answer: Future[Measured] | None = None
    problem: str = ""
    failures: int = 0
    seconds: float = 0.0


@dataclass
class Collected:
    """How collecting goes, for those who look after Pave."""

    rounds: int = 0
    samples: int = 0
    left_out: int = 0
    seconds: float = 0.0
    problems: dict[str, str] = field(default_factory=dict)


class Collector:
    """Asks the meters in a thread of its own."""

    def __init__(self, world: World, meters: Sequence[Meter], seconds: float = ROUND_SECONDS) -> None:
        self._world, self._seconds = world, seconds
        self._asked = [_Asked(one.name, one.measure) for one in meters]
        self._store = _Asked("store", lambda _: ())
        self._full: set[str] = set()
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(max(len(meters), 1), thread_name_prefix="pave-meter")
        self._thread = threading.Thread(target=self._rounds, name="pave-collector", daemon=True)
        self.collected = Collected()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the round that is on; a meter that hangs is left behind."""
        self._stop.set()
        self._thread.join(timeout=30)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def look(self, patience: float = PATIENCE_SECONDS) -> int:
        """One round; how many samples were kept."""
        began, at = time.monotonic(), self._world.clock.now()
        for one in self._asked:
            if one.answer is None:
                one.answer = self._pool.submit(self._measure, one, at)
        wait([one.answer for one in self._asked if one.answer is not None], timeout=patience)
        by_source: defaultdict[str, list[Sample]] = defaultdict(list)
        for one in self._asked:
            for source, sample in self._answered(one):
                by_source[source].append(sample)
        kept = self._keep_all(at, by_source)
        told = self.collected
        told.rounds, told.samples, told.seconds = told.rounds + 1, kept, time.monotonic() - began
        if told.rounds % _TIDY_ROUNDS == 0:
            self._world.metrics.tidy(at)
            self._world.traces.tidy()
        return kept

    def _keep_all(self, at: datetime, by_source: Mapping[str, Sequence[Sample]]) -> int:
        """Keep what was measured; where it cannot be kept, that is said as a meter's failure is."""
        try:
            kept = sum(self._keep(at, source, samples) for source, samples in by_source.items())
        except ApplyError as problem:
            self._tell(self._store, str(problem)[:500])
            return 0
        self._tell(self._store, "")
        return kept

    @staticmethod
    def _measure(asked: _Asked, at: datetime) -> Measured:
        began = time.monotonic()
        try:
            return list(asked.measure(at))
        finally:
            asked.seconds = time.monotonic() - began

    def _answered(self, asked: _Asked) -> Measured:
        if asked.answer is None or not asked.answer.done():
            self._tell(asked, "it has not answered in time")
            return []
        answer, asked.answer = asked.answer, None
        problem = answer.exception()
        if problem is not None:
            self._tell(asked, f"{type(problem).__name__}: {problem}"[:500])
            return []
        self._tell(asked, "")
        return answer.result()

    def _tell(self, asked: _Asked, problem: str) -> None:
        """Say what changed about a meter; the same problem again is not said again."""
        name, before = asked.name, asked.failures
        asked.problem, asked.failures = problem, before + 1 if problem else 0
        if asked.failures == _PATIENT_ROUNDS:
            _log.warning("What the meter %s measures is missing: %s", name, problem)
            self._world.events.emit("metrics.missing", f"metrics/{name}", reason=problem)
        elif not problem and before >= _PATIENT_ROUNDS:
            self._world.events.emit("metrics.measured", f"metrics/{name}")
        self.collected.problems = {one.name: one.problem for one in (*self._asked, self._store) if one.problem}

    def _keep(self, at: datetime, source: str, samples: Sequence[Sample]) -> int:
        kept: int = self._world.metrics.write(at, source, samples)
        missing = len(samples) - kept
        self.collected.left_out += missing
        if missing and source not in self._full:
            self._full.add(source)
            stack = source.partition(":")[0]
            self._world.events.emit("metrics.capped", stack, source=source, kept=kept, left_out=missing)
        elif not missing:
            self._full.discard(source)
        return kept

    def _rounds(self) -> None:
        while not self._stop.is_set():
            try:
                with self._world.pulse.beat("collector", self._world.clock.now):
                    self.look()
            except Exception:  # noqa: BLE001 — one bad round must not end all later ones
                _log.exception("A round of collecting failed; the next one tries again")
            # Always at the same place within the ten seconds that a reading is kept for: none has two, none has none.
            self._stop.wait(self._seconds - (time.time() - _OFFSET_SECONDS) % self._seconds)


def hints(world: World, stack: Address) -> Mapping[str, str]:
    """How a stack's workload wants to be scraped: Score's annotations, where its repository can be read."""
    deployment = world.snapshots.current().deployments.get(stack)
    try:
        workload = world.snapshots.workload(deployment) if deployment is not None else None
    except (Refused, ApplyError, KeyError, ValueError, OSError):  # another one's scraping is not to suffer from it
        return {}
    return workload.annotations if workload is not None else {}
