"""Between Pave and the forges: threads for what came from them, and one for what they are to be told.

They are not the reconciler's: a forge that answers slowly must not keep anything else from being looked at. For the
same reason several repositories are fetched at the same time, each of them once.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from pave.engine.forge import hearing, telling
from pave.engine.world import World
from pave.ports import Letter

MEMORY = timedelta(days=30)
"""For how long deliveries are remembered: forges offer to send one again for much less."""
_HEAR_SECONDS = 2.0
_TELL_SECONDS = 1.0
_SLOW_ROUNDS = 60
_AT_ONCE = 4
_MOST_LETTERS = 500
_log = logging.getLogger(__name__)


class Messenger:
    """Takes webhooks in, acts on them outside of their requests, and tells statuses."""

    def __init__(self, world: World, *, tells: bool) -> None:
        """`tells` is whether any forge may be told of statuses: without one, nobody looks for what to tell."""
        self._world = world
        self._stop = threading.Event()
        self._came = threading.Event()
        self._fetching: set[str] = set()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pave-fetching")
        loops = {"pave-hearing": self._hear_rounds} | ({"pave-telling": self._tell_rounds} if tells else {})
        self._threads = [threading.Thread(target=loop, name=name, daemon=True) for name, loop in loops.items()]

    def start(self) -> None:
        """Begin with what is left of before."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop; what is being fetched is stopped, too, and fetched again after the next start."""
        self._stop.set()
        self._came.set()
        self._pool.shutdown(cancel_futures=True)
        for thread in self._threads:
            thread.join(timeout=30)

    def hear(self, forge: str, headers: Mapping[str, str], body: bytes) -> hearing.Heard:
        """Take one webhook in, as `hearing.hear`; what it asks for is done soon after."""
        heard = hearing.hear(self._world, forge, headers, body)
        if heard.new:
            self._came.set()
        return heard

    def read(self) -> None:
        """Begin to act on every letter that is due, each repository once."""
        found = self._world.post.letters(self._world.clock.now(), _MOST_LETTERS)
        by_repository: defaultdict[str, list[Letter]] = defaultdict(list)
        for one in found:
            by_repository[one.repository].append(one)
        for repository, letters in by_repository.items():
            with self._lock:
                if self._stop.is_set() or repository in self._fetching:
                    continue
                self._fetching.add(repository)
                self._pool.submit(self._act, repository, letters)

    def _act(self, repository: str, letters: list[Letter]) -> None:
        try:
            hearing.act(self._world, letters, self._stop.is_set)
        except Exception as problem:  # noqa: BLE001 — what is wrong with one repository must not stop the others
            _log.exception("What was told of %s met an error", repository)
            hearing.put_off(self._world, letters, problem)
        finally:
            with self._lock:
                self._fetching.discard(repository)
            self._came.set()  # more of it may have come meanwhile

    def _hear_rounds(self) -> None:
        self._rounds(self.read, lambda: self._world.post.forget(self._world.clock.now() - MEMORY), self._wait_for_post)

    def _tell_rounds(self) -> None:
        def tell() -> None:
            telling.look(self._world)
            telling.tell(self._world)

        self._rounds(tell, lambda: telling.settle(self._world), lambda: self._stop.wait(_TELL_SECONDS))

    def _wait_for_post(self) -> None:
        self._came.wait(_HEAR_SECONDS)
        self._came.clear()

    def _rounds(self, work: Callable[[], object], slow: Callable[[], object], wait: Callable[[], object]) -> None:
        """Do `work` round by round, and `slow` once in a while."""
        number = 0
        while not self._stop.is_set():
            try:
                work()
                if number % _SLOW_ROUNDS == 0:
                    slow()
            except Exception:  # noqa: BLE001 — one bad round must not end all later ones
                _log.exception("A round of the messenger failed; the next one tries again")
            number += 1
            wait()
