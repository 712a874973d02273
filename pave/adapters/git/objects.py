"""Git objects, read and written straight: no checkout, no index, no configuration of the machine's.

This is the one place that decides which paths may enter a repository or leave it. A path that a Git
client somewhere would take for its own `.git` is refused on every system, not only where it does harm.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pygit2
from pygit2.enums import ConfigLevel, FileMode, RepositoryInitFlag

from pave.model.diagnostics import Refused, error

MAIN = "refs/heads/main"

_REGULAR = (FileMode.BLOB, FileMode.BLOB_EXECUTABLE)
# Code points that HFS+ leaves out of a comparison (git's utf8.c): `.g\u200cit` is `.git` there.
_IGNORED_BY_HFS = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_PATH = 1024
_LONGEST_NAME = 255

pygit2.settings.enable_fsync_gitdir(value=True)
pygit2.settings.cache_max_size(16 * 2**20)
# Only repositories that Pave itself made are opened, so their owner is whoever owns the data directory.
pygit2.settings.owner_validation = False
for _level in (ConfigLevel.SYSTEM, ConfigLevel.GLOBAL, ConfigLevel.XDG):
    pygit2.settings.search_path[_level] = ""

Edits = Mapping[str, "bytes | None"]


def open_repository(path: Path) -> pygit2.Repository:
    """The bare repository at `path` exactly; no folder above it is looked at. Raises `pygit2.GitError`."""
    return pygit2.Repository(str(path), pygit2.enums.RepositoryOpenFlag.NO_SEARCH)


def init_repository(path: Path) -> pygit2.Repository:
    """A new bare repository with branch `main`; raises where there is one."""
    flags = RepositoryInitFlag.MKPATH | RepositoryInitFlag.NO_REINIT
    return pygit2.init_repository(str(path), bare=True, flags=flags, initial_head="main")


def find_commit(repository: pygit2.Repository, id_: str) -> pygit2.Commit | None:
    """The commit with this id (or the only one that begins with it), or None."""
    try:
        found: Any = repository[id_]
    except (KeyError, ValueError):
        return None
    return found if isinstance(found, pygit2.Commit) else None


def check_path(path: str) -> str:
    """Return `path` if it may name a file of a repository on every system; raise `Refused` otherwise."""
    reason = ""
    if not path or path.startswith("/") or len(path.encode(errors="surrogateescape")) > _LONGEST_PATH:
        reason = f"A path is relative and at most {_LONGEST_PATH} bytes long."
    elif _CONTROL.search(path):
        reason = "A path holds no line breaks or other control characters."
    else:
        reason = next(filter(None, (_fault(name) for name in path.split("/"))), "")
    if reason:
        raise Refused(error(f"The path {path[:200]!r} is refused", detail=reason, remedy="Rename or remove that file."))
    return path


def _fault(name: str) -> str:
    if name in ("", ".", ".."):
        return "A path has no empty, `.` or `..` parts."
    if len(name.encode(errors="surrogateescape")) > _LONGEST_NAME:
        return f"A part of a path is at most {_LONGEST_NAME} bytes long."
    # NTFS ends a name at a colon and drops dots and blanks there; `git~1` is its short form of `.git`.
    for part in name.split("\\"):
        plain = _IGNORED_BY_HFS.sub("", part).split(":")[0].rstrip(". ").lower()
        if plain in (".git", "git~1"):
            return "A part that some system takes for `.git` could run code there."
        if part in (".", "..") and part != name:
            return "A path has no `..` behind a backslash."
    return ""


def is_file(entry: pygit2.Object) -> bool:
    """Whether a tree's entry is a regular file."""
    return entry.filemode in _REGULAR


def is_folder(entry: pygit2.Object) -> bool:
    """Whether a tree's entry is a folder."""
    return entry.filemode == FileMode.TREE


def write_tree(repository: pygit2.Repository, base: pygit2.Tree | None, edits: Edits) -> pygit2.Oid:
    """Lay `edits` (None deletes) on `base`; return the new tree's id. Raises `Refused` for a path that may not be.

    A new file that begins with `#!` becomes executable; one that is replaced keeps what it was.
    """
    for path in edits:
        check_path(path)
    written = _write(repository, base, edits, "")
    return written if written is not None else repository.TreeBuilder().write()


def _write(repository: pygit2.Repository, base: pygit2.Tree | None, edits: Edits, at: str) -> pygit2.Oid | None:
    builder = repository.TreeBuilder(base) if base is not None else repository.TreeBuilder()
    below: dict[str, dict[str, bytes | None]] = {}
    for path, content in edits.items():
        name, slash, rest = path.partition("/")
        if slash:
            below.setdefault(name, {})[rest] = content
        else:
            _put(repository, builder, name, content)
    for name, parts in below.items():
        there = builder.get(name)
        if there is not None and not is_folder(there):
            if all(content is None for content in parts.values()):
                continue
            raise Refused(
                error(
                    f"{at}{name} is a file, and {at}{name}/{min(parts)} would lie below it",
                    remedy="Delete the file in the same change, or choose another path.",
                )
            )
        folder = repository[there.id] if there is not None else None
        assert folder is None or isinstance(folder, pygit2.Tree)
        written = _write(repository, folder, parts, f"{at}{name}/")
        if written is not None:
            builder.insert(name, written, FileMode.TREE)
        elif there is not None:
            builder.remove(name)
    return builder.write() if len(builder) else None


def _put(repository: pygit2.Repository, builder: pygit2.TreeBuilder, name: str, content: bytes | None) -> None:
    there = builder.get(name)
    if content is None:
        if there is not None and not is_folder(there):
            builder.remove(name)
        return
    mode = FileMode.BLOB_EXECUTABLE if content.startswith(b"#!") else FileMode.BLOB
    if there is not None and is_file(there):
        mode = FileMode(there.filemode)
    builder.insert(name, repository.create_blob(content), mode)


def signature(author: str) -> pygit2.Signature:
    """`Name <address>`, or a name alone (such as `user:default/dana`), as Git writes it, at this moment."""
    match = re.fullmatch(r"\s*([^<>]*?)\s*<([^<>\s]*)>\s*", author)
    name, address = match.groups() if match else (author, "")
    name = re.sub(r"[\x00-\x1f<>]+", " ", name).strip() or "Pave"
    return pygit2.Signature(name, address or "noreply@pave.invalid")
