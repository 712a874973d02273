"""Dockerfiles: the machine's container engine builds the image, and its root file system becomes the artifact.

The engine (docker, or podman, which understands the same commands) runs the Dockerfile's steps in containers of its
own, within limits, with its own network and without anything of Pave's. What comes out is unpacked in the sandbox,
because an image is a stranger's, and runs there like everything else: without root, its root read-only. Layers that
did not change are the engine's to keep; images that a newer one has replaced are removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pave.adapters.build.artifacts import LARGEST, Facts, Part
from pave.adapters.build.kitchen import LARGEST_FILE, MEMORY, PROCESSES, Watch
from pave.adapters.build.scratch import full, megabytes
from pave.adapters.sandbox import Confinement, Mount, Sandbox
from pave.adapters.subprocesses import Command, Result, find, run
from pave.apply.retry import Cancelled
from pave.model.diagnostics import Refused, error
from pave.ports import Report

DOCKERFILE = "Dockerfile"
_LABEL = "dev.pave.data"
_PROCESS = "dev.pave.process"
_KNOWN = ("docker", "podman")
_PASSED_ON = ("HOME", "PATH", "XDG_RUNTIME_DIR", "CONTAINER_HOST")
_ASK_SECONDS = 60.0
_TAIL = 15
_UNPACK = (
    "tar --extract --file /image.tar --directory /image --no-same-owner --no-same-permissions "
    "--delay-directory-restore --anchored --exclude='dev/*' && chmod --recursive u+rwX /image"
)


@dataclass(frozen=True)
class Engine:
    """A container engine that answers. `name` says which, with its version; `data` tells one Pave from another."""

    program: str
    name: str
    environment: Mapping[str, str] = field(repr=False)
    data: str
    network: str = ""

    @classmethod
    def found(cls, wanted: str, network: str, environ: Mapping[str, str], data: Path) -> Engine | str:
        """The engine `wanted` (empty: docker, then podman; `none`: none), or why there is none."""
        if wanted == "none":
            return "the setting container_engine is none"
        environment = {key: it for key, it in environ.items() if key in _PASSED_ON or key.startswith("DOCKER_")}
        label = hashlib.sha256(os.fsencode(data)).hexdigest()[:12]
        why = f"{wanted} is not installed" if wanted else "no container engine is installed"
        for program in [wanted] if wanted else _KNOWN:
            path = find(program, environment)
            if not path:
                continue
            asked = (path, "version", "--format", "{{if .Server}}{{.Server.Version}}{{end}}")
            answer = run(Command(asked, environment=environment, seconds=_ASK_SECONDS, apart=True))
            version = answer.text.strip()
            if answer.ok and re.fullmatch(r"\d[\w.+~-]*", version):
                return cls(path, f"{Path(path).name} {version}", environment, label, network)
            said = (answer.errors.decode(errors="replace").strip() or answer.text.strip() or "no answer").splitlines()
            why = f"{path} is not running: {said[-1][:200]}"
        return why

    def build(self, source: Path, name: str, report: Report, watch: Watch) -> str:
        """Build the Dockerfile of `source`; the image's id. Raises `Refused`, `Cancelled`."""
        self._sweep()
        tag = f"pave-{self.data}/{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-') or 'app'}"
        limits = ("--memory", str(MEMORY), "--ulimit", f"nproc={PROCESSES}", "--ulimit", f"fsize={LARGEST_FILE}")
        network = ("--network", self.network) if self.network else ()
        labels = ("--label", f"{_LABEL}={self.data}")
        result = self._run(
            ("build", *limits, *network, *labels, "--force-rm", "--tag", tag, "--file", DOCKERFILE, "."),
            source,
            lambda line: report(f"  {line}"),
            watch,
        )
        if not result.ok:
            raise _failed(result)
        found = self._run(("image", "inspect", "--format", "{{.Id}}", tag), source)
        return found.text.strip()

    def inspect(self, image: str) -> dict[str, Any]:
        """What the engine knows about an image. Raises `Refused`."""
        result = self._run(("image", "inspect", image))
        if not result.ok:
            raise _failed(result)
        found: dict[str, Any] = json.loads(result.output)[0]
        return found

    def export(self, image: str, file: Path, watch: Watch) -> None:
        """Write the root file system of an image to `file`, a tar archive. Raises `Refused`, `Cancelled`."""
        with self._container(image) as container:
            result = self._run(("export", "--output", str(file), container), watch=watch)
        if not result.ok:
            raise _failed(result)

    def tidy(self) -> None:
        """Remove the images that newer ones have replaced."""
        self._run(("image", "prune", "--force", "--filter", f"label={_LABEL}={self.data}"))

    @contextmanager
    def _container(self, image: str) -> Iterator[str]:
        """A container that is never started, gone afterwards."""
        name = f"pave-{uuid.uuid4().hex[:12]}"
        labels = ("--label", f"{_LABEL}={self.data}", "--label", f"{_PROCESS}={os.getpid()}")
        result = self._run(("create", "--name", name, *labels, image, "nothing"))
        if not result.ok:
            raise _failed(result)
        try:
            yield name
        finally:
            self._run(("rm", "--force", name))

    def _sweep(self) -> None:
        """Remove what a build that was killed has left."""
        listed = ("ps", "--all", "--filter", f"label={_LABEL}={self.data}", "--format")
        result = self._run((*listed, f'{{{{.ID}}}} {{{{.Label "{_PROCESS}"}}}}'))
        for line in result.text.splitlines() if result.ok else ():
            name, _, process = line.partition(" ")
            if process.isdigit() and not Path("/proc", process).exists():
                self._run(("rm", "--force", name))

    def _run(
        self,
        argv: Sequence[str],
        directory: Path = Path("/"),
        report: Callable[[str], None] | None = None,
        watch: Watch | None = None,
    ) -> Result:
        seconds = watch.left() if watch else _ASK_SECONDS
        result = run(Command((self.program, *argv), directory, self.environment, seconds=seconds), report, watch)
        if watch is not None:
            watch.refuse_if_full()
        if result.cancelled:
            raise _stopped()
        if result.timed_out:
            raise Refused(
                error(
                    f"The build of the {DOCKERFILE} took more than {watch.seconds if watch else seconds:.0f} s "
                    "and was stopped",
                    remedy="Make it smaller: a base image with more in it, steps in an order that the cache can keep.",
                )
            )
        return result


