"""What is kept of alerts: their states, who silenced what, and which server looks after them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Protocol

from pave.model.names import Ref
from pave.observe.alert_state import Instance


@dataclass(frozen=True)
class Silence:
    """Nobody is told of alerts whose rule and subject match (`*` for any part) until a time, for a reason."""

    id: str
    rule: str
    subject: str
    by: Ref
    reason: str
    since: datetime
    until: datetime
    ended_by: str = ""

    def covers(self, rule: str, subject: str) -> bool:
        """Whether an alert is silenced by it, as far as its time goes."""
        return fnmatchcase(rule, self.rule) and fnmatchcase(subject, self.subject)


class Alerts(Protocol):
    """Alert states: one row a fingerprint, whichever server looks."""

    def lead(self, holder: str, seconds: float) -> bool:
        """Hold the lease of the one who evaluates, by the store's own clock; False where another server has it."""

    def all(self) -> Sequence[Instance]:
        """Every alert that is not over, and those that ended lately, by fingerprint."""

    def get(self, fingerprint: str) -> Instance | None:
        """One of them."""

    def save(self, instances: Iterable[Instance]) -> None:
        """Keep alerts as they are after a look, all or none. Who acknowledged one is not touched."""

    def acknowledge(self, fingerprint: str, by: Ref, reason: str, at: datetime) -> Instance:
        """Somebody takes care of this firing. Raises `Unknown`, or `Conflict` where it does not fire."""

    def silence(self, silence: Silence) -> Silence:
        """Begin a silence; `id` is ignored."""

    def unsilence(self, id_: str, by: Ref, at: datetime) -> Silence:
        """End one early. Raises `Unknown`."""

    def silences(self, now: datetime) -> Sequence[Silence]:
        """Those in force, the first to end in front."""

    def forget(self, before: datetime) -> int:
        """Forget alerts and silences that ended before that time."""
