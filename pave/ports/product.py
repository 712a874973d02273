"""The platform as a product: how components score over time, what is used and missed, what people say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from pave.model.names import Ref
from pave.observe.demand import Missed


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


@dataclass(frozen=True)
class Use:
    """How often an operation was used on one day, by what kind of actor, through which door, and how it ended.

    `outcome` is ok, previewed, refused (the input), forbidden (the actor) or failed (Pave).
    """

    day: date
    operation: str
    door: str
    kind: str
    outcome: str
    count: int = 1
    seconds: float = 0.0


class Usage(Protocol):
    """What is used and what is missed, by day; never what was typed into a form."""

    def add(self, uses: Iterable[Use], people: Iterable[tuple[str, datetime]], missed: Iterable[Missed]) -> None:
        """Count these in. `people` are those who did something, each with when."""

    def uses(self, since: date) -> Sequence[Use]:
        """What was used since that day."""

    def missed(self, since: date) -> Sequence[Missed]:
        """What was missed since that day, by person."""

    def active(self, since: date) -> Mapping[date, int]:
        """How many people did something on each day."""

    def first_seen(self) -> Mapping[str, datetime]:
        """When each person did something for the first time."""

    def forget(self, before: date) -> int:
        """Forget what is older, but not when people came; how many rows there were."""

    def forget_person(self, actor: str) -> None:
        """Forget a person's name everywhere; what they did stays counted."""


@dataclass(frozen=True)
class Voice:
    """Something that somebody said of the platform. `kind` is need, problem, idea or praise; `about` a page or command.

    `state` is open, planned, done or declined.
    """

    id: str
    kind: str
    text: str
    author: Ref
    at: datetime
    about: str = ""
    state: str = "open"
    reply: str = ""
    replied_by: Ref | None = None
    replied_at: datetime | None = None


class Feedback(Protocol):
    """What people said, and what they were answered."""

    def say(self, voice: Voice) -> Voice:
        """Keep it; `id` is ignored."""

    def get(self, voice: str) -> Voice | None:
        """One of them."""

    def find(self, *, author: str = "", state: str = "", kind: str = "", limit: int = 100) -> Sequence[Voice]:
        """Newest first."""

    def reply(self, voice: str, by: Ref, text: str, state: str, at: datetime) -> Voice:
        """Answer one. Raises `Unknown`."""


class Surveys(Protocol):
    """Answers to the survey: who answered in which month, and, apart from that, what was answered."""

    def taken(self, actor: str, month: date) -> bool:
        """Whether somebody answered, or did not want to, in a month (its first day)."""

    def take(self, actor: str, month: date, answers: Mapping[str, int]) -> None:
        """Count answers in, and remember only that somebody answered. Raises `Conflict` the second time."""

    def results(self, since: date) -> Mapping[str, Mapping[date, Mapping[int, int]]]:
        """How often each answer was given, by question and month."""
