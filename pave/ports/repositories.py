"""Git as the engine sees it: the platform repository that is the truth, and the repositories of services."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pave.model.tree import Tree
from pave.ports.effects import Cancel
from pave.verdict.evidence import Signature


@dataclass(frozen=True)
class Commit:
    """One commit. `trailers` are the `Key: value` lines that end the message, `parents` the commits it follows."""

    id: str
    message: str
    author: str
    at: datetime
    trailers: Mapping[str, str] = field(default_factory=dict)
    parents: tuple[str, ...] = ()


class PlatformRepository(Protocol):
    """The bare repository that is the truth. Only Pave writes its `main`, one change at a time."""

    def head(self) -> str:
        """The commit id of `main`."""

    def tree(self, commit: str = "") -> Tree:
        """The files at `commit`, or at the head."""

    def commit(self, base: str, edits: Mapping[str, bytes | None], message: str, author: str, merged: str = "") -> str:
        """Write `edits` (None deletes) on top of `base`; return the new commit id.

        If `main` moved since `base` and the same paths were not touched, the edits are laid on the new
        head; if one was, `apply.retry.Moved` is raised. The message carries its trailers. `merged` is the commit
        of a branch that becomes a second parent, so that Git knows it as merged; then there is a commit also
        where nothing changes.
        """

    def log(self, path: str = "", limit: int = 50) -> Sequence[Commit]:
        """Newest first; with `path`, only commits that changed it."""

    def last_changes(self, paths: Collection[str], commit: str = "") -> Mapping[str, str]:
        """For each path the newest commit, up to `commit` or the head, that changed it."""

    def laid(self, base: str, edits: Mapping[str, bytes | None]) -> Tree:
        """The files of `base` with `edits` on top, with the ids that a commit would give them; nothing refers to it."""

    def branches(self) -> Mapping[str, str]:
        """The commit of each branch."""

    def find(self, commit: str) -> Commit:
        """A commit, whatever branch it is on. Raises `Unknown`."""

    def contains(self, ancestor: str, commit: str) -> bool:
        """Whether `commit` is `ancestor` or comes after it; False where one of them is not there."""

    def merge_edits(self, commit: str) -> Mapping[str, bytes | None]:
        """What merging `commit` into `main` would edit. Raises `Conflict` that names the files that both changed."""

    def difference(self, commit: str) -> Mapping[str, str]:
        """Unified diff per file from where `commit` left `main` up to it; long ones are cut, and say so."""

    def delete_branch(self, branch: str, commit: str) -> None:
        """Ensure that a branch that is at `commit` is gone; one that moved on stays."""


class Repositories(Protocol):
    """The repositories of services, bare, hardened against what a stranger may put into one."""

    def names(self) -> Sequence[str]:
        """All of them, sorted."""

    def create(self, name: str, files: Mapping[str, bytes], message: str, author: str) -> str:
        """Ensure a repository whose `main` holds `files`; return the commit id. The same call again is harmless."""

    def mirror(self, name: str, url: str, cancel: Cancel) -> str:
        """Ensure a mirror of a path or Git URL and bring it up to date; return the default branch's commit."""

    def resolve(self, name: str, revision: str = "") -> Commit:
        """The commit a branch, tag or id names (empty: the default branch). Raises `Refused`."""

    def tree(self, name: str, commit: str) -> Tree:
        """The files at a commit."""

    def export(self, name: str, commit: str, directory: Path) -> None:
        """Write the regular files of a commit to `directory`, which is new or empty; it is filled wholly or not at all.

        A link that stays inside the repository becomes a copy of its target; others, and submodules, are refused.
        """

    def remove(self, name: str) -> None:
        """Ensure that there is no such repository."""

    def origin(self, name: str) -> str:
        """The address that it mirrors, or empty for one that is Pave's own."""

    def default_branch(self, name: str) -> str:
        """The branch that is deployed where nobody says another: `main`."""

    def branches(self, name: str) -> Mapping[str, str]:
        """The commit of each branch."""

    def contains(self, name: str, ancestor: str, commit: str) -> bool:
        """Whether `commit` is `ancestor` or comes after it; False where the repository does not have one of them."""

    def signature(self, name: str, commit: str, signers: Mapping[str, Sequence[str]]) -> Signature:
        """What a commit's own signature is worth; `signers` are the public SSH keys by whose they are.

        Only what Git says counts; where it cannot say, the signature is `not-checked`. Raises `Unknown`.
        """

    def log(self, name: str, commit: str, since: str = "", limit: int = 100) -> Sequence[Commit]:
        """The commits that `commit` has and `since` has not, newest first."""

    def difference(self, name: str, base: str, commit: str) -> Mapping[str, str]:
        """Unified diff per file from where `commit` left `base` up to `commit`; long ones are cut, and say so."""

    def mergeable(self, name: str, commit: str, target: str) -> None:
        """Raise `Conflict`, naming the files, where merging `commit` into the branch `target` would."""

    def merge(self, name: str, commit: str, target: str, message: str, author: str) -> str:
        """Ensure that the branch `target` contains `commit`: fast-forward where that is possible, else a merge commit.

        Returns where `target` is then. Raises `Conflict` that names the files that both changed.
        """

    def delete_branch(self, name: str, branch: str, commit: str) -> None:
        """Ensure that a branch that is at `commit` is gone; one that moved on stays."""
