"""Reads Score (`score.dev/v1b1`) into a `Workload`: all of it, nothing invented, nothing dropped.

The list forms of `files` and `volumes` are deprecated and accepted with a warning. Unknown keys are refused, as
Score itself does. Source of the fields: score-spec/spec, score-v1b1.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pave.model import schema
from pave.model.diagnostics import Findings, warning
from pave.model.document import Document, Path, read_document, show
from pave.model.placeholder import foreign
from pave.model.workload import Container, File, Need, Port, Probe, Volume, Workload


def read_workload(data: bytes, file: str, findings: Findings | None = None) -> Workload:
    """The workload that a Score file describes; warnings go to `findings`. Raises `Refused` with all that is wrong."""
    findings = Findings() if findings is None else findings
    document = read_document(data, file)
    own = Findings()
    schema.check(document, "score", own)
    own.refuse_if_any()
    findings.extend(_warnings(document))
    return workload_from(document.data)


def workload_from(data: Mapping[str, Any]) -> Workload:
    """The workload in `data`, which is known to follow the schema."""
    return Workload(
        name=data["metadata"]["name"],
        containers=tuple(_container(name, one) for name, one in data["containers"].items()),
        ports=tuple(
            Port(name, one["port"], one.get("protocol", "TCP"), one.get("targetPort"))
            for name, one in data.get("service", {}).get("ports", {}).items()
        ),
        resources={name: _need(name, one) for name, one in data.get("resources", {}).items()},
        annotations=data["metadata"].get("annotations", {}),
        metadata=data["metadata"],
    )


def _container(name: str, data: Mapping[str, Any]) -> Container:
    amounts = data.get("resources", {})
    return Container(
        name=name,
        image=data["image"],
        command=tuple(data.get("command", ())),
        args=tuple(data.get("args", ())),
        variables=data.get("variables", {}),
        files=tuple(_file(target, one) for target, one in _by_target(data.get("files", {}))),
        volumes=tuple(
            Volume(target, one["source"], one.get("path", ""), one.get("readOnly", False))
            for target, one in _by_target(data.get("volumes", {}))
        ),
        limits=amounts.get("limits", {}),
        requests=amounts.get("requests", {}),
        liveness=_probe(data.get("livenessProbe")),
        readiness=_probe(data.get("readinessProbe")),
        before={other: one["ready"] for other, one in data.get("before", {}).items()},
    )


def _by_target(items: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if isinstance(items, list):
        yield from ((one["target"], one) for one in items)
    else:
        yield from items.items()


def _file(target: str, data: Mapping[str, Any]) -> File:
    return File(
        target=target,
        content=data.get("content"),
        binary=data.get("binaryContent"),
        source=data.get("source"),
        mode=data.get("mode", ""),
        expand=not data.get("noExpand", False),
    )


def _probe(data: Mapping[str, Any] | None) -> Probe | None:
    if data is None:
        return None
    if "exec" in data:
        return Probe(command=tuple(data["exec"]["command"]))
    get = data["httpGet"]
    headers = tuple((one["name"], one["value"]) for one in get.get("httpHeaders", ()))
    return Probe(get["path"], get["port"], get.get("scheme", "HTTP"), get.get("host", ""), headers)


def _need(name: str, data: Mapping[str, Any]) -> Need:
    return Need(
        name=name,
        type=data["type"],
        klass=data.get("class", "default"),
        id=data.get("id", ""),
        params=data.get("params", {}),
        annotations=data.get("metadata", {}).get("annotations", {}),
    )


def _warnings(document: Document) -> Iterator[Any]:
    for name, container in document.data["containers"].items():
        for key in ("files", "volumes"):
            if isinstance(container.get(key), list):
                path: Path = ("containers", name, key)
                yield warning(
                    f"the list form of {key} is deprecated in Score",
                    remedy=f"Write {key} as a mapping from target to the rest.",
                    source=document.source(path),
                    path=show(path),
                )
    for path, text in _texts(document.data, ()):
        for found in foreign(text):
            yield warning(
                f"{found} is no Score placeholder, so it stays as it is written",
                remedy="Score knows ${metadata.NAME} and ${resources.NAME.OUTPUT}; write $${…} for the text itself.",
                source=document.source(path),
                path=show(path),
            )


def _texts(data: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text in which Score substitutes placeholders: variables, files, volume sources and params."""
    for name, container in data["containers"].items():
        base: Path = (*path, "containers", name)
        for key in ("variables", "files", "volumes"):
            if not isinstance(container.get(key), list):
                yield from _strings(container.get(key, {}), (*base, key))
                continue
            for index, one in enumerate(container[key]):
                yield from _strings(one, (*base, key, index))
    for name, need in data.get("resources", {}).items():
        yield from _strings(need.get("params", {}), (*path, "resources", name, "params"))


def _strings(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping) and value.get("noExpand") is not True:
        for key, one in value.items():
            yield from _strings(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _strings(one, (*path, index))
