"""What is to be said to people: an outbox that says each thing once, and the couriers that take it there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

from pave.model.names import Ref
from pave.observe.alert_state import Instance
from pave.observe.routing import INBOX

__all__ = ["INBOX", "AlertMirror", "Courier", "Delivered", "Message", "Outbox"]


class Delivered(str, Enum):
    """Where a message is."""

    WAITING = "waiting"
    SENT = "sent"
    GIVEN_UP = "given-up"


@dataclass(frozen=True)
class Message:
    """One thing said to one recipient on one channel. `key` is unique: who puts it twice says it once.

    `type` and `address` are the destination, `facts` and `links` come in their order. Those that are to come `together`
    are one delivery.
    """

    key: str
    recipient: Ref
    channel: str
    type: str
    address: str
    topic: str
    event: str
    subject: str
    title: str
    text: str
    severity: str = "info"
    facts: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    together: bool = False
    created_at: datetime | None = None
    due_at: datetime | None = None
    state: Delivered = Delivered.WAITING
    attempts: int = 0
    problem: str = ""
    sent_at: datetime | None = None

    @property
    def destination(self) -> tuple[str, str]:
        """Where it goes: messages for the same place go one after the other."""
        return self.type, self.address


class Outbox(Protocol):
    """Messages, each said once, and tried again for a bounded time."""

    def put(self, messages: Iterable[Message]) -> int:
        """Have them said; how many are new."""

    def due(self, now: datetime, busy: Iterable[tuple[str, str]], limit: int = 100) -> Sequence[Message]:
        """Those whose time has come, oldest first, except for `busy` destinations."""

    def claim(self, keys: Sequence[str], now: datetime, until: datetime) -> frozenset[str]:
        """Take those that nobody took meanwhile: they are due again at `until`, if their taker dies."""

    def sent(self, keys: Sequence[str], at: datetime) -> None:
        """They have arrived."""

    def again(self, keys: Sequence[str], at: datetime, problem: str) -> None:
        """They have not: try at a later time. What else waits for the same places waits until then too."""

    def give_up(self, keys: Sequence[str], problem: str) -> None:
        """They will not."""

    def find(
        self, *, recipients: Sequence[Ref] = (), state: Delivered | None = None, subject: str = "", limit: int = 50
    ) -> Sequence[Message]:
        """Newest first. `subject` also finds what lies below it."""

    def mark(self) -> int | None:
        """The event up to which it was looked what is to be said; None before the first look."""

    def set_mark(self, event: int) -> None:
        """Remember up to where."""

    def forget(self, before: datetime) -> int:
        """Forget what was said, or given up, before that time."""


class Courier(Protocol):
    """Takes messages to one type of destination, within a bounded time."""

    def problem(self, address: str) -> str:
        """Why nothing may go to an address; empty where it may."""

    def deliver(self, address: str, messages: Sequence[Message]) -> None:
        """Say them as one delivery. Raises `Transient` for what passes by itself, `Refused` for what does not."""


class AlertMirror(Protocol):
    """Another system that shows the alerts as they are now, such as an Alertmanager."""

    def show(self, alerts: Sequence[Instance], now: datetime) -> None:
        """Make it show what fires and what has just ended. Raises `Transient` or `Refused`."""