@dataclass(frozen=True)
class Bakery:
    """Turns the Dockerfile of a repository into what an artifact is made from."""

    engine: Engine
    sandbox: Sandbox
    report: Report
    watch: Watch

    def bake(self, source: Path, name: str, work: Path) -> tuple[Part, Facts]:
        """Build the Dockerfile of `source` and unpack the image below `work`. Raises `Refused`, `Cancelled`."""
        self.report(f"Building the {DOCKERFILE} with {self.engine.name}")
        image = self.engine.build(source, name, self.report, self.watch)
        told = self.engine.inspect(image)
        _refuse_large(int(told.get("Size") or 0), work)
        archive, root = work / "image.tar", work / "image"
        self.engine.export(image, archive, self.watch)
        self.engine.tidy()
        root.mkdir()
        for one in (archive, root):
            self.sandbox.give(one)
        self._unpack(archive, root)
        archive.unlink()
        return Part(root, links="any"), _facts(told.get("Config") or {}, self.engine, self.report)

    def _unpack(self, archive: Path, root: Path) -> None:
        unpacking = Confinement(
            ("/bin/sh", "-c", _UNPACK),
            directory="/",
            read=(Mount(archive, "/image.tar"),),
            write=(Mount(root, "/image"),),
            seconds=self.watch.left(),
        )
        result = self.sandbox.execute(unpacking, cancel=self.watch)
        self.watch.refuse_if_full()
        if result.cancelled:
            raise _stopped()
        if not result.ok:
            detail = result.text[-1000:]
            raise Refused(error("The image cannot be unpacked", detail=detail, remedy="Correct the image."))


def _refuse_large(size: int, work: Path) -> None:
    if size > LARGEST:
        raise Refused(
            error(
                f"The image has {megabytes(size)}, more than the {megabytes(LARGEST)} that an artifact may have",
                remedy="Begin with a smaller base image, and copy only what runs into the last stage.",
            )
        )
    if 2 * size > shutil.disk_usage(work).free:
        raise full(work, 2 * size)


def _facts(config: Mapping[str, Any], engine: Engine, report: Report) -> Facts:
    """What the image says about itself. Source of the fields: the OCI image configuration, `config`."""
    entrypoint, command = list(config.get("Entrypoint") or ()), list(config.get("Cmd") or ())
    variables = dict(one.partition("=")[::2] for one in config.get("Env") or ())
    ports = sorted(config.get("ExposedPorts") or ())
    if ports:
        report(f"The image says that it listens on {', '.join(ports)}; here it is to listen on $PORT")
    if (config.get("User") or "0").split(":")[0] in ("0", "root"):
        report("The image says that it runs as root; here nothing does")
    return Facts(
        language="image",
        processes={"web": [*entrypoint, *command], "entrypoint": entrypoint} if entrypoint or command else {},
        environment=variables,
        built_with=f"{engine.name}, {DOCKERFILE}",
        directory=str(config.get("WorkingDir") or "/"),
    )


def _stopped() -> Cancelled:
    return Cancelled(error(f"The build of the {DOCKERFILE} was stopped because somebody asked"))


def _failed(result: Result) -> Refused:
    text = result.text.strip()
    hints = (
        (r"pull access denied|manifest (for .* not found|unknown)|no such host|i/o timeout|dial tcp",
         "Check the name of the base image, and that this machine's engine can pull it."),
        (r"no space left on device", "Free some space, then deploy again."),
        (r"COPY failed|failed to compute cache key|no such file or directory",
         "Check that the file is in the repository and not in .dockerignore."),
    )  # fmt: skip
    remedy = next((hint for pattern, hint in hints if re.search(pattern, text)), "Correct the Dockerfile, push again.")
    said = [line for line in text.splitlines() if line.strip()]
    return Refused(error("The Dockerfile cannot be built", detail="\n".join(said[-_TAIL:]), remedy=remedy))
