"""The platform as a product: how components score over time, what people asked for, and what they say of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol


@dataclass(frozen=True)
class Scored:
    """How a component did on a scorecard on one day, as it was seen last on it."""

    component: str
    scorecard: str
    day: date
    level: str
    passed: int
    of: int


class Scores(Protocol):
    """How components scored, a row a day."""

    def keep(self, scores: Iterable[Scored]) -> None:
        """Keep these; of one day, the newest."""

    def since(self, day: date, *, component: str = "", scorecard: str = "") -> Sequence[Scored]:
        """What was kept from that day on, the oldest first."""

    def forget(self, before: date) -> int:
        """Forget what is older; how many there were."""
