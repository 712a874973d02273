"""The platform repository: the truth, one bare repository whose `main` only Pave writes.

Writers take turns across threads and processes, and the branch is moved by compare-and-swap, so a
change is either wholly in `main` or nowhere. Whatever was returned has been synced to the disk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pygit2

from pave.adapters.git import merging
from pave.adapters.git.objects import MAIN, Edits, find_commit, init_repository, open_repository, signature, write_tree
from pave.adapters.git.tree import GitTree
from pave.adapters.lock import locked
from pave.apply.retry import Moved, Transient
from pave.model.diagnostics import Unknown, error
from pave.model.tree import Tree
from pave.ports import Commit

_SWAPS = 5


class GitPlatformRepository:
    """Implements `pave.ports.PlatformRepository` on `<data>/platform.git`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = path.with_name(f".{path.name}.lock")
        self._changes: tuple[str, Mapping[str, str]] = ("", {})  # each path's last change, up to a commit

    def ensure(self, files: Mapping[str, bytes], author: str = "Pave") -> str:
        """Make the repository with `files` as its first commit unless it is there; return the head's id.

        It appears as a whole: what a killed call left behind is removed by the next one.
        """
        with locked(self._lock):
            if self.path.is_dir():
                return self.head()
            for left in self.path.parent.glob(f".{self.path.name}.new-*"):
                shutil.rmtree(left)
            fresh = self.path.with_name(f".{self.path.name}.new-{os.getpid()}")
            repository = init_repository(fresh)
            tree = write_tree(repository, None, files)
            who = signature(author)
            commit = repository.create_commit(MAIN, who, who, "Begin with Pave's library\n", tree, [])
            fresh.rename(self.path)
            sync_folder(self.path.parent)
            return str(commit)

    def head(self) -> str:
        """The commit id of `main`."""
        return str(self._open().references[MAIN].target)

    def tree(self, commit: str = "") -> Tree:
        """The files at `commit`, or at the head. Raises `Unknown`."""
        repository = self._open()
        return GitTree(repository, self._commit(repository, commit or str(repository.references[MAIN].target)).tree)

    def commit(self, base: str, edits: Edits, message: str, author: str, merged: str = "") -> str:
        """Write `edits` (None deletes) on top of `base`; return the new commit's id.

        Edits that change nothing make no commit, unless `merged` names a branch's commit that becomes a second
        parent: the head's id is returned. If `main` moved since `base`
        and the same paths were not touched, the edits are laid on the new head; if one was,
        `apply.retry.Moved` is raised. Raises `Refused` for a path that may not be.
        """
        with locked(self._lock):
            repository = self._open()
            for _ in range(_SWAPS):
                head = self._commit(repository, str(repository.references[MAIN].target))
                if base and base != str(head.id):
                    _refuse_if_moved(repository, self._commit(repository, base), head, edits)
                tree = write_tree(repository, head.tree, edits)
                if tree == head.tree_id and not merged:
                    return str(head.id)
                who = signature(author)
                parents = [head.id, *([self._commit(repository, merged).id] if merged else [])]
                try:
                    return str(repository.create_commit(MAIN, who, who, message.rstrip() + "\n", tree, parents))
                except pygit2.GitError:
                    if repository.references[MAIN].target == head.id:
                        raise
                    # Somebody moved the branch without the lock: look again.
        raise Transient(error("main of the platform repository moves all the time", remedy="It is tried again."))

    def log(self, path: str = "", limit: int = 50) -> Sequence[Commit]:
        """Newest first; with `path`, only commits that changed it."""
        found: list[Commit] = []
        for commit in self._history():
            if len(found) == limit:
                break
            if not path or _changed(commit, path):
                found.append(as_commit(commit))
        return tuple(found)

    def last_changes(self, paths: Collection[str], commit: str = "") -> Mapping[str, str]:
        """For each path the newest commit, up to `commit` or the head, that changed it."""
        start = commit or self.head()
        known_at, known = self._changes
        found: dict[str, str] = {}
        for one in self._history(start):
            if str(one.id) == known_at:
                found = {**known, **found}
                break
            for path in _paths_changed(one):
                found.setdefault(path, str(one.id))
        self._changes = (start, found)
        return {path: found[path] for path in paths if path in found}

    def laid(self, base: str, edits: Edits) -> Tree:
        """The files of `base` with `edits` on top: objects that no branch leads to, until somebody commits the same."""
        repository = self._open()
        tree: Any = repository[write_tree(repository, self._commit(repository, base).tree, edits)]
        return GitTree(repository, tree)

    def branches(self) -> Mapping[str, str]:
        """The commit of each branch."""
        return merging.branches(self._open())

    def find(self, commit: str) -> Commit:
        """A commit, whatever branch it is on. Raises `Unknown`."""
        return as_commit(self._commit(self._open(), commit))

    def contains(self, ancestor: str, commit: str) -> bool:
        """Whether `commit` is `ancestor` or comes after it; False where one of them is not there."""
        return merging.contains(self._open(), ancestor, commit)

    def merge_edits(self, commit: str) -> Mapping[str, bytes | None]:
        """What merging `commit` into `main` would edit. Raises `Conflict` that names the files that both changed."""
        repository = self._open()
        head = self._commit(repository, str(repository.references[MAIN].target))
        theirs = self._commit(repository, commit)
        if merging.contains(repository, commit, str(head.id)):
            return {}
        after: Any = repository[merging.merged_tree(repository, head, theirs)]
        return merging.edits_between(repository, head.tree, after)

    def difference(self, commit: str) -> Mapping[str, str]:
        """Unified diff per file from where `commit` left `main` up to it."""
        repository = self._open()
        head = self._commit(repository, str(repository.references[MAIN].target))
        return merging.difference(repository, head, self._commit(repository, commit))

    def delete_branch(self, branch: str, commit: str) -> None:
        """Ensure that a branch that is at `commit` is gone; one that moved on stays."""
        merging.delete_branch(self._open(), branch, commit)

    def _history(self, start: str = "") -> Iterator[pygit2.Commit]:
        repository = self._open()
        commit: pygit2.Commit | None = self._commit(repository, start or str(repository.references[MAIN].target))
        while commit is not None:
            yield commit
            commit = commit.parents[0] if commit.parent_ids else None

    def _open(self) -> pygit2.Repository:
        # One object per call: libgit2's are cheap to make and not to be shared between threads that write.
        return open_repository(self.path)

    @staticmethod
    def _commit(repository: pygit2.Repository, id_: str) -> pygit2.Commit:
        found = find_commit(repository, id_)
        if found is None:
            raise Unknown(
                error(f"The platform repository has no commit {id_[:80]!r}", remedy="Begin from the head of main.")
            )
        return found


