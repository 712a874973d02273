"""Outside forges: what they tell by webhooks, and what they are told about commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pave.model.diagnostics import Forbidden


class Unsigned(Forbidden):
    """A webhook whose signature is missing or wrong: nobody knows who sent it."""


@dataclass(frozen=True)
class ForgeEvent:
    """What an outside forge told: `kind` is push, opened, updated, merged or closed; `delivery` names the message.

    `repository` is what the forge calls it (`acme/orders`), `urls` are its addresses, `link` leads to the pull
    request. `commit` is the new head, or what a merge became. `fork` says that the branch is in a stranger's
    repository.
    """

    forge: str
    kind: str
    delivery: str
    repository: str
    urls: tuple[str, ...]
    branch: str
    target: str = ""
    commit: str = ""
    number: int = 0
    title: str = ""
    author: str = ""
    link: str = ""
    fork: bool = False


@dataclass(frozen=True)
class CommitStatus:
    """What a forge is to show beside a commit. `state` is pending, success, failure or error."""

    commit: str
    state: str
    description: str
    link: str
    context: str = "pave"


class Forge(Protocol):
    """An outside forge: GitHub, GitLab or Gitea."""

    @property
    def name(self) -> str:
        """github, gitlab or gitea."""

    def receive(self, headers: Mapping[str, str], body: bytes) -> ForgeEvent | None:
        """What a webhook says; None for one that means nothing to Pave. Header names are in lower case.

        Raises `Unsigned` for a wrong signature, `Forbidden` where no secret is set, `Refused` for what cannot be read,
        `Unknown` for what is about a repository of another forge.
        """

    def hosts(self, repository_url: str) -> bool:
        """Whether a repository is at this forge and may be spoken of there: a token is set."""

    def tell(self, repository_url: str, status: CommitStatus) -> None:
        """Show a status beside a commit.

        Raises `apply.retry.Transient` where the forge is down or wants to be asked less, `Refused` for what it
        does not take.
        """


@dataclass(frozen=True)
class Letter:
    """An event that was taken in for one of Pave's mirrors and is not acted on yet."""

    id: str
    repository: str
    event: ForgeEvent
    attempts: int = 0
    received_at: datetime | None = None


@dataclass(frozen=True)
class Note:
    """A status that a forge is still to be told; `run` is whose it is, if it is a run's."""

    repository: str
    status: CommitStatus
    run: str = ""
    attempts: int = 0
    updated_at: datetime | None = None


class Post(Protocol):
    """What came from the forges and what is to go there; both survive everything but a lost database."""

    def take(self, repository: str, event: ForgeEvent, twin: str = "") -> bool:
        """Take an event in, once: False where its delivery, or one with the same `twin`, was taken before."""

    def letters(self, now: datetime, limit: int = 100) -> Sequence[Letter]:
        """Events that are due to be acted on, oldest first."""

    def handled(self, letter: str, problem: str = "") -> None:
        """An event was acted on, or given up for the reason `problem`."""

    def again(self, letter: str, at: datetime, problem: str) -> None:
        """Act on an event once more at a later time."""

    def want(self, repository: str, status: CommitStatus, run: str = "") -> None:
        """Have a forge told; the same status as before is no news. The newest one of a commit and context counts."""

    def notes(self, now: datetime, limit: int = 50) -> Sequence[Note]:
        """Statuses that are due to be told, oldest first."""

    def pending(self, before: datetime, limit: int = 200) -> Sequence[Note]:
        """Statuses of runs that have said pending since before that time."""

    def told(self, note: Note, problem: str = "") -> None:
        """A status was told, or refused for the reason `problem`; a newer one stays due."""

    def retell(self, note: Note, at: datetime, problem: str) -> None:
        """Tell a status at a later time, because the forge is down."""

    def mark(self) -> int | None:
        """The event (`Events`) up to which runs were looked at for statuses; None at the very beginning."""

    def set_mark(self, event: int) -> None:
        """Remember up to where."""

    def forget(self, before: datetime) -> int:
        """Forget what was handled and told before that time; how many."""
