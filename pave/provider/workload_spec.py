"""What a workload is asked to be: read from a Terraform configuration, with a digest that is its revision.

Variables hold secrets, so nothing here shows them. What this machine cannot do (a prebuilt image, a volume
of another stack, a mount over the system) is refused before anything starts.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pave.model.diagnostics import Refused, error
from pave.model.names import Address

_QUANTITY = re.compile(r"^(\d+(?:\.\d+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?$")
_FACTORS: dict[str, float] = {"": 1, "m": 0.001, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12} | {
    f"{letter}i": 1024**power for power, letter in enumerate("KMGT", 1)
}
_SECRET_NAME = re.compile(r"PASS|SECRET|TOKEN|KEY|CREDENTIAL|DSN|PRIVATE|AUTH", re.IGNORECASE)
_IN_URL = re.compile(r"://[^\s:/@]*:([^\s/@]+)@")
_SHORTEST_SECRET = 6
_UNNOTICED = ("owner", "host", "weight", "asleep")
_PLACE = re.compile(r"^/[^\0]*$")


@dataclass(frozen=True)
class FileSpec:
    """A file put into a container; content (text), binary (base64) or source (a path in the artifact)."""

    target: str
    content: str = field(default="", repr=False)
    binary: str = field(default="", repr=False)
    source: str = ""
    mode: str = ""


@dataclass(frozen=True)
class VolumeSpec:
    """A volume of the same stack (`source` is its address) mounted at `target`; `path` is a folder in it."""

    target: str
    source: str
    path: str = ""
    read_only: bool = False


@dataclass(frozen=True)
class ContainerSpec:
    """One container. An empty `command` means the artifact's own process. `memory_bytes` 0: no limit asked for."""

    name: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    files: tuple[FileSpec, ...] = ()
    volumes: tuple[VolumeSpec, ...] = ()
    memory_bytes: int = 0
    ready_path: str = ""
    ready_command: tuple[str, ...] = ()


@dataclass(frozen=True)
class PortSpec:
    """A service port, as it is named, connected to and listened on."""

    name: str
    port: int
    target_port: int


@dataclass(frozen=True)
class WorkloadSpec:
    """A whole workload. `artifact` is a digest; `host` where it answers (empty: nowhere).

    `weight` is the share of the requests, in percent, that it gets while another version is there; one that is
    `asleep` runs nothing.
    """

    address: Address
    artifact: str
    containers: tuple[ContainerSpec, ...]
    owner: str = ""
    host: str = ""
    ports: tuple[PortSpec, ...] = ()
    scale: int = 1
    weight: int = 100
    asleep: bool = False

    @property
    def revision(self) -> str:
        """12 hexadecimal digits over everything that a process could notice; a new one means new processes."""
        noticed = {key: value for key, value in asdict(self).items() if key not in _UNNOTICED}
        return hashlib.sha256(json.dumps(noticed, sort_keys=True, default=str).encode()).hexdigest()[:12]

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that no log may show: variables called like one, and passwords within URLs."""
        found = set()
        for container in self.containers:
            for name, value in container.variables.items():
                found |= set(_IN_URL.findall(value))
                if _SECRET_NAME.search(name):
                    found.add(value)
        return tuple(sorted((one for one in found if len(one) >= _SHORTEST_SECRET), key=len, reverse=True))

    def as_data(self) -> bytes:
        """The attributes that `read` makes the same of, as JSON; with its secrets."""
        containers = [
            {
                **{key: value for key, value in asdict(one).items() if not key.startswith(("ready_", "memory_"))},
                "memory": str(one.memory_bytes or ""),
                "readiness": {"path": one.ready_path, "command": list(one.ready_command)},
            }
            for one in self.containers
        ]
        data = {**asdict(self), "address": str(self.address), "containers": containers}
        return json.dumps(data, default=str).encode()

    @classmethod
    def read(cls, config: Mapping[str, Any]) -> WorkloadSpec:
        """From `pave_workload`'s attributes; `containers` and `ports` are JSON texts or lists. Raises `Refused`."""
        address = Address.parse(str(config["address"]))
        containers = tuple(_container(one, address) for one in _list(config, "containers"))
        if not containers:
            raise Refused(error(f"{address} has no container", address=str(address), path="containers"))
        scale = int(1 if config.get("scale") is None else config["scale"])
        if not 0 <= scale <= 50:
            raise Refused(
                error(f"{address} cannot run {scale} times; 0 to 50 it can", address=str(address), path="scale")
            )
        weight = int(100 if config.get("weight") is None else config["weight"])
        if not 0 <= weight <= 100:
            raise Refused(error(f"{weight} is no share: 0 to 100 percent", address=str(address), path="weight"))
        return cls(
            address=address,
            artifact=str(config.get("artifact") or ""),
            containers=containers,
            owner=str(config.get("owner") or ""),
            host=str(config.get("host") or ""),
            ports=tuple(_port(one) for one in _list(config, "ports")),
            scale=scale,
            weight=weight,
            asleep=bool(config.get("asleep")),
        )