def _refuse_if_moved(repository: pygit2.Repository, base: pygit2.Commit, head: pygit2.Commit, edits: Edits) -> None:
    before, now = GitTree(repository, base.tree), GitTree(repository, head.tree)
    for path in sorted(edits):
        above = [path[:end] for end, letter in enumerate(path) if letter == "/"]
        file_above = any(now.read(one) is not None and now.id(one) != before.id(one) for one in above)
        if file_above or now.id(path) != before.id(path):
            raise Moved(
                error(
                    f"{path} was changed by someone else meanwhile",
                    detail=f"The change began from {base.id!s:.10}, and main is at {head.id!s:.10}.",
                    remedy="Look at the file again and repeat the change.",
                    address=path,
                )
            )


def _changed(commit: pygit2.Commit, path: str) -> bool:
    earlier = commit.parents[0].tree if commit.parent_ids else None
    return _id(commit.tree, path) != (_id(earlier, path) if earlier is not None else "")


def _paths_changed(commit: pygit2.Commit) -> Iterator[str]:
    if not commit.parent_ids:
        diff = commit.tree.diff_to_tree(swap=True)
    else:
        diff = commit.parents[0].tree.diff_to_tree(commit.tree)
    for delta in diff.deltas:
        yield delta.new_file.path


def _id(tree: pygit2.Tree, path: str) -> str:
    try:
        return str(tree[path.strip("/")].id)
    except (KeyError, ValueError):
        return ""


def as_commit(commit: pygit2.Commit) -> Commit:
    """A commit as the engine sees it; `author` is the name alone."""
    return Commit(
        id=str(commit.id),
        message=commit.raw_message.decode(errors="replace"),
        author=commit.author.name,
        at=datetime.fromtimestamp(commit.commit_time, UTC),
        trailers=dict(commit.message_trailers),
        parents=tuple(str(one) for one in commit.parent_ids),
    )


def sync_folder(path: Path) -> None:
    """Make names in a folder (a rename into it) last through a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
