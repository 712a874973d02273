"""The artifact store: immutable build results, addressed by what they contain.

An artifact's digest is the SHA-256 of its manifest, a text that names every file with its mode and
content, so equal inputs give equal names and a changed file is found. It refuses what could lead out
of the artifact: devices, sockets, and links that point elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pave.adapters.build.scratch import disk_full, full, megabytes, scratch
from pave.model.diagnostics import Refused, error
from pave.ports import Artifact

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
LARGEST = 4_000_000_000
"""Bytes that one artifact may have."""
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Part:
    """A folder that becomes part of an artifact, below `at`. A `shared` one is linked, not copied: nobody writes it.

    Links must stay inside, but in a whole root file system, where `links` are "any": it is only ever seen as a root.
    """

    folder: Path
    at: str = ""
    shared: bool = False
    links: str = "inside"


@dataclass(frozen=True)
class Facts:
    """What an artifact says besides its files; see `ports.Artifact`. `built_with` is not part of the digest."""

    language: str
    processes: Mapping[str, Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: Sequence[str] = ()
    built_with: str = ""
    directory: str = ""


@dataclass(frozen=True)
class _Entry:
    """One file or link. `digest` is of the content, or the link's target itself."""

    path: str
    mode: str
    digest: str

    def __str__(self) -> str:
        return f"{self.mode} {self.digest} {json.dumps(self.path)}"


class ArtifactStore:
    """Artifacts below one folder: `sha256/<hex>/` with `files/`, `manifest` and `artifact.json`."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, parts: Sequence[Part], facts: Facts) -> Artifact:
        """Store `parts` as one artifact; the same again gives the same and writes nothing.

        Raises `Refused` for a full disk, an artifact of more than 4 GB and links that lead out of it;
        nothing half-made stays behind.
        """
        found = {path: one for part in parts for path, one in _walk(part)}
        size = sum(one.info.st_size for one in found.values())
        if size > LARGEST:
            raise _too_large(size)
        copied = sum(one.info.st_size for one in found.values() if not one.shared)
        existing = next(one for one in (self._root, *self._root.parents) if one.exists())
        if copied > shutil.disk_usage(existing).free:
            raise full(self._root, copied)
        with disk_full(self._root, copied), scratch(self._root / "incoming") as folder:
            made = folder / "artifact"
            entries = [_place(one, made / "files" / path, path) for path, one in sorted(found.items())]
            manifest = _manifest(entries, facts)
            artifact = Artifact(digest=f"sha256:{hashlib.sha256(manifest).hexdigest()}", size=size, **_fields(facts))
            (made / "manifest").write_bytes(manifest)
            _write_durably(made / "artifact.json", json.dumps(asdict(artifact), indent=1).encode())
            _seal(made / "files")
            self._publish(made, artifact.digest)
        return artifact

    def find(self, digest: str) -> Artifact | None:
        """A stored artifact, or None."""
        folder = self._folder(digest)
        try:
            return Artifact(**json.loads((folder / "artifact.json").read_bytes())) if folder else None
        except FileNotFoundError:
            return None

    def path(self, digest: str) -> Path:
        """Where an artifact's files lie, read-only. Raises `Refused` where it is not stored."""
        folder = self._folder(digest)
        if folder is None or not (folder / "artifact.json").is_file():
            raise Refused(
                error(
                    f"The artifact {digest} is not stored here",
                    remedy="Deploy the commit again: it is then built again.",
                )
            )
        return folder / "files"

    def remove(self, digest: str) -> None:
        """Ensure that an artifact is not stored."""
        folder = self._folder(digest)
        if folder is None or not folder.exists():
            return
        with scratch(self._root / "outgoing") as bin_:
            folder.rename(bin_ / "artifact")

    def verify(self, digest: str) -> tuple[str, ...]:
        """Read an artifact's files again and name those that are missing, changed or too many. Raises `Refused`."""
        files = self.path(digest)
        manifest = (files.parent / "manifest").read_bytes()
        if f"sha256:{hashlib.sha256(manifest).hexdigest()}" != digest:
            return ("manifest",)
        told = set(manifest.decode().splitlines()[1:])
        artifact = self.find(digest)
        links = "any" if artifact is not None and artifact.directory else "inside"
        seen = {str(_entry(one, path)): path for path, one in _walk(Part(files, links=links))}
        missing = {json.loads(line.split(" ", 2)[2]) for line in told - seen.keys()}
        return tuple(sorted(missing | {path for line, path in seen.items() if line not in told}))

    def _folder(self, digest: str) -> Path | None:
        match = _DIGEST.fullmatch(digest)
        return self._root / "sha256" / match[1] if match else None

    def _publish(self, made: Path, digest: str) -> None:
        folder = self._folder(digest)
        assert folder is not None
        folder.parent.mkdir(parents=True, exist_ok=True)
        if not folder.exists():
            try:
                made.rename(folder)
            except OSError:
                if not folder.exists():
                    raise


