"""Paths that a template names: kept inside the workspace, or inside the template's own files.

Nothing absolute, no `..`, no `.git`, no link: each part is looked at before anything is opened.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from pave.adapters.scaffolder.failure import failed


def inside(root: Path, text: object, what: str = "path") -> Path:
    """`root` / `text`. Raises `Failed` where that would be anywhere else, or in a `.git`."""
    named = str(text)
    parts = PurePosixPath(named).parts
    if "\0" in named or "\\" in named or PurePosixPath(named).is_absolute() or ".." in parts:
        raise failed(f"the {what} {named[:120]!r} leaves the workspace", "Name a path inside it, without ..")
    if any(part.lower() == ".git" for part in parts):
        raise failed(f"the {what} {named[:120]!r} is Git's own", "A template writes files, not repositories.")
    path = root.joinpath(*parts)
    for one in (path, *path.parents):
        if one == root:
            break
        if one.is_symlink():
            raise failed(f"the {what} {named[:120]!r} goes through a link")
    return path


def source(root: Path, base: Path, url: object) -> Path:
    """What a relative `url` of a step names: below `base`, or elsewhere among the template's files in `root`."""
    named = str(url)
    if "://" in named or named.startswith(("/", "//")):
        raise failed(
            f"{named[:120]!r} lies outside of the platform repository",
            "Put the files beside the template and name them relatively: nothing is fetched while rendering.",
        )
    path = (base / named).resolve()
    if path != root and root not in path.parents:
        raise failed(f"{named[:120]!r} leaves the template's files", "Name a path among them.")
    if not path.exists():
        raise failed(f"there is no {named[:120]} beside the template", "Correct the url of the step.")
    return path


def files(folder: Path) -> Iterator[Path]:
    """Regular files below `folder`, sorted; relative to it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder)


def write(path: Path, content: bytes, like: Path | None = None) -> None:
    """Write a file with its folders; executable as `like` is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if like is not None:
        shutil.copymode(like, path)
