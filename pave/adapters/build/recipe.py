"""Build recipes as data: what is run to turn a repository into an artifact, and what the artifact says then.

A recipe decides and runs nothing; `builder` carries it out in the sandbox. Inside, the application lies at
`/app` while it is built and while it runs, so nothing in it has to be moved.
"""

from __future__ import annotations

import codecs
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pave.model.diagnostics import Findings, Refused, Source, error
from pave.model.procfile import read_procfile

APP = "/app"
TOOLS = "/opt/pave/bin"
CACHE = "/var/cache/build"
_LARGEST_TEXT = 5_000_000


@dataclass(frozen=True)
class Step:
    """One command in `/app`. `registries` names whose variables it gets (uv, npm), with the network.

    `shared_cache` is only for a step in which nothing but the tool itself runs. A step whose `unless_it_fails`
    is set may fail: the text goes to the log and the build goes on. One with `when`, a file and a text, is left
    out where the file does not contain the text.
    """

    name: str
    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    registries: str = ""
    shared_cache: bool = False
    unless_it_fails: str = ""
    when: tuple[str, str] = ("", "")
    directory: str = APP


@dataclass(frozen=True)
class Layer:
    """Installed dependencies, kept and shared by every build with the same `key`.

    Made from `files` alone, so that it depends on nothing else. `steps` run only the tool; where they fail with
    a line that `fall_back_on` matches, `fallback` is run instead, which may run what dependencies bring, so without
    the shared cache; `last` always follows. A `daily` one does not say exact versions, so it is made anew each day.
    """

    folder: str
    key: str
    files: Mapping[str, bytes]
    steps: tuple[Step, ...]
    fallback: tuple[Step, ...] = ()
    fall_back_on: str = ""
    last: tuple[Step, ...] = ()
    daily: bool = False


@dataclass(frozen=True)
class Recipe:
    """How one repository is built. With `writes_layer` the steps get a copy of the layer that they may change."""

    language: str
    processes: Mapping[str, tuple[str, ...]]
    environment: Mapping[str, str]
    layer: Layer | None = None
    writes_layer: bool = False
    steps: tuple[Step, ...] = ()
    add: Mapping[str, bytes] = field(default_factory=dict)
    mounts: tuple[str, ...] = ()
    built_with: str = ""
    notes: tuple[str, ...] = ()


class Files:
    """The repository's own files, read without following links."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, name: str) -> bool:
        """Whether there is such a regular file."""
        path = self.folder / name
        return ".." not in path.parts and path.is_file() and not path.is_symlink()

    def raw(self, name: str) -> bytes:
        """A file's bytes; empty where there is none. Raises `Refused` for one of more than 5 MB."""
        if ".." in Path(name).parts:
            return b""
        try:
            with os.fdopen(os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                content = file.read(_LARGEST_TEXT + 1)
        except OSError:
            return b""
        if len(content) > _LARGEST_TEXT:
            raise Refused(error(f"{name} is larger than 5 MB", source=Source(name)))
        return content

    def text(self, name: str) -> str:
        """A file's text, whatever Windows did to its encoding; empty where there is none."""
        content = self.raw(name)
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        return content.decode("utf-16" if wide else "utf-8-sig", errors="replace").replace("\r\n", "\n")

    def texts(self, *names: str) -> dict[str, str]:
        """Those that are there."""
        return {name: self.text(name) for name in names if self.has(name)}


@dataclass(frozen=True)
class Development:
    """What tests of a repository are run with. `layer` lies at `/app/<folder>`; `tools` are (here, inside)."""

    language: str
    environment: Mapping[str, str]
    folder: str = ""
    layer: Path | None = None
    mounts: Sequence[str] = ()
    tools: Sequence[tuple[str, str]] = ()

    def as_data(self) -> dict[str, object]:
        """JSON form."""
        return {
            **vars(self),
            "layer": str(self.layer) if self.layer else "",
            "tools": [list(one) for one in self.tools],
        }


def procfile(files: Files) -> dict[str, tuple[str, ...]]:
    """The processes of a Procfile, each through the shell, as Heroku runs them."""
    processes = read_procfile(files.text("Procfile").encode(), "Procfile", Findings())
    return {name: shell(command) for name, command in processes.items()}


def shell(command: str) -> tuple[str, ...]:
    """A shell command that is one process where it can be, so that a signal reaches the program itself."""
    simple = not re.search(r"[;&|<>`\n]|\$\(", command) and not re.match(r"\w+=|(cd|export|exec|set|\.)\s", command)
    return ("/bin/sh", "-c", f"exec {command}" if simple else command)


def path_variable(*folders: str | Path) -> str:
    """PATH inside, with these in front."""
    own: Sequence[str] = [str(one) for one in folders]
    return ":".join(dict.fromkeys([*own, "/usr/local/bin", "/usr/bin", "/bin"]))