def quantity(text: str) -> float:
    """A Kubernetes quantity such as `512Mi` or `500m` as a number; an empty text is 0. Raises `Refused`."""
    match = _QUANTITY.match(text or "0")
    if match is None:
        raise Refused(error(f"{text!r} is not an amount", remedy="Write it like 512Mi, 1.5G or 500m."))
    return float(match[1]) * _FACTORS[match[2] or ""]


def _list(config: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = config.get(name) or []
    return list(json.loads(value) if isinstance(value, str) else value)


def _port(one: Mapping[str, Any]) -> PortSpec:
    port = int(one["port"])
    return PortSpec(str(one.get("name") or port), port, int(one.get("target_port") or port))


def _container(one: Mapping[str, Any], address: Address) -> ContainerSpec:
    name = str(one.get("name") or "main")
    if one.get("image"):
        raise Refused(
            error(
                f"{address} wants the image {one['image']}, and this environment runs what was built from source",
                remedy='Set the image of the container to ".", or bind the type workload to a module that runs images.',
                address=str(address),
                path=f"containers.{name}.image",
            )
        )
    ready = one.get("readiness") or {}
    container = ContainerSpec(
        name=name,
        command=tuple(map(str, one.get("command") or ())),
        args=tuple(map(str, one.get("args") or ())),
        variables={str(key): str(value) for key, value in (one.get("variables") or {}).items()},
        files=tuple(_file(file) for file in one.get("files") or ()),
        volumes=tuple(_volume(volume, address) for volume in one.get("volumes") or ()),
        memory_bytes=int(quantity(str(one.get("memory") or ""))),
        ready_path=str(ready.get("path") or ""),
        ready_command=tuple(map(str, ready.get("command") or ())),
    )
    for target in [*(file.target for file in container.files), *(volume.target for volume in container.volumes)]:
        if not _PLACE.match(target) or ".." in target.split("/"):
            raise Refused(
                error(
                    f"{target!r} is not a place in a container", remedy="Give an absolute path.", address=str(address)
                )
            )
    return container


def _file(file: Mapping[str, Any]) -> FileSpec:
    return FileSpec(*(str(file.get(key) or "") for key in ("target", "content", "binary", "source", "mode")))


def _volume(volume: Mapping[str, Any], address: Address) -> VolumeSpec:
    source, path = str(volume.get("source") or ""), str(volume.get("path") or "")
    if not source.startswith(f"{address.stack}/") or ".." in path.split("/"):
        raise Refused(
            error(
                f"{address} cannot mount {source}{f'/{path}' if path else ''}",
                detail="A volume is a resource of the same stack.",
                remedy="Write source: ${resources.NAME.source} with a resource of type volume.",
                address=str(address),
            )
        )
    return VolumeSpec(str(volume["target"]), source, path.strip("/"), bool(volume.get("read_only")))
