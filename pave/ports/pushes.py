"""A push, as whoever receives it sees it: before its objects are taken in, and after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pave.model.names import Ref
from pave.request.access import PLATFORM_REPOSITORY as PLATFORM_REPOSITORY  # noqa: PLC0414 — part of this port


@dataclass(frozen=True)
class RefUpdate:
    """One branch or tag that a push moves. `old` is empty for a new one, `new` for one that is to go."""

    ref: str
    old: str
    new: str

    @property
    def branch(self) -> str:
        """The branch's name, or empty for a tag."""
        return self.ref.removeprefix("refs/heads/") if self.ref.startswith("refs/heads/") else ""


@dataclass(frozen=True)
class Push:
    """What somebody pushes to a repository: a service's name, or `platform`. `options` are Git's push options."""

    repository: str
    actor: Ref
    updates: tuple[RefUpdate, ...]
    options: tuple[str, ...] = ()


class Incoming(Protocol):
    """The objects of a push that is not taken in yet: in Git's quarantine."""

    @property
    def git_dir(self) -> Path:
        """The bare repository."""

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables with which a `git` in `git_dir` sees the objects of the push too."""

    def descends(self, new: str, old: str) -> bool:
        """Whether `new` has `old` among its ancestors (or is it): whether the update is a fast-forward."""


class Receiver(Protocol):
    """What decides about a push and acts on it. Lines are told to whoever pushes, as `remote: …`, as they come."""

    def before(self, push: Push, incoming: Incoming) -> Iterable[str]:
        """Raises `Refused` where it may not be: then nothing of the push is taken in."""

    def after(self, push: Push) -> Iterable[str]:
        """It is in: what follows from it."""
