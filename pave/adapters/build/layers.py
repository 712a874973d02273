"""Installed dependencies, kept between builds: a build whose dependencies did not change starts from them.

A layer's name is the digest of everything that it is made from, so it is never updated, only used or made. It
belongs to Pave and is read-only; artifacts share its files by hard links. Unused ones go after 30 days.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from contextlib import suppress
from pathlib import Path

from pave.adapters.build.recipe import Layer
from pave.adapters.build.registries import Registries
from pave.adapters.build.scratch import remove_tree

_UNUSED_DAYS = 30.0
_DAY = 86400.0


class LayerStore:
    """Layers below one folder, each a folder named by its key."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def key(self, layer: Layer, registries: Registries) -> str:
        """The name of a layer: its files, steps and interpreter, and where packages come from."""
        digest = hashlib.sha256()
        told = {
            "key": layer.key,
            "day": int(time.time() / _DAY) if layer.daily else 0,
            "machine": platform.machine(),
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in layer.files.items()},
            "steps": [one.argv for one in (*layer.steps, *layer.fallback, *layer.last)],
            "registries": [registries.uv, registries.npm, registries.npmrc],
        }
        digest.update(json.dumps(told, sort_keys=True).encode())
        return digest.hexdigest()[:32]

    def find(self, key: str) -> Path | None:
        """A layer that is there."""
        folder = self._root / key
        if not folder.exists():
            return None
        os.utime(folder)
        return folder / "files"

    def keep(self, key: str, made: Path) -> Path:
        """Move a folder (or nothing, where there are no dependencies) in as a layer; whoever was first stays."""
        self._forget_unused()
        folder = self._root / key
        whole = made.parent / "whole"
        whole.mkdir(mode=0o755)
        if made.exists():
            made.rename(whole / "files")
        else:
            (whole / "files").mkdir()
        _own(whole / "files")
        self._root.mkdir(parents=True, exist_ok=True)
        try:
            whole.rename(folder)
        except OSError:
            if not folder.exists():
                raise
        return folder / "files"

    def _forget_unused(self) -> None:
        for folder in self._root.iterdir() if self._root.exists() else ():
            with suppress(FileNotFoundError):
                if time.time() - folder.stat().st_mtime > _UNUSED_DAYS * _DAY:
                    remove_tree(folder)


def _own(folder: Path) -> None:
    """Make everything Pave's, readable by all and writable by nobody."""
    uid, gid = os.geteuid(), os.getegid()
    for one, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(one, name)
            os.chown(path, uid, gid, follow_symlinks=False)
            if not path.is_symlink() and name in files:
                path.chmod(0o555 if path.stat().st_mode & 0o111 else 0o444)
        os.chown(one, uid, gid)
        Path(one).chmod(0o755)
