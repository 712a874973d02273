"""Branches of a bare repository: what is in them, how they differ, what merging them would make."""

from __future__ import annotations

from collections.abc import Iterator

import pygit2
from pygit2.enums import SortMode

from pave.adapters.git.objects import check_path, find_commit
from pave.adapters.git.tree import GitTree
from pave.model.diagnostics import Conflict, error

_HEADS = "refs/heads/"
_LONGEST_DIFF = 60_000
_MOST_FILES = 300
_SHOWN = 20


def branches(repository: pygit2.Repository) -> dict[str, str]:
    """The commit of each branch."""
    names = (name for name in repository.references if name.startswith(_HEADS))
    return {name.removeprefix(_HEADS): str(repository.references[name].target) for name in sorted(names)}


def contains(repository: pygit2.Repository, ancestor: str, commit: str) -> bool:
    """Whether `commit` is `ancestor` or comes after it."""
    first, second = find_commit(repository, ancestor) if ancestor else None, find_commit(repository, commit)
    if first is None or second is None:
        return False
    return first.id == second.id or repository.descendant_of(second.id, first.id)


def between(repository: pygit2.Repository, commit: pygit2.Commit, since: str) -> Iterator[pygit2.Commit]:
    """The commits that `commit` has and `since` has not, newest first."""
    walk = repository.walk(commit.id, SortMode.TOPOLOGICAL | SortMode.TIME)
    left_out = find_commit(repository, since) if since else None
    if left_out is not None:
        walk.hide(left_out.id)
    yield from walk


def difference(repository: pygit2.Repository, base: pygit2.Commit, commit: pygit2.Commit) -> dict[str, str]:
    """Unified diff per file from where `commit` left `base`; what is long is cut, and says so."""
    start = repository.merge_base(base.id, commit.id)
    before = repository[start].tree if start is not None else None
    diff = before.diff_to_tree(commit.tree) if before is not None else commit.tree.diff_to_tree(swap=True)
    found: dict[str, str] = {}
    for patch in diff:
        if patch is None:
            continue
        path = patch.delta.new_file.path or patch.delta.old_file.path
        if len(found) == _MOST_FILES:
            found["…"] = f"More than {_MOST_FILES} files: the others are not shown."
            break
        text = patch.data.decode(errors="replace") if patch.data else ""
        found[path] = text if len(text) <= _LONGEST_DIFF else f"{text[:_LONGEST_DIFF]}\n… the rest is not shown\n"
    return found


def merged_tree(repository: pygit2.Repository, ours: pygit2.Commit, theirs: pygit2.Commit) -> pygit2.Oid:
    """The tree that merging `theirs` into `ours` makes. Raises `Conflict` that names the files both changed."""
    start = repository.merge_base(ours.id, theirs.id)
    if start is None:
        raise Conflict(
            error(
                "The branch has no commit in common with the one it would be merged into",
                remedy="Begin it from that one: git rebase, or git cherry-pick, then push again.",
            )
        )
    index = repository.merge_trees(repository[start].tree, ours.tree, theirs.tree)
    if index.conflicts is not None:
        parts = (part for conflict in index.conflicts for part in conflict if part is not None)
        paths = sorted({part.path for part in parts})
        raise Conflict(
            error(
                f"Both sides changed {', '.join(paths[:_SHOWN])}",
                detail="" if len(paths) <= _SHOWN else f"And {len(paths) - _SHOWN} more.",
                remedy="Merge or rebase on the newest target, resolve it there, and push again.",
            )
        )
    return index.write_tree(repository)


def edits_between(repository: pygit2.Repository, before: pygit2.Tree, after: pygit2.Tree) -> dict[str, bytes | None]:
    """What has to be written to make `after` of `before`. Raises `Refused` for a path that may not be."""
    edits: dict[str, bytes | None] = {}
    tree = GitTree(repository, after)
    for delta in before.diff_to_tree(after).deltas:
        for path in {delta.old_file.path, delta.new_file.path}:
            edits[check_path(path)] = tree.read(path)
    return edits


def delete_branch(repository: pygit2.Repository, branch: str, commit: str) -> None:
    """Ensure that a branch that is at `commit` is gone; one that moved on stays."""
    name = f"{_HEADS}{branch}"
    if name in repository.references and str(repository.references[name].target) == commit:
        repository.references.delete(name)
