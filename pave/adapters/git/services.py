"""The repositories of services: bare, Pave's own, whatever they were made from.

What comes from outside is fetched by a hardened `git` into a new bare repository; its configuration,
hooks and working files stay where they are. A repository appears as a whole or not at all.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pygit2

from pave.adapters.git import merging
from pave.adapters.git.export import Limits, export
from pave.adapters.git.objects import MAIN, find_commit, init_repository, open_repository, signature, write_tree
from pave.adapters.git.platform import as_commit, sync_folder
from pave.adapters.git.remote import GitProgram, check_url
from pave.adapters.git.signatures import Signatures
from pave.adapters.git.tree import GitTree
from pave.adapters.lock import locked
from pave.apply.retry import Moved
from pave.model.diagnostics import Conflict, Refused, Unknown, error
from pave.model.names import check_name
from pave.model.tree import Tree
from pave.ports import Cancel, Commit
from pave.verdict.evidence import Signature

_ORIGIN = "pave.origin"
_LOOKED_THROUGH = 1000
_SHORTEST_ID = 7


class GitRepositories:
    """Implements `pave.ports.Repositories` on `<root>/<name>.git`. An empty `program` is the machine's git."""

    def __init__(self, root: Path, program: str = "", limits: Limits | None = None) -> None:
        self._root = root
        self._limits = limits or Limits()
        self._git = GitProgram(program, self._limits)
        self._signatures = Signatures(program)
        root.mkdir(parents=True, exist_ok=True)

    def names(self) -> Sequence[str]:
        """All of them, sorted."""
        return sorted(one.name[:-4] for one in self._root.glob("*.git") if not one.name.startswith("."))

    def path(self, name: str) -> Path:
        """Where the bare repository lies, whether it is there or not. Raises `Refused` for what is no name."""
        return self._root / f"{check_name(name, 'a repository')}.git"

    def create(self, name: str, files: Mapping[str, bytes], message: str, author: str) -> str:
        """Ensure a repository whose `main` holds `files`; return the commit id.

        Where one of its commits holds exactly these files, that commit is returned, also when others
        followed. Raises `Conflict` where the repository holds something else.
        """
        path = self.path(name)
        with self._writing(name):
            if path.is_dir():
                return self._made_before(name, files)
            with self._fresh(name) as fresh:
                repository = init_repository(fresh)
                tree = write_tree(repository, None, files)
                who = signature(author)
                commit = repository.create_commit(MAIN, who, who, message.rstrip() + "\n", tree, [])
                fresh.rename(path)
                sync_folder(self._root)
            return str(commit)

    def mirror(self, name: str, url: str, cancel: Cancel) -> str:
        """Ensure a mirror of a path or Git URL and bring it up to date; return the default branch's commit."""
        path = self.path(name)
        place = check_url(url)
        with self._writing(name):
            if path.is_dir():
                self._refuse_other_origin(name, place.url)
                for left in (path / "objects" / "pack").glob("tmp_*"):
                    left.unlink()
                return self._fetch(place, path, cancel)
            with self._fresh(name) as fresh:
                repository = init_repository(fresh)
                repository.config[_ORIGIN] = place.url
                commit = self._fetch(place, fresh, cancel)
                fresh.rename(path)
                sync_folder(self._root)
            return commit

    def resolve(self, name: str, revision: str = "") -> Commit:
        """The commit that a branch, a tag or an id (at least 7 digits) names; empty: the default branch.

        Nothing else of Git's revision language is understood. Raises `Unknown`.
        """
        repository = self._open(name)
        commit = self._find(repository, revision)
        if commit is None:
            what = f"no revision {revision[:80]!r}" if revision else "no commits on its default branch"
            raise Unknown(error(f"{name} has {what}", remedy="Name a branch, a tag or a commit id.", address=name))
        return as_commit(commit)

    def tree(self, name: str, commit: str) -> Tree:
        """The files at a commit. Raises `Unknown`."""
        repository = self._open(name)
        return GitTree(repository, self._commit(repository, name, commit).tree)

    def export(self, name: str, commit: str, directory: Path) -> None:
        """Write the regular files of a commit to `directory`, which is new or empty; it is filled wholly or not at all.

        A link that stays inside the repository becomes a copy of its target; others, submodules, and
        names that some system takes for `.git` are refused, each by name.
        """
        repository = self._open(name)
        found = self._commit(repository, name, commit)
        if directory.is_symlink() or (directory.exists() and (not directory.is_dir() or any(directory.iterdir()))):
            raise Conflict(error(f"{directory} is not an empty folder", remedy="Export to a new one."))
        directory.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{directory.name}.", dir=directory.parent) as partial:
            export(repository, found, Path(partial) / "files", self._limits)
            (Path(partial) / "files").rename(directory)

    def origin(self, name: str) -> str:
        """The address that it mirrors, or empty for one that is Pave's own."""
        with contextlib.suppress(KeyError):
            return self._open(name).config[_ORIGIN] or ""
        return ""

    def default_branch(self, name: str) -> str:
        """The branch that is deployed where nobody says another."""
        head = self._open(name).references["HEAD"].target
        return str(head).removeprefix("refs/heads/")

    def branches(self, name: str) -> Mapping[str, str]:
        """The commit of each branch."""
        return merging.branches(self._open(name))

    def contains(self, name: str, ancestor: str, commit: str) -> bool:
        """Whether `commit` is `ancestor` or comes after it; False where one of them is not there."""
        return merging.contains(self._open(name), ancestor, commit)

    def signature(self, name: str, commit: str, signers: Mapping[str, Sequence[str]]) -> Signature:
        """What a commit's own signature is worth, by the keys in `signers`. Raises `Unknown`."""
        found = self._commit(self._open(name), name, commit)
        keys = tuple((who, tuple(known)) for who, known in sorted(signers.items()))
        return self._signatures.of(found.read_raw(), str(found.id), self.path(name) / "objects", keys)

    def log(self, name: str, commit: str, since: str = "", limit: int = 100) -> Sequence[Commit]:
        """The commits that `commit` has and `since` has not, newest first."""
        repository = self._open(name)
        found = merging.between(repository, self._commit(repository, name, commit), since)
        return tuple(as_commit(one) for one in islice(found, limit))

    def difference(self, name: str, base: str, commit: str) -> Mapping[str, str]:
        """Unified diff per file from where `commit` left the branch `base` up to it; long ones are cut, and say so."""
        repository = self._open(name)
        ends = (self._branch(repository, name, base), self._commit(repository, name, commit))
        return merging.difference(repository, *ends)

    def mergeable(self, name: str, commit: str, target: str) -> None:
        """Raise `Conflict` where merging `commit` into the branch `target` would."""
        repository = self._open(name)
        merging.merged_tree(repository, self._branch(repository, name, target), self._commit(repository, name, commit))

    def merge(self, name: str, commit: str, target: str, message: str, author: str) -> str:
        """Ensure that the branch `target` contains `commit`; where it is then. Raises `Conflict`."""
        with self._writing(name):
            repository = self._open(name)
            reference = repository.references[f"refs/heads/{target}"]
            ours, theirs = (self._commit(repository, name, one) for one in (str(reference.target), commit))
            if merging.contains(repository, commit, str(ours.id)):
                return str(ours.id)
            try:
                if merging.contains(repository, str(ours.id), commit):
                    reference.set_target(theirs.id)
                    return str(theirs.id)
                tree, who = merging.merged_tree(repository, ours, theirs), signature(author)
                parents = [ours.id, theirs.id]
                made = repository.create_commit(reference.name, who, who, message.rstrip() + "\n", tree, parents)
            except pygit2.GitError as problem:
                raise Moved(error(f"{target} of {name} moved meanwhile", remedy="It is tried again.")) from problem
        return str(made)

    def delete_branch(self, name: str, branch: str, commit: str) -> None:
        """Ensure that a branch that is at `commit` is gone; one that moved on stays."""
        merging.delete_branch(self._open(name), branch, commit)

    def remove(self, name: str) -> None:
        """Ensure that there is no such repository."""
        path = self.path(name)
        with self._writing(name):
            if path.is_dir():
                gone = self._root / f".{name}.gone"
                path.rename(gone)
                shutil.rmtree(gone)
            self._lock(name).unlink(missing_ok=True)

    def _lock(self, name: str) -> Path:
        return self._root / f".{name}.lock"

    @contextlib.contextmanager
    def _writing(self, name: str) -> Iterator[None]:
        """One writer per repository; what a killed one left behind is removed first."""
        with locked(self._lock(name)):
            for left in (self._root / f".{name}.gone", self._root / f".{name}.new"):
                if left.is_dir():
                    shutil.rmtree(left)
            yield

    @contextlib.contextmanager
    def _fresh(self, name: str) -> Iterator[Path]:
        fresh = self._root / f".{name}.new"
        try:
            yield fresh
        finally:
            if fresh.is_dir():
                shutil.rmtree(fresh)

    def _fetch(self, place: Any, path: Path, cancel: Cancel) -> str:
        branch = self._git.default_branch(place, cancel)
        self._git.fetch(place, path, cancel)
        repository = open_repository(path)
        heads = sorted(name for name in repository.references if name.startswith("refs/heads/"))
        likely = [name for name in (branch, MAIN, "refs/heads/master", *heads) if name in heads]
        if not likely:
            raise Refused(error(f"{place.url} has no commits", remedy="Commit something there, and import it again."))
        repository.set_head(likely[0])
        return str(repository.references[likely[0]].target)

    def _refuse_other_origin(self, name: str, url: str) -> None:
        origin = self.origin(name)
        if origin != url:
            raise Conflict(
                error(
                    f"There is a repository {name} already, "
                    + (f"a mirror of {origin}" if origin else "which was made here"),
                    remedy="Import it under another name, or remove the other first.",
                    address=name,
                )
            )

    def _made_before(self, name: str, files: Mapping[str, bytes]) -> str:
        repository = self._open(name)
        wanted = write_tree(repository, None, files)
        commit = self._find(repository, "")
        for _ in range(_LOOKED_THROUGH):
            if commit is None or commit.tree_id == wanted:
                break
            commit = commit.parents[0] if commit.parent_ids else None
        if commit is None or commit.tree_id != wanted:
            raise Conflict(
                error(
                    f"There is a repository {name} already, and it holds something else",
                    remedy="Choose another name, or remove the other first.",
                    address=name,
                )
            )
        return str(commit.id)

    def _open(self, name: str) -> pygit2.Repository:
        path = self.path(name)
        if not path.is_dir():
            raise Unknown(
                error(f"There is no repository {name!r}", remedy="`pave new` or `pave import` makes one.", address=name)
            )
        return open_repository(path)

    @staticmethod
    def _commit(repository: pygit2.Repository, name: str, id_: str) -> pygit2.Commit:
        found = find_commit(repository, id_) if len(id_) >= _SHORTEST_ID else None
        if found is None:
            raise Unknown(error(f"{name} has no commit {id_[:80]!r}", remedy="Name one that it has.", address=name))
        return found

    def _branch(self, repository: pygit2.Repository, name: str, branch: str) -> pygit2.Commit:
        return self._commit(repository, name, merging.branches(repository).get(branch, branch))

    @staticmethod
    def _find(repository: pygit2.Repository, revision: str) -> pygit2.Commit | None:
        names = [f"refs/heads/{revision}", f"refs/tags/{revision}"] if revision else ["HEAD"]
        for name in names:
            if not pygit2.reference_is_valid_name(name) or name not in repository.references:
                continue
            try:
                found: Any = repository.references[name].peel(pygit2.Commit)
            except (pygit2.GitError, KeyError):  # a tag of something else, a branch without commits
                continue
            return found if isinstance(found, pygit2.Commit) else None
        return find_commit(repository, revision) if len(revision) >= _SHORTEST_ID else None
