"""A workload: what a component needs to run, read from Score (`score.dev/v1b1`).

Score is taken whole. Where it is silent (a scheduled job, replicas) nothing is invented here: the
environment and the deployment say it. Source: score-spec/spec, score-v1b1.json.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SOURCE_IMAGE = "."
"""The image of a container that is built from the component's own repository."""


@dataclass(frozen=True)
class Port:
    """A service port: what others connect to, and what the container listens on."""

    name: str
    port: int
    protocol: str = "TCP"
    target_port: int | None = None


@dataclass(frozen=True)
class Probe:
    """A health check: an HTTP GET (`path`, `port`) or a command; exactly one of the two is set."""

    path: str = ""
    port: int = 0
    scheme: str = "HTTP"
    host: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class File:
    """A file put into a container; one of content (text), binary (base64 text) or source (path) is set."""

    target: str
    content: str | None = None
    binary: str | None = None
    source: str | None = None
    mode: str = ""
    expand: bool = True


@dataclass(frozen=True)
class Volume:
    """A volume mounted into a container; `source` is usually a `${resources.NAME.source}`."""

    target: str
    source: str
    path: str = ""
    read_only: bool = False


@dataclass(frozen=True)
class Container:
    """One container. `limits` and `requests` map `cpu` and `memory` to Kubernetes quantities."""

    name: str
    image: str
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    volumes: tuple[Volume, ...] = ()
    limits: Mapping[str, str] = field(default_factory=dict)
    requests: Mapping[str, str] = field(default_factory=dict)
    liveness: Probe | None = None
    readiness: Probe | None = None
    before: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Need:
    """A resource that a workload asks for by type; the environment decides which module serves it."""

    name: str
    type: str
    klass: str = "default"
    id: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Workload:
    """One Score file."""

    name: str
    containers: tuple[Container, ...]
    ports: tuple[Port, ...] = ()
    resources: Mapping[str, Need] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Any] = field(default_factory=dict)
