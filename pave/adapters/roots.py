"""A foreign root file system, of a container image, laid out for bubblewrap: read-only, with room for mounts.

The image's own folder is only bound, never written: where a mount has no place in it, the folders on the way are
made anew and everything else in them is bound one by one. Links of the image are followed here, within the image, so
that bubblewrap, which has rights, never follows one.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from pave.model.diagnostics import Refused, error

_MOST_LINKS = 40
_MOST_ENTRIES = 500


def resolved(root: Path, inside: str) -> PurePosixPath:
    """Where a path inside leads once links are followed, as whoever lives in the root sees it; it need not exist.

    Raises `Refused` for links that lead in a circle.
    """
    pending = list(reversed(PurePosixPath(os.path.normpath(inside)).parts[1:]))
    at, links = PurePosixPath("/"), 0
    while pending:
        name = pending.pop()
        if name in ("..", "."):
            at = at.parent if name == ".." else at
            continue
        place = _here(root, at / name)
        if not place.is_symlink():
            at /= name
            continue
        links += 1
        if links > _MOST_LINKS:
            raise Refused(error(f"{inside} is a link that leads in a circle", remedy="Correct the image."))
        target = PurePosixPath(place.readlink())
        at = PurePosixPath("/") if target.is_absolute() else at
        pending += reversed([part for part in target.parts if part != "/"])
    return at


def layout(root: Path, at: str, targets: Mapping[PurePosixPath, bool]) -> list[str]:
    """Options of bubblewrap that show `root` at `at`, with room for mounts at `targets` (True: a folder).

    The targets are resolved ones. Raises `Refused` where a file is in the way of a folder, or the reverse.
    """
    opened = {PurePosixPath("/")}
    for target, is_folder in targets.items():
        place = _here(root, target)
        if place.exists() and place.is_dir() != is_folder:
            raise Refused(error(f"{target} cannot be mounted: the image has {_kind(place)} there", remedy="Move it."))
        if not place.exists():
            opened |= set(target.parents)
    return [
        option
        for folder in sorted(opened, key=lambda one: len(one.parts))
        for option in _opened(root, at, folder, opened)
    ]


def _opened(root: Path, at: str, folder: PurePosixPath, opened: set[PurePosixPath]) -> Iterator[str]:
    """A folder made anew, with everything that the image has in it but what is opened itself."""
    inside = at if folder == PurePosixPath("/") else f"{at}{folder}"
    yield from ("--perms", "0755", "--dir", inside)
    here = _here(root, folder)
    if not here.exists():
        return
    if not here.is_dir():
        raise Refused(error(f"{folder} is no folder in the image, so nothing can be mounted below it"))
    names = sorted(one.name for one in os.scandir(here))
    if len(names) > _MOST_ENTRIES:
        raise Refused(
            error(
                f"Nothing can be mounted into {folder}: the image has {len(names)} entries there",
                remedy="Make the folder that is mounted over in the Dockerfile: RUN mkdir -p …",
            )
        )
    for name in names:
        path = here / name
        if folder / name in opened:
            continue
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            yield from ("--symlink", str(path.readlink()), f"{inside}/{name}")
        else:
            yield from ("--ro-bind", str(path), f"{inside}/{name}")


def _here(root: Path, inside: PurePosixPath) -> Path:
    return root.joinpath(*inside.parts[1:])


def _kind(place: Path) -> str:
    return "a folder" if place.is_dir() else "a file"
