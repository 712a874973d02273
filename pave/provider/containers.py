"""A container as a confined command: what it sees, what it is told, what it may use.

The artifact is at /app, or is all that it sees; home and /tmp are its own, PORT says where to listen. Files with
secrets in them lie in a folder that only Pave can enter and are mounted one by one.
"""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from pave.model.diagnostics import Refused, error
from pave.model.names import Address
from pave.ports import Artifact
from pave.ports.machine import Confinement, Mount
from pave.provider.inventory import write_private
from pave.provider.servers.ports import LOOPBACK
from pave.provider.workload_spec import ContainerSpec, FileSpec, WorkloadSpec

APP = "/app"
_PROCESSES = 512
_FILE_BYTES = 4 * 1024**3
_MEMORY_BYTES = 4 * 1024**3
_OVERHEAD_BYTES = 512 * 1024**2
_RELEASE_SECONDS = 300.0
_PROBE_SECONDS = 5.0


class Artifacts(Protocol):
    """Where build results lie."""

    def find(self, digest: str) -> Artifact | None:
        """A stored artifact."""

    def path(self, digest: str) -> Path:
        """Where its files lie."""


class Volumes(Protocol):
    """Where volumes lie."""

    def path(self, address: Address) -> Path | None:
        """The folder of a volume, or None."""


@dataclass(frozen=True)
class Image:
    """What the containers of one workload are made from."""

    artifact: Artifact
    files: Path

    @classmethod
    def of(cls, spec: WorkloadSpec, artifacts: Artifacts) -> Image:
        """The artifact of a workload. Raises `Refused` where it is not stored."""
        found = artifacts.find(spec.artifact) if spec.artifact else None
        if found is None:
            raise Refused(
                error(
                    f"{spec.address} has no artifact {spec.artifact or 'at all'} to run",
                    remedy="Deploy the commit again: it is built anew.",
                    address=str(spec.address),
                    path="artifact",
                )
            )
        return cls(found, artifacts.path(spec.artifact))

    def argv(self, spec: WorkloadSpec, container: ContainerSpec) -> tuple[str, ...]:
        """The container's command, or the artifact's process of that name, `web`, or its only one.

        Arguments alone follow an image's entrypoint, in place of its own arguments, as container engines have it.
        """
        if self.is_root and container.args and not container.command:
            return (*self.artifact.processes.get("entrypoint", ()), *container.args)
        processes = {name: argv for name, argv in self.artifact.processes.items() if name != "release"}
        only = next(iter(processes)) if len(processes) == 1 else ""
        name = next((one for one in (container.name, "web", only) if one in processes), "")
        command = container.command or tuple(processes.get(name, ()))
        if not command:
            raise Refused(
                error(
                    f"{spec.address} does not say what its container {container.name} runs",
                    detail=f"The build found these processes: {', '.join(processes) or 'none'}.",
                    remedy="Give the container a command in score.yaml, or add a Procfile with a web process.",
                    address=str(spec.address),
                    path=f"containers.{container.name}.command",
                )
            )
        return (*command, *container.args)

    @property
    def is_root(self) -> bool:
        """Whether it is a whole root file system and not an application at `/app`."""
        return bool(self.artifact.directory)

    @property
    def release(self) -> tuple[str, ...]:
        """What runs once before a new revision starts, or nothing."""
        return tuple(self.artifact.processes.get("release", ()))


@dataclass(frozen=True)
class Housing:
    """Makes the confinements of one revision. `folder` keeps its files and is only Pave's."""

    spec: WorkloadSpec
    image: Image
    volumes: Volumes
    folder: Path
    told: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What the platform tells every process; what the workload says itself goes before it."""

    def container(self, container: ContainerSpec, ports: Mapping[str, int]) -> Confinement:
        """A container of a replica that listens on `ports`, by name of the service port."""
        return self._confined(container, self.image.argv(self.spec, container), ports)

    def release(self) -> Confinement:
        """The artifact's release command, with everything that the first container has."""
        return self._confined(self.spec.containers[0], self.image.release, {}, _RELEASE_SECONDS)

    def command(self, text: str) -> Confinement:
        """A command of somebody's, through the shell, with everything that the first container has."""
        return self._confined(self.spec.containers[0], ("/bin/sh", "-c", text), {}, _RELEASE_SECONDS)

    def probe(self, container: ContainerSpec, ports: Mapping[str, int]) -> Confinement:
        """The container's readiness command, beside it."""
        return self._confined(container, container.ready_command, ports, _PROBE_SECONDS)

    def _confined(
        self, container: ContainerSpec, argv: Sequence[str], ports: Mapping[str, int], seconds: float = 0.0
    ) -> Confinement:
        read, write = self._mounts(container)
        asked = container.memory_bytes
        return Confinement(
            argv=tuple(argv),
            directory=self.image.artifact.directory or APP,
            root=self.image.files if self.image.is_root else None,
            environment=self._environment(container, ports),
            read=read,
            write=write,
            network=True,
            # Of private data, which is more than what is in memory at a time: this stops a runaway, not a spike.
            memory_bytes=2 * asked + _OVERHEAD_BYTES if asked else _MEMORY_BYTES,
            processes=_PROCESSES,
            file_bytes=_FILE_BYTES,
            seconds=seconds,
        )

    def _environment(self, container: ContainerSpec, ports: Mapping[str, int]) -> dict[str, str]:
        named = {f"PORT_{name.upper().replace('-', '_')}": str(port) for name, port in ports.items()}
        first = {"PORT": str(next(iter(ports.values()))), "HOST": LOOPBACK} if ports else {}
        return {**self.told, **self.image.artifact.environment, **container.variables, **named, **first}

    def _mounts(self, container: ContainerSpec) -> tuple[tuple[Mount, ...], tuple[Mount, ...]]:
        read = [] if self.image.is_root else [Mount(self.image.files, APP)]
        read += [Mount(Path(one), one) for one in self.image.artifact.mounts]
        read += [Mount(self._file(container, at, file), file.target) for at, file in enumerate(container.files)]
        write: list[Mount] = []
        for volume in container.volumes:
            folder = self.volumes.path(Address.parse(volume.source))
            if folder is None:
                raise Refused(
                    error(f"{volume.source} is not a volume", remedy="Add a resource of type volume.", path="volumes")
                )
            place = Mount(_within(folder, volume.path), volume.target)
            (read if volume.read_only else write).append(place)
        return tuple(read), tuple(write)

    def _file(self, container: ContainerSpec, at: int, file: FileSpec) -> Path:
        if file.source:
            return _within(self.image.files, file.source)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self.folder / f"{container.name}.{at}"
        content = b64decode(file.binary) if file.binary else file.content.encode()
        mode = int(file.mode, 8) & 0o777 if file.mode else 0o644
        write_private(path, content, mode | 0o444)  # by way of the folder it is Pave's alone; inside, the user reads it
        return path


def _within(root: Path, relative: str) -> Path:
    """A path below `root`, links followed; refused where it leads out or nowhere."""
    root = root.resolve()
    path = Path(os.path.realpath(root / relative.lstrip("/")))
    if not path.is_relative_to(root) or not path.exists():
        raise Refused(error(f"{relative} is not in there", remedy="Name a file or folder that the repository has."))
    return path
