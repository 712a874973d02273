"""Housekeeping: backups that are due, what things cost, the day's scores, and what was kept long enough.

It runs beside the reconciler, slowly; what it misses in one round it does in the next.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from pave.engine.judgement.trying import WINDOW
from pave.engine.product.scoring import keep_scores
from pave.engine.upkeep.metering import meter
from pave.engine.world import World

METER_SECONDS = 5.0
FIRST_SECONDS = 60.0
ROUND_SECONDS = 600.0
_log = logging.getLogger(__name__)


class Housekeeper:
    """Tidies up a minute after the start, and then every ten minutes; what is there is metered at once."""

    def __init__(self, world: World, first: float = FIRST_SECONDS, seconds: float = ROUND_SECONDS) -> None:
        self._world = world
        self._waits = (first, seconds)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._rounds, name="pave-housekeeper", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the round that is on."""
        self._stop.set()
        self._thread.join(timeout=30)

    def tidy(self) -> None:
        """One round."""
        for address in self._world.cloud.tidy(self._world.clock.now()):
            self._world.events.emit("resource.backed-up", str(address))
        keep_scores(self._world)
        self._world.logs.tidy(self._world.clock.now())
        meter(self._world)
        self._world.judgements.forget(self._world.clock.now() - WINDOW)
        self._world.budgets.forget(self._world.clock.now() - WINDOW)

    def _rounds(self) -> None:
        wait, following = self._waits
        if not self._stop.wait(METER_SECONDS):
            self._try(lambda: meter(self._world))
        while not self._stop.wait(wait):
            wait = following
            self._try(self.tidy)

    def _try(self, round_: Callable[[], object]) -> None:
        try:
            with self._world.pulse.beat("housekeeper", self._world.clock.now):
                round_()
        except Exception:  # noqa: BLE001 — one bad round must not end all later ones
            _log.exception("A round of housekeeping failed; the next one tries again")