@dataclass(frozen=True)
class _Found:
    """A file or link on the disk."""

    file: Path
    info: os.stat_result
    shared: bool
    any_link: bool = False


def _walk(part: Part) -> Iterator[tuple[str, _Found]]:
    """Every file and link of a part with its path in the artifact. Raises `Refused` for anything else."""
    pending = [(part.folder, PurePosixPath(part.at))]
    while pending:
        folder, at = pending.pop()
        for name in os.listdir(folder):  # noqa: PTH208 — unlike scandir, nothing to close when this refuses
            file = folder / name
            info = file.lstat()
            path = str(at / name)
            if stat.S_ISDIR(info.st_mode):
                pending.append((file, at / name))
            elif stat.S_ISREG(info.st_mode) or stat.S_ISLNK(info.st_mode):
                yield path, _Found(file, info, part.shared, part.links == "any")
            else:
                raise Refused(
                    error(f"The build made {path}, which is neither a file nor a link", remedy="Have it removed.")
                )


def _entry(found: _Found, path: str) -> _Entry:
    if stat.S_ISLNK(found.info.st_mode):
        target = str(found.file.readlink())
        if not found.any_link:
            _check_link(path, target)
        return _Entry(path, "link", hashlib.sha256(os.fsencode(target)).hexdigest())
    digest = hashlib.sha256()
    with os.fdopen(os.open(found.file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return _Entry(path, _mode(found), digest.hexdigest())


def _place(found: _Found, to: Path, path: str) -> _Entry:
    """Put one file or link at `to`, linked where it is shared and the file system allows it."""
    to.parent.mkdir(parents=True, exist_ok=True)
    entry = _entry(found, path)
    if entry.mode == "link":
        to.symlink_to(found.file.readlink())
        return entry
    if found.shared and found.info.st_mode & 0o777 == int(entry.mode, 8):
        try:
            os.link(found.file, to)
        except OSError:
            pass
        else:
            return entry
    shutil.copyfile(found.file, to, follow_symlinks=False)
    to.chmod(int(entry.mode, 8))
    return entry


def _mode(found: _Found) -> str:
    return "555" if found.info.st_mode & 0o111 else "444"


def _check_link(path: str, target: str) -> None:
    """Refuse a link that leads out of the artifact, but for a virtual environment's interpreter."""
    if re.fullmatch(r"\.venv/bin/python[0-9.]*", path) and target.startswith("/"):
        return
    inside = os.path.normpath(os.path.join(os.path.dirname(path), target))  # noqa: PTH118, PTH120 — text, not the disk
    if target.startswith("/") or inside == ".." or inside.startswith("../"):
        raise Refused(
            error(
                f"{path} is a link to {target}, which lies outside of the application",
                remedy="Copy the file instead of linking it.",
            )
        )


def _manifest(entries: Sequence[_Entry], facts: Facts) -> bytes:
    header = {
        key: value for key, value in _fields(facts).items() if key != "built_with" and (value or key != "directory")
    }
    lines = [json.dumps(header, sort_keys=True), *map(str, entries)]
    return ("\n".join(lines) + "\n").encode()


def _fields(facts: Facts) -> dict[str, Any]:
    return {
        "language": facts.language,
        "processes": {name: list(command) for name, command in facts.processes.items()},
        "environment": dict(facts.environment),
        "mounts": list(facts.mounts),
        "built_with": facts.built_with,
        "directory": facts.directory,
    }


def _seal(files: Path) -> None:
    files.mkdir(exist_ok=True)
    for folder, _, _ in os.walk(files):
        Path(folder).chmod(0o555)


def _write_durably(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _too_large(size: int) -> Refused:
    return Refused(
        error(
            f"The build made {megabytes(size)}, more than the {megabytes(LARGEST)} that an artifact may have",
            remedy="Keep data out of the repository and leave away dependencies that are not needed to run.",
        )
    )
