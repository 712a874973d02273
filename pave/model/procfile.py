"""Turns a program without a Score file into a workload: its processes become containers, its needs are detected.

Only what is plain is decided: which variables the files name, and which process is called `web`. Everything that
was decided is said, with the file that it was read from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pave.model.conventions import NAMES, SIGNS, variables_for
from pave.model.diagnostics import Findings, Source, warning
from pave.model.names import check_name, suggest_name
from pave.model.tree import Tree
from pave.model.workload import SOURCE_IMAGE, Container, Need, Port, Probe, Workload

RELEASE, WEB = "release", "web"
PORT = Port("web", 80)
MAX_FILES = 400
MAX_FILE_BYTES = 200_000

_LINE = re.compile(r"([A-Za-z0-9_-]+):\s*(\S.*?)\s*")
_READ = re.compile(r"(?:\.(?:py|js|mjs|cjs|ts|mts|tsx|jsx|json|toml|ini|cfg|ya?ml|sh|rb|go)|/\.env[.\w-]*|/Procfile)$")
_LEFT_OUT = re.compile(
    r"(?:^|/)(?:node_modules|vendor|dist|build|\.venv|venv|\.git|\.github|docs?|tests?|__tests__)/|(?:-lock|\.min)\.\w+$"
)
_HEALTH = re.compile(r"""["'`](/(?:healthz|health|readyz|ready|livez|_health|health_check|healthcheck)/?)["'`]""")


@dataclass(frozen=True)
class Detected:
    """What the files of a program say: resource type → the sign and the file; a health path or `/`."""

    resources: Mapping[str, tuple[str, str]]
    health: str


def read_procfile(data: bytes, file: str, findings: Findings) -> dict[str, str]:
    """Process → command, in the order of the file. A line that is none is warned of."""
    processes: dict[str, str] = {}
    for number, line in enumerate(data.decode(errors="replace").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            findings.add(
                warning(
                    f"{line.strip()[:60]!r} names no process",
                    remedy="Write it as `web: command`.",
                    source=Source(file, number),
                )
            )
        else:
            processes[match[1]] = match[2]
    return processes


def detect(tree: Tree) -> Detected:
    """What the small text files of a repository say, the first sign of each resource first found."""
    resources: dict[str, tuple[str, str]] = {}
    health = ""
    for path, text in _texts(tree):
        for type_, signs in SIGNS.items():
            sign = next((one for one in signs if re.search(rf"\b{one}\b", text)), None)
            if sign and type_ not in resources:
                resources[type_] = (sign, path)
        if not health and (match := _HEALTH.search(text)):
            health = match[1]
    return Detected(resources, health or "/")


def _texts(tree: Tree) -> Iterator[tuple[str, str]]:
    chosen = (path for path in tree.paths() if _READ.search(f"/{path}") and not _LEFT_OUT.search(path))
    for _, path in zip(range(MAX_FILES), chosen, strict=False):
        data = tree.read(path)
        if data is not None and len(data) <= MAX_FILE_BYTES:
            yield path, data.decode(errors="replace")


def as_workload(name: str, processes: Mapping[str, str], detected: Detected) -> Workload:
    """The workload of a program with these processes (an empty command is found by the build).

    `release` becomes no container: the artifact keeps it, and it is run before the others start.
    """
    needs = {NAMES[type_]: Need(NAMES[type_], type_) for type_ in detected.resources}
    variables = {key: text for need in needs.values() for key, text in variables_for(need.type, need.name).items()}
    return Workload(
        name=suggest_name(name),
        containers=tuple(
            _container(process, command, variables, detected.health)
            for process, command in processes.items()
            if process != RELEASE
        ),
        ports=(PORT,) if WEB in processes else (),
        resources=needs,
        metadata={"name": suggest_name(name)},
    )


def _container(process: str, command: str, variables: Mapping[str, str], health: str) -> Container:
    name = suggest_name(process)
    return Container(
        name=check_name(name, "a container"),
        image=SOURCE_IMAGE,
        # The artifact knows its processes by their own names; only one that had to be renamed brings its command.
        command=() if name == process else ("/bin/sh", "-c", command),
        variables=variables,
        readiness=Probe(path=health, port=PORT.port) if process == WEB else None,
    )
