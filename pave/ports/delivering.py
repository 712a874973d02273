"""The records of delivery: change requests, and what was delivered where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pave.model.names import Address, Ref


@dataclass(frozen=True)
class ChangeRequest:
    """A branch that wants to become part of `target`. `head` is its newest commit, `run` the newest check of it.

    `auto` merges it as soon as its checks and the verdict allow. `state` is open, merged or closed.
    `environment` is its preview, or empty; `forge` the address of its twin at an outside forge.
    """

    repository: str
    number: int
    branch: str
    target: str
    head: str
    title: str
    author: Ref
    state: str = "open"
    auto: bool = False
    run: str = ""
    environment: str = ""
    merged: str = ""
    merged_by: str = ""
    forge: str = ""
    created_at: datetime | None = None
    updated_at: datetime | None = None
    closed_at: datetime | None = None

    @property
    def id(self) -> str:
        """What it is called: `orders/3`."""
        return f"{self.repository}/{self.number}"


@dataclass(frozen=True)
class Comment:
    """What somebody said about a change request: data, never instructions."""

    author: Ref
    text: str
    at: datetime


class Changes(Protocol):
    """Change requests and what was said about them; and which heads of each repository were seen."""

    def open(self, change: ChangeRequest) -> tuple[ChangeRequest, bool]:
        """Ensure an open change request for the branch: numbered from 1 in its repository, `head` brought up to date.

        Returns it, and whether it is new. `number` is ignored.
        """

    def get(self, repository: str, number: int) -> ChangeRequest | None:
        """One of them."""

    def of_branch(self, repository: str, branch: str) -> ChangeRequest | None:
        """The open one of a branch."""

    def find(
        self, *, repository: str = "", state: str = "", author: str = "", limit: int = 50
    ) -> Sequence[ChangeRequest]:
        """Newest first."""

    def update(self, repository: str, number: int, **changes: Any) -> ChangeRequest:
        """Change some of its fields; `updated_at` follows. Raises `Unknown`."""

    def comment(self, repository: str, number: int, author: Ref, text: str) -> Comment:
        """Say something about it."""

    def comments(self, repository: str, number: int) -> Sequence[Comment]:
        """What was said, oldest first."""

    def seen(self, repository: str) -> Mapping[str, str]:
        """The heads (branch → commit) that were acted on."""

    def see(self, repository: str, branch: str, commit: str) -> None:
        """Remember that a head was acted on; an empty commit forgets it."""


@dataclass(frozen=True)
class Delivery:
    """One version of one component arriving in one environment: the record from commit to recovery.

    `id` is the run with the stack. `cause` is push, deploy, promotion, rollback, create, import, merge or
    preview; `source` the environment that it was promoted from. `outcome` is open, live, failed, rolled-back,
    superseded or cancelled. `committed_at` is the oldest commit that was not live there before. `recovers` names
    the delivery whose failure this one ended.
    """

    id: str
    stack: Address
    run: str
    cause: str
    repository: str = ""
    commit: str = ""
    artifact: str = ""
    change: str = ""
    actor: str = ""
    source: str = ""
    outcome: str = "open"
    reason: str = ""
    recovers: str = ""
    committed_at: datetime | None = None
    asked_at: datetime | None = None
    checked_at: datetime | None = None
    built_at: datetime | None = None
    recorded_at: datetime | None = None
    live_at: datetime | None = None
    failed_at: datetime | None = None
    recovered_at: datetime | None = None


class Deliveries(Protocol):
    """The one record of delivery."""

    def put(self, run: str, stack: Address, **changes: Any) -> None:
        """Record what changed about a delivery; one that is not there yet is made (it needs its `cause`)."""

    def get(self, run: str, stack: Address) -> Delivery | None:
        """One of them."""

    def find(
        self,
        *,
        stack: Address | None = None,
        environment: str = "",
        component: str = "",
        commit: str = "",
        limit: int = 100,
    ) -> Sequence[Delivery]:
        """Newest first."""
