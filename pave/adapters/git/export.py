"""Writes the files of a commit to a folder, whatever a stranger put into the commit.

Only regular files and folders are ever made, each name is checked, nothing that exists is followed or
overwritten. Links are resolved inside the Git objects, never on the disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pygit2
from pygit2.enums import FileMode

from pave.adapters.git.objects import check_path, is_file
from pave.model.diagnostics import Findings, Refused, error

_HOPS = 40


@dataclass(frozen=True)
class Limits:
    """How much one repository may hold; sizes are bytes, the time is seconds for one transfer."""

    repository_bytes: int = 2_000_000_000
    export_bytes: int = 1_000_000_000
    file_bytes: int = 200_000_000
    files: int = 100_000
    seconds: float = 600.0


@dataclass(frozen=True)
class _File:
    path: str
    blob: pygit2.Oid
    executable: bool


def export(repository: pygit2.Repository, commit: pygit2.Commit, directory: Path, limits: Limits) -> None:
    """Write the files of `commit` to `directory`, which must not exist. Raises `Refused` before anything is written."""
    files = _Reading(repository, limits).files(commit)
    directory.mkdir(mode=0o755)
    made = {""}
    for file in files:
        parent = file.path.rpartition("/")[0]
        for folder in reversed(["", *map(str, PurePosixPath(file.path).parents)][1:-1]):
            if folder not in made:
                (directory / folder).mkdir(mode=0o755)
                made.add(folder)
        assert parent in made
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(directory / file.path, flags, 0o755 if file.executable else 0o644)
        with open(descriptor, "wb") as target:  # noqa: PTH123 — pathlib does not open a descriptor
            blob = repository[file.blob]
            assert isinstance(blob, pygit2.Blob)
            target.write(blob.data)


class _Reading:
    """Goes through a tree, collecting files to write and everything that refuses it."""

    def __init__(self, repository: pygit2.Repository, limits: Limits) -> None:
        self._repository = repository
        self._root: pygit2.Tree | None = None
        self._limits = limits
        self._findings = Findings()
        self._count = 0
        self._bytes = 0

    def files(self, commit: pygit2.Commit) -> tuple[_File, ...]:
        try:
            self._root = commit.tree
            found = tuple(self._folder(self._root, "", ()))
        except (pygit2.GitError, KeyError) as problem:
            raise Refused(
                error("The repository is damaged", detail=str(problem), remedy="Repair it: `git fsck` says more.")
            ) from problem
        names: set[str] = set()
        for file in found:
            if file.path in names or any(str(one) in names for one in PurePosixPath(file.path).parents):
                self._refuse(file.path, "is there twice", "Repair the repository: `git fsck` says more.")
            names.add(file.path)
        self._findings.refuse_if_any()
        return found

    def _folder(self, folder: pygit2.Tree, at: str, above: tuple[pygit2.Oid, ...]) -> Iterator[_File]:
        for entry in folder:
            name = os.fsdecode(entry.raw_name or b"")
            path = at + name
            try:
                check_path(path if "/" not in name else "/")
            except Refused as refused:
                self._findings.extend(refused.diagnostics)
                continue
            yield from self._entry(entry, path, (*above, folder.id))

    def _entry(self, entry: pygit2.Object, path: str, above: tuple[pygit2.Oid, ...]) -> Iterator[_File]:
        if isinstance(entry, pygit2.Tree):
            if entry.id in above:
                self._refuse(path, "is a link to a folder that it lies in", "Remove the link.")
            else:
                yield from self._folder(entry, f"{path}/", above)
        elif is_file(entry):
            yield from self._file(entry, path)
        elif entry.filemode == FileMode.LINK:
            target = self._target(path)
            if target is None:
                self._refuse(path, "is a link that leaves the repository or leads nowhere", "Replace it by a file.")
            else:
                yield from self._entry(target, path, above)
        else:
            self._refuse(path, "is a submodule", "Bring its files into the repository; Pave fetches no submodules.")

    def _file(self, entry: pygit2.Object, path: str) -> Iterator[_File]:
        _, size = self._repository.odb.read_header(entry.id)
        self._count += 1
        self._bytes += size
        if size > self._limits.file_bytes:
            self._refuse(path, f"is larger than {self._limits.file_bytes:,} bytes", "Keep it outside Git.")
        elif self._count > self._limits.files or self._bytes > self._limits.export_bytes:
            raise Refused(
                error(
                    f"The repository holds more than {self._limits.files:,} files or "
                    f"{self._limits.export_bytes:,} bytes",
                    remedy="Split it, or keep what is not source code outside Git.",
                )
            )
        else:
            yield _File(path, entry.id, entry.filemode == FileMode.BLOB_EXECUTABLE)

    def _target(self, path: str) -> pygit2.Object | None:
        """What a link leads to, by walking the Git tree from its root; None where it leaves the tree."""
        pending = list(reversed(path.split("/")))
        assert self._root is not None
        place: list[pygit2.Object] = [self._root]
        hops = 0
        while pending:
            part = pending.pop()
            if part in ("", "."):
                continue
            if part == "..":
                if len(place) == 1:
                    return None
                place.pop()
                continue
            here = place[-1]
            if not isinstance(here, pygit2.Tree) or part not in here:
                return None
            entry = here[part]
            if entry.filemode != FileMode.LINK:
                place.append(entry)
                continue
            hops += 1
            target = os.fsdecode(entry.data) if isinstance(entry, pygit2.Blob) else ""
            if hops > _HOPS or not target or target.startswith("/") or len(target) > 4096:
                return None
            pending.extend(reversed(target.split("/")))
        return place[-1] if isinstance(place[-1], pygit2.Tree) or is_file(place[-1]) else None

    def _refuse(self, path: str, what: str, remedy: str) -> None:
        self._findings.add(error(f"{path!r} {what}", remedy=remedy, path=path))
