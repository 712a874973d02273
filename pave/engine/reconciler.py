"""The reconciler: compares what Git wants with what was applied and what is live, and asks for the difference.

It is level-triggered: it keeps no list of what happened, it looks again. A commit wakes it at once, a
slow round with jitter finds drift, and the same round finds every run whose job or worker was lost.
"""

from __future__ import annotations

import hashlib
import logging
import random
import threading
import time
from datetime import datetime

from pave.apply.run import TERMINAL, State
from pave.engine.judgement.rejudging import Rejudge
from pave.engine.submit import submit
from pave.engine.upkeep.tending import tend
from pave.engine.world import World
from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.observe.drift import Cause, due
from pave.observe.health import Health, Status, with_missing, worst
from pave.ports import ResourceRecord, StackRecord
from pave.request.access import SYSTEM
from pave.request.intent import Converge, Request

_OPEN = tuple(state for state in State if state not in TERMINAL)
_HEAD_SECONDS = 0.5
_log = logging.getLogger(__name__)


class Reconciler:
    """Looks every `seconds` (with 20 % jitter), and within half a second of any commit to `main`, whoever made it."""

    def __init__(self, world: World, seconds: float) -> None:
        self._world = world
        self._seconds = seconds
        self._due: datetime | None = None
        self._rejudge = Rejudge()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._rounds, name="pave-reconciler", daemon=True)
        self.rounds, self.failures, self.seconds = 0, 0, 0.0
        """How many rounds there were, how many failed, and how long the last one took."""

    @property
    def world(self) -> World:
        """What it looks at."""
        return self._world

    def start(self) -> None:
        """Begin with a look at everything."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the round that is on."""
        self._stop.set()
        self._thread.join(timeout=30)

    def look(self) -> int:
        """One round: every stack compared, every lost run woken. Returns how many runs were asked for."""
        self.sweep()
        world = self._world
        # First of all: what a run is at work on now is its own, also if it ends while this round looks.
        busy = {stack for run in world.runs.find(states=_OPEN, limit=10_000) for stack in (*run.stacks, run.subject)}
        snapshot = world.snapshots.current()
        world.projection.refresh(snapshot)
        records = {one.address: one for one in world.stacks.all()}
        expected: dict[Address, list[ResourceRecord]] = {}
        for one in world.stacks.resources():
            expected.setdefault(one.address.stack, []).append(one)
        # Last of all: what was applied before this look must be in it, or is gone.
        live = world.cloud.survey()
        asked = 0
        for stack in sorted({*snapshot.inputs, *records}):
            if str(stack) in busy or stack in snapshot.unreadable:
                continue
            record = records.get(stack)
            wanted = snapshot.inputs.get(stack, "")
            cause = due(wanted, record.inputs if record else "", record.failed_inputs if record else "")
            if cause is None and record is not None and record.inputs and record.inputs == wanted:
                health = with_missing(live.get(stack, {}), expected.get(stack, ()), world.cloud.kinds)
                cause = self._drift(snapshot, record, worst(health.values()))
            if cause is not None:
                asked += self._ask(stack, cause, record.run if record else "")
        self._due = tend(world, snapshot, busy)
        self._rejudge.round(world, snapshot, busy)
        return asked

    def sweep(self) -> int:
        """Wake every run that has not ended and that nobody holds. Returns how many."""
        self._world.queue.tidy()
        lost = self._world.runs.abandoned()
        for run in lost:
            self._world.queue.push(run.id, run.subject)
        return len(lost)

    def _drift(self, snapshot: Snapshot, record: StackRecord, health: Health) -> Cause | None:
        """Record how a stack is; where something of it is gone, repair it or say so, as its environment wants."""
        world, stack = self._world, record.address
        if (health.status.value, health.reason) != (record.health, record.reason):
            world.stacks.put(stack, health=health.status.value, reason=health.reason, checked_at=world.clock.now())
            world.events.emit("stack.health", str(stack), health=health.status.value, reason=health.reason)
        if health.status is not Status.MISSING:
            return None
        environment = snapshot.environments.get(stack.environment)
        if environment is not None and environment.drift == "repair":
            digest = hashlib.sha256(f"{health.reason}{record.applied_at}".encode()).hexdigest()[:12]
            return Cause("drift", health.reason, digest)
        if record.phase != "drifted":
            world.stacks.put(stack, phase="drifted")
            world.events.emit("stack.drifted", str(stack), reason=health.reason)
        return None

    def _ask(self, stack: Address, cause: Cause, after: str) -> int:
        request = Request(
            SYSTEM,
            "engine",
            Converge(stack, cause.word),
            self._world.clock.now(),
            # A repair that failed is not asked for again; other inputs, or another try at these, are another matter.
            f"{cause.word}/{stack}/{cause.key}" + ("" if cause.word == "drift" else f"/{after}"),
        )
        try:
            submit(self._world, request)
        except Refused as refused:
            first = refused.diagnostics[0]
            self._world.stacks.put(stack, phase="failed", failed_inputs=cause.key, error=first.as_data())
            self._world.events.emit("stack.failed", str(stack), error=first.as_data())
            return 0
        return 1

    def _rounds(self) -> None:
        while not self._stop.is_set():
            seen, began = self._world.platform.head(), time.monotonic()
            try:
                with self._world.pulse.beat("reconciler", self._world.clock.now):
                    self.look()
            except Exception:  # noqa: BLE001 — one bad round must not end all later ones
                self.failures += 1
                _log.exception("A round of the reconciler failed; the next one looks again")
            self.rounds, self.seconds = self.rounds + 1, time.monotonic() - began
            jitter = random.uniform(0.8, 1.2)  # noqa: S311 — spreads load, protects nothing
            self._rest(self._seconds * jitter, seen)

    def _rest(self, seconds: float, seen: str) -> None:
        """Wait for the next round: until `seconds` are over, `main` moved on, or something's time has come."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stop.wait(_HEAD_SECONDS):
            due = self._due is not None and self._due <= self._world.clock.now()
            if due or self._world.platform.head() != seen:
                return
