"""Trees in memory, with ids as exact as Git's."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping

import pytest

from pave.model.tree import Tree


class MemoryTree:
    def __init__(self, files: Mapping[str, bytes | str]) -> None:
        self.files = {path: data.encode() if isinstance(data, str) else data for path, data in files.items()}
        self.reads: list[str] = []

    def paths(self, under: str = "") -> Iterator[str]:
        return iter(sorted(path for path in self.files if not under or path.startswith(f"{under}/")))

    def read(self, path: str) -> bytes | None:
        self.reads.append(path)
        return self.files.get(path)

    def id(self, path: str) -> str:
        inside = [one for one in self.paths() if one == path or one.startswith(f"{path}/")]
        whole = b"".join(one.encode() + b"\0" + self.files[one] + b"\0" for one in inside)
        return hashlib.sha1(whole).hexdigest() if inside else ""


@pytest.fixture
def tree_of() -> Callable[[Mapping[str, bytes | str]], Tree]:
    return MemoryTree
