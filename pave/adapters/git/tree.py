"""The files of one commit, read from Git objects: nothing is ever checked out for Pave to look at.

Links and submodules are left out, so what is read here is always what the repository itself holds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pygit2

from pave.adapters.git.objects import is_file, is_folder


class GitTree:
    """Implements `pave.model.tree.Tree` for a root tree. May be used by several threads."""

    def __init__(self, repository: pygit2.Repository, root: pygit2.Tree) -> None:
        self._repository = repository
        self._root = root
        self._places: dict[str, tuple[pygit2.Oid, bool] | None] = {}

    def paths(self, under: str = "") -> Iterator[str]:
        """Paths of regular files below `under`, sorted as Git sorts them: by their bytes."""
        under = under.strip("/")
        place = self._place(under)
        if place is not None and not place[1]:
            folder = self._repository[place[0]]
            assert isinstance(folder, pygit2.Tree)
            yield from _walk(folder, f"{under}/" if under else "")

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None where there is none."""
        place = self._place(path)
        if place is None or not place[1]:
            return None
        blob = self._repository[place[0]]
        assert isinstance(blob, pygit2.Blob)
        return bytes(blob.data)

    def id(self, path: str) -> str:
        """The object id of a file or folder; empty where there is none."""
        place = self._place(path.strip("/"))
        return str(place[0]) if place is not None else ""

    def _place(self, path: str) -> tuple[pygit2.Oid, bool] | None:
        """The object at `path`, and whether it is a file (or else a folder). Ids are kept, contents are not."""
        if not path:
            return self._root.id, False
        if path not in self._places:
            try:
                entry = self._root[path]
            except (KeyError, ValueError):  # not there; not a path at all
                self._places[path] = None
            else:
                self._places[path] = (entry.id, is_file(entry)) if is_file(entry) or is_folder(entry) else None
        return self._places[path]


def _walk(folder: pygit2.Tree, prefix: str) -> Iterator[str]:
    for entry in folder:
        name = os.fsdecode(entry.raw_name or b"")
        if isinstance(entry, pygit2.Tree):
            yield from _walk(entry, f"{prefix}{name}/")
        elif is_file(entry):
            yield f"{prefix}{name}"
