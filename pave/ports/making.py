"""Making things: artifacts from commits, repositories from templates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from pave.model.template import Template
from pave.model.tree import Tree
from pave.model.workload import Workload
from pave.ports.effects import Cancel, Report


@dataclass(frozen=True)
class Artifact:
    """An immutable build result. `digest` is `sha256:…` over its files, processes and environment.

    `processes` maps a process to its command; `environment` is what every process gets; `mounts` are folders
    of this machine that they need read-only at the same place (an interpreter that is not below `/usr`).
    It is mounted at `/app`; one with a `directory` is a whole root file system, in which they start there.
    """

    digest: str
    size: int
    language: str
    processes: Mapping[str, Sequence[str]]
    environment: Mapping[str, str] = field(default_factory=dict)
    built_with: str = ""
    mounts: Sequence[str] = ()
    directory: str = ""


class Builder(Protocol):
    """Turns a commit's files into an artifact, in the sandbox."""

    def build(self, source: Path, workload: Workload, report: Report, cancel: Cancel) -> Artifact:
        """Build `source` (a private checkout, may be changed) and store the result. Raises `Refused`."""

    def find(self, digest: str) -> Artifact | None:
        """A stored artifact."""

    def path(self, digest: str) -> Path:
        """Where its files lie, read-only. Raises `Refused` where it is not stored."""

    def remove(self, digest: str) -> None:
        """Ensure that it is not stored."""


@dataclass(frozen=True)
class Rendered:
    """What a template made: the files of the new repository, entities to register, links to show."""

    files: Mapping[str, bytes]
    repository: str = ""
    entities: Sequence[Mapping[str, Any]] = ()
    links: Sequence[Mapping[str, str]] = ()
    log: Sequence[str] = ()


class Scaffolder(Protocol):
    """Renders templates in the sandbox."""

    def render(self, template: Template, files: Tree, values: Mapping[str, Any], user: Mapping[str, Any]) -> Rendered:
        """Run the template's steps; publishing is left to the engine. Raises `Refused`."""
