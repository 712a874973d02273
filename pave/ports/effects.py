"""What every port may be given: a way to report, to be cancelled, to know the time, to keep a secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

Report = Callable[[str], None]
"""Takes one line of progress or log, already free of secrets."""


class Cancel(Protocol):
    """Asked between effects; once true it stays true."""

    def __call__(self) -> bool:
        """Whether to stop now."""


class Clock(Protocol):
    """The time, so that tests can own it."""

    def now(self) -> datetime:
        """Aware UTC time."""


class Cipher(Protocol):
    """Envelope encryption for what the database must not show."""

    def seal(self, plain: bytes, context: str) -> bytes:
        """Encrypt; `context` (such as `state/dev/orders`) must be given again to open."""

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt; raises `ValueError` where the bytes or the context are not the same."""
