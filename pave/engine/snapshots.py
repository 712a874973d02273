"""Snapshots of the platform repository: the one that is, and the one that would be.

What was parsed is kept by Git id, so that looking again costs nothing until something changed. Edits are
laid over a tree with the ids that Git would give them: a plan made before the commit is bound to the same
inputs as one made after it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from pave.model.deployment import Deployment
from pave.model.deployment_file import path_of, read_deployment
from pave.model.inspection import Inspection, inspect
from pave.model.names import Address
from pave.model.reading import read_snapshot
from pave.model.snapshot import Snapshot
from pave.model.tree import Tree
from pave.model.workload import Workload
from pave.ports import PlatformRepository, Repositories

_BY_FOLDER = ("modules/", "templates/")


class Overlay:
    """A tree with edits on top: bytes replace a file, None takes it away."""

    def __init__(self, below: Tree, edits: Mapping[str, bytes | None]) -> None:
        self._below = below
        self._edits = edits

    def paths(self, under: str = "") -> Iterator[str]:
        """Paths of regular files below `under`, sorted."""
        prefix = f"{under.rstrip('/')}/" if under else ""
        kept = {path for path in self._below.paths(under) if path not in self._edits}
        added = {path for path, data in self._edits.items() if data is not None and path.startswith(prefix)}
        return iter(sorted(kept | added))

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None."""
        return self._edits[path] if path in self._edits else self._below.read(path)

    def id(self, path: str) -> str:
        """The id Git would give a file; for a folder with edits below it, one that differs from every other."""
        path = path.strip("/")
        if path in self._edits:
            data = self._edits[path]
            return "" if data is None else _hash(b"blob %d\0" % len(data) + data)
        touched = sorted(one for one in self._edits if not path or one.startswith(f"{path}/"))
        below = self._below.id(path)
        if not touched:
            return below
        if next(self.paths(path), None) is None:
            return ""
        # The names count too: the same bytes in another file are another folder.
        return _hash("\0".join([below, *(f"{one}={self.id(one)}" for one in touched)]).encode())


def _hash(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()


class Snapshots:
    """Reads snapshots, and the workloads of service repositories, each once per Git id."""

    def __init__(self, platform: PlatformRepository, repositories: Repositories) -> None:
        self._platform = platform
        self._parsed: dict[Any, Any] = {}
        self._lock = threading.Lock()
        self._current: Snapshot | None = None
        self.inspection = lru_cache(maxsize=2048)(
            lambda repository, commit: inspect(repositories.tree(repository, commit), repository)
        )

    def current(self) -> Snapshot:
        """What the platform repository says at its head."""
        head = self._platform.head()
        with self._lock:
            if self._current is None or self._current.commit != head:
                self._current = read_snapshot(self._platform.tree(head), head, self._parsed)
            return self._current

    def at(self, commit: str) -> Snapshot:
        """What it said at another commit."""
        with self._lock:
            known = dict(self._parsed)  # reading keeps only what it used, and that is for the newest one
        return read_snapshot(self._platform.tree(commit), commit, known)

    def with_edits(self, base: Snapshot, edits: Mapping[str, bytes | None]) -> Snapshot:
        """What it would say with `edits` on top of `base`."""
        if not edits:
            return base
        # What is fetched by the id of its folder needs an id that Git has.
        whole = any(path.startswith(_BY_FOLDER) for path in edits)
        below = self._platform.tree(base.commit)
        tree = self._platform.laid(base.commit, edits) if whole else Overlay(below, edits)
        with self._lock:
            return read_snapshot(tree, base.commit, self._parsed)

    def changes(self, base: Snapshot, edits: Mapping[str, bytes | None]) -> dict[str, bytes | None]:
        """Those of `edits` that differ from what `base` says already."""
        tree = self._platform.tree(base.commit)
        return {path: data for path, data in edits.items() if tree.read(path) != data}

    def workload(self, deployment: Deployment) -> Workload | None:
        """The workload of a deployment, read from its commit; None for one that has resources only."""
        if not deployment.commit:
            return None
        found: Inspection = self.inspection(deployment.repository, deployment.commit)
        return found.workload

    def deployment_at(self, commit: str, stack: Address) -> Deployment | None:
        """A stack's desired state as it was at an earlier commit."""
        path = path_of(stack)
        data = self._platform.tree(commit).read(path)
        return read_deployment(data, path) if data is not None else None
