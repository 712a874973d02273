"""A tree: the files of one commit, or of a folder, as the stages see them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol


class Tree(Protocol):
    """Files read from Git objects without a checkout."""

    def paths(self, under: str = "") -> Iterator[str]:
        """Paths of regular files below `under`, sorted. Symbolic links and submodules are left out."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None where there is none."""

    def id(self, path: str) -> str:
        """The Git object id of a file or folder: a free, exact change detector. Empty where there is none."""
