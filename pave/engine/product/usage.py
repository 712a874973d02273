"""What is used and missed: every operation that somebody asks for is counted, and what they did not get remembered.

Counts are kept in memory and written every few seconds, so that a read costs no write of its own. Who has the
annotation `pave.dev/usage: "off"` is counted without a name. What was typed is never kept, but for the words of a
search that found nothing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

from pave.engine.operations import Call, Operation
from pave.engine.world import World
from pave.model.diagnostics import Forbidden, Refused
from pave.model.names import Ref
from pave.model.snapshot import Snapshot
from pave.observe.demand import LEFT, Missed
from pave.ports import Use

OPT_OUT = "pave.dev/usage"
_FLUSH_SECONDS = 5.0
_LEFT_AFTER = timedelta(hours=1)
_MOST_WAITING = 1_000
_LONGEST = 80
_log = logging.getLogger(__name__)


class Tally:
    """Counts what is asked for, with `watch` around each call."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._uses: Counter[tuple[date, str, str, str, str]] = Counter()
        self._seconds: defaultdict[tuple[date, str, str, str, str], float] = defaultdict(float)
        self._people: dict[str, datetime] = {}
        self._missed: Counter[tuple[str, str, str]] = Counter()
        self._previews: dict[tuple[str, str], datetime] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._rounds, name="pave-usage", daemon=True)

    def start(self) -> None:
        """Begin to write what is counted."""
        self._thread.start()

    def close(self) -> None:
        """Write the rest and stop."""
        self._stop.set()
        self._thread.join(timeout=10)
        self.flush()

    @contextmanager
    def watch(self, operation: Operation[Any, Any], call: Call) -> Iterator[None]:
        """Count what becomes of one call; what it raises goes on."""
        began, outcome = time.monotonic(), "previewed" if call.dry_run else "ok"
        try:
            yield
        except Forbidden:
            outcome = "forbidden"
            raise
        except Refused:
            outcome = "refused"
            raise
        except Exception:
            outcome = "failed"
            raise
        finally:
            self._count(operation.name, call, outcome, time.monotonic() - began)

    def flush(self) -> None:
        """Write what was counted since the last time; where that fails, it is counted on."""
        with self._lock:
            self._note_left()
            uses = [Use(*key, count=count, seconds=self._seconds[key]) for key, count in self._uses.items() if count]
            people = list(self._people.items())
            missed = [Missed(*key, count=count) for key, count in self._missed.items()]
            if not (uses or people or missed):
                return
            self._world.usage.add(uses, people, missed)
            self._uses.clear()
            self._seconds.clear()
            self._people.clear()
            self._missed.clear()

    def _count(self, operation: str, call: Call, outcome: str, seconds: float) -> None:
        now = self._world.clock.now()
        key = now.date(), operation, call.door, call.actor.kind, outcome
        name = self._name(call)
        with self._lock:
            self._uses[key] += 1
            self._seconds[key] += seconds
            if name:
                self._people.setdefault(name, now)
            self._follow(operation, name, outcome, now)

    def _follow(self, operation: str, name: str, outcome: str, now: datetime) -> None:
        """A look before: it is left half-way where nobody goes on with it within an hour."""
        if outcome == "previewed" and len(self._previews) < _MOST_WAITING:
            self._previews[operation, name] = now
        elif outcome == "ok":
            self._previews.pop((operation, name), None)

    def _note_left(self) -> None:
        now = self._world.clock.now()
        for key in [key for key, at in self._previews.items() if now - at > _LEFT_AFTER]:
            del self._previews[key]
            operation, name = key
            self._missed[LEFT, operation, name] += 1

    def _name(self, call: Call) -> str:
        return name_of(self._world.snapshots.current(), call.actor)

    def _rounds(self) -> None:
        while not self._stop.wait(_FLUSH_SECONDS):
            try:
                with self._world.pulse.beat("usage", self._world.clock.now):
                    self.flush()
            except Exception:  # noqa: BLE001 — what could not be written now is written with the next round
                _log.exception("What was used could not be written; it is tried again")


def note_missed(world: World, kind: str, what: str, actor: Ref) -> None:
    """Remember something that was asked for and not had."""
    words = " ".join(what.split()).lower()[:_LONGEST]
    if words:
        world.usage.add((), (), [Missed(kind, words, name_of(world.snapshots.current(), actor))])


def name_of(snapshot: Snapshot, actor: Ref) -> str:
    """What somebody is counted as: people and agents by their name, unless they said otherwise; nobody else."""
    if actor.kind not in ("user", "agent"):
        return ""
    entity = snapshot.entities.get(actor)
    said = (entity.metadata.get("annotations") or {}).get(OPT_OUT, "") if entity else ""
    return "" if str(said).lower() in ("off", "no", "false") else str(actor)
