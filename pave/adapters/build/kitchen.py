"""Where the steps of a build are run: each in a sandbox of its own, within the time and the room of one build.

A step without registries has no network, no credentials and no configuration of the machine.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pave.adapters.build.recipe import APP, CACHE, Files, Step
from pave.adapters.build.registries import Registries, masked
from pave.adapters.build.scratch import full, megabytes
from pave.adapters.sandbox import Confinement, Mount, Sandbox
from pave.apply.retry import Terminal
from pave.model.diagnostics import Refused, error
from pave.ports import Report

MEMORY = 4 * 1024**3
PROCESSES = 1024
LARGEST_FILE = 2 * 1024**3
SECONDS = 600.0
RESERVE = 500_000_000
"""Bytes that a build leaves free on the disk for everything else."""
_TAIL = 15
_ALREADY_SEEN = ("/usr", "/bin", "/lib", "/etc/ssl/certs")
_NPMRC = "/opt/pave/npmrc"


@dataclass(frozen=True)
class Kitchen:
    """Runs steps. `tools` are mounted for each; `work` is a private folder for what a step needs beside them."""

    sandbox: Sandbox
    tools: tuple[Mount, ...]
    registries: Registries
    report: Report
    watch: Watch
    work: Path

    def run_or_refuse(self, step: Step, app: Path, cache: Path, mounts: Sequence[Mount] = ()) -> None:
        """Run a step. Raises `Refused` with the end of what it said where it fails and must not."""
        said = self.run(step, app, cache, mounts)
        if said is None:
            return
        if not step.unless_it_fails:
            raise failed(step, said)
        self.report(f"warning: {step.unless_it_fails}")

    def run(self, step: Step, app: Path, cache: Path, mounts: Sequence[Mount] = ()) -> list[str] | None:
        """Run a step; None, or the last lines of one that failed."""
        file, text = step.when
        if file and text not in Files(app).text(file):
            return None
        self.report(f"$ {step.name}")
        said: list[str] = []
        secrets = sorted(self.registries.secrets, key=len, reverse=True)

        def hear(line: str) -> None:
            said.append(masked(line, secrets))
            del said[:-200]
            if line.strip():
                self.report(f"  {line}")

        confinement = Confinement(
            argv=step.argv,
            directory=step.directory,
            environment={**self._variables(step), **step.environment},
            read=(*self.tools, *mounts, *self._registry_mounts(step)),
            write=(Mount(app, APP), Mount(cache, CACHE)),
            network=bool(step.registries),
            memory_bytes=MEMORY,
            processes=PROCESSES,
            file_bytes=LARGEST_FILE,
            patient=True,
            seconds=self.watch.left(),
        )
        try:
            code = self.sandbox.run(confinement, hear, self.watch)
        except Terminal as problem:
            raise _too_slow(step, self.watch.seconds) from problem
        finally:
            self.watch.refuse_if_full()
        return said if code else None

    def _variables(self, step: Step) -> dict[str, str]:
        variables = {"UV_CACHE_DIR": CACHE, "npm_config_cache": CACHE}
        if step.registries == "uv":
            return variables | self.registries.uv
        if step.registries == "npm":
            return variables | self.registries.npm | {"npm_config_userconfig": _NPMRC}
        return variables | {"UV_NO_CONFIG": "1", "UV_OFFLINE": "1", "npm_config_userconfig": "/nonexistent/user"}

    def _registry_mounts(self, step: Step) -> tuple[Mount, ...]:
        if not step.registries:
            return ()
        mounts = [Mount(path, str(path)) for path in sorted(self.registries.read) if not _seen_anyway(path)]
        if step.registries == "npm":
            npmrc = self.work / "npmrc"
            npmrc.write_text(self.registries.npmrc)
            npmrc.chmod(0o600)
            self.sandbox.give(npmrc)
            mounts.append(Mount(npmrc, _NPMRC))
        return tuple(mounts)


@dataclass
class Watch:
    """The time and the disk of one build; called between lines, it says when to stop."""

    cancel: Callable[[], bool]
    work: Path
    seconds: float = SECONDS
    began: float = field(default_factory=time.monotonic)
    looked: float = 0.0
    is_full: bool = False

    def __call__(self) -> bool:
        """Whether to stop now."""
        if time.monotonic() - self.looked > 1.0:
            self.looked = time.monotonic()
            self.is_full = shutil.disk_usage(self.work).free < RESERVE
        return self.is_full or self.cancel()

    def left(self) -> float:
        """Seconds that remain, at least a moment."""
        return max(self.began + self.seconds - time.monotonic(), 1.0)

    def refuse_if_full(self) -> None:
        """Raise `Refused` where the disk was the reason to stop."""
        if self.is_full:
            raise full(self.work, RESERVE)


def failed(step: Step, said: Sequence[str]) -> Refused:
    """The refusal for a step that failed, with the end of what it said and the likely remedy."""
    text = "\n".join(said)
    hints = (
        (r"pg_config executable not found|pg_config is required", "Use psycopg2-binary, or psycopg[binary]."),
        (r"[Nn]o space left on device|ENOSPC", "Free some space, then deploy again."),
        (r"(dns|getaddrinfo|Connection refused|EAI_AGAIN|ENOTFOUND|timed? ?out)", "Check the package index settings."),
        (
            r"can only install packages when your package.json and package-lock.json",
            "Run `npm install`, commit the lock.",
        ),
        (r"JavaScript heap out of memory|MemoryError", f"A build has {megabytes(MEMORY)} of memory."),
    )
    remedy = next((hint for pattern, hint in hints if re.search(pattern, text)), "Correct it and push again.")
    return Refused(error(f"{step.name}: this step of the build failed", detail="\n".join(said[-_TAIL:]), remedy=remedy))


def _too_slow(step: Step, seconds: float) -> Refused:
    return Refused(
        error(
            f"{step.name}: the build took more than {seconds:.0f} s and was stopped",
            remedy="Make the build smaller, for example with dependencies that have wheels.",
        )
    )


def _seen_anyway(path: Path) -> bool:
    return any(path.is_relative_to(place) for place in _ALREADY_SEEN)
