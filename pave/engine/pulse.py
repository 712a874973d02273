"""Whether Pave's own rounds go on: each says when it ended last, how long it took, and what went wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Beat:
    """One round of something that goes on by itself. `problem` is empty where it went well."""

    name: str
    at: datetime
    seconds: float
    problem: str = ""


class Pulse:
    """The newest round of each, safe to be used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._beats: dict[str, Beat] = {}

    @contextmanager
    def beat(self, name: str, now: Callable[[], datetime]) -> Iterator[None]:
        """Time one round; what it raises goes on."""
        began, problem = time.monotonic(), ""
        try:
            yield
        except Exception as wrong:
            problem = str(wrong).split("\n", 1)[0][:200] or type(wrong).__name__
            raise
        finally:
            with self._lock:
                self._beats[name] = Beat(name, now(), time.monotonic() - began, problem)

    def beats(self) -> Mapping[str, Beat]:
        """The newest of each, by name."""
        with self._lock:
            return dict(sorted(self._beats.items()))
