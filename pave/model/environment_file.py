"""Reads and writes `environments/*.yaml`, and resolves what one environment inherits from another.

Inherited are bindings, the owner and what to do about drift; from an environment of the same kind also lifetime, sleep,
seed and budget, which is what previews get from their pattern. How versions arrive is each environment's own.
A cycle or a parent that is not there leaves the environment out and says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pave.model import own_format, windows
from pave.model.diagnostics import Diagnostic, Findings, Refused, error
from pave.model.document import show
from pave.model.environment import Binding, Deploy, Environment
from pave.model.names import Ref
from pave.model.own_format import Inline
from pave.model.schema import nearest

NOBODY = Ref("", "", "")
"""The owner of an environment that does not say one, until its parent does."""

_LIKE_ITS_PATTERN = ("lifetime", "sleep", "seed", "budget")


def read_environment(data: bytes, file: str) -> Environment:
    """One environment as written: `owner` may be `NOBODY` and `drift` empty until `inherit` fills them.

    Raises `Refused` with all that is wrong.
    """
    document = own_format.read(data, file, "Environment")
    metadata, spec = document.data["metadata"], document.data["spec"]
    deploy = spec.get("deploy", {})
    for number, window in enumerate(deploy.get("windows", ())):
        at = ("spec", "deploy", "windows", number)
        try:
            windows.check(window)
        except Refused as refused:
            raise own_format.place(refused, document.source(at), show(at)) from None
    return Environment(
        name=metadata["name"],
        kind=spec["kind"],
        owner=own_format.reference(document, ("spec", "owner"), "group") if "owner" in spec else NOBODY,
        title=metadata.get("title", ""),
        bindings=tuple(_binding(one) for one in spec.get("resources", ())),
        deploy=Deploy(
            source=deploy.get("from", ""),
            after=deploy.get("after", ""),
            strategy=deploy.get("strategy", "replace"),
            steps=tuple(sorted(deploy.get("steps", ()))),
            bake=deploy.get("bake", ""),
            provenance=deploy.get("provenance", ""),
            signature=deploy.get("signature", ""),
            windows=tuple(deploy.get("windows", ())),
            rollback_on=tuple(deploy.get("rollbackOn", ())),
            rollback_within=deploy.get("rollbackWithin", ""),
        ),
        drift=spec.get("drift", ""),
        inherits=spec.get("inherits", ""),
        lifetime=spec.get("lifetime", ""),
        until=spec.get("until", ""),
        sleep=spec.get("sleep", ""),
        seed=spec.get("seed", ""),
        budget=spec.get("budget", ""),
        source=document.source(("spec", "owner")),
    )


def _binding(data: Mapping[str, Any]) -> Binding:
    return Binding(data["type"], data["module"], data.get("class", ""), data.get("id", ""), data.get("inputs", {}))


def lineage(name: str, environments: Mapping[str, Environment]) -> tuple[str, ...]:
    """`name` and its ancestors, nearest first; it ends before a parent that is missing or comes again."""
    line: list[str] = []
    while name and name in environments and name not in line:
        line.append(name)
        name = environments[name].inherits
    return tuple(line)


def inherit(environments: Mapping[str, Environment], findings: Findings | None = None) -> Mapping[str, Environment]:
    """Every environment with what its ancestors say; those that cannot be resolved are left out and reported."""
    resolved: dict[str, Environment] = {}
    for name in sorted(environments):
        problem = _problem(name, environments)
        if problem is None:
            line = lineage(name, environments)
            whole = environments[line[-1]]
            for child in reversed(line[:-1]):
                whole = _merge(whole, environments[child])
            if whole.owner == NOBODY:
                problem = error(
                    f"environment {name} has no owner",
                    remedy="Add spec.owner, such as group:platform, to it or to an environment it inherits from.",
                    address=name,
                )
            else:
                resolved[name] = replace(whole, drift=whole.drift or "repair")
        if problem is not None and findings is not None:
            findings.add(problem)
    return resolved


def _problem(name: str, environments: Mapping[str, Environment]) -> Diagnostic | None:
    line = lineage(name, environments)
    parent = environments[line[-1]].inherits
    if not parent:
        return None
    if parent in environments:
        return error(
            f"environment {name} inherits in a circle: {' → '.join((*line, parent))}",
            remedy="Take one `inherits` out of the circle.",
            address=name,
        )
    return error(
        f"environment {line[-1]} inherits from {parent}, which is not there",
        detail="" if line[-1] == name else f"{name} inherits from it.",
        remedy=nearest(parent, [one for one in environments if one != line[-1]]),
        address=name,
    )


def _merge(parent: Environment, child: Environment) -> Environment:
    bindings = {(one.type, one.klass, one.id): one for one in (*parent.bindings, *child.bindings)}
    like = parent.kind == child.kind
    return replace(
        child,
        owner=parent.owner if child.owner == NOBODY else child.owner,
        source=parent.source if child.owner == NOBODY else child.source,
        bindings=tuple(bindings.values()),
        drift=child.drift or parent.drift,
        **({name: getattr(child, name) or getattr(parent, name) for name in _LIKE_ITS_PATTERN} if like else {}),
    )


def write_environment(environment: Environment) -> bytes:
    """The file of an environment as written (not as inherited): always the same bytes for the same value."""
    metadata = {"name": environment.name}
    if environment.title:
        metadata["title"] = environment.title
    spec: dict[str, Any] = {"kind": environment.kind}
    if environment.owner != NOBODY:
        spec["owner"] = environment.owner.short
    if environment.inherits:
        spec["inherits"] = environment.inherits
    if environment.bindings:
        spec["resources"] = [_written(one) for one in environment.bindings]
    deploy = _deploy(environment.deploy)
    if deploy:
        spec["deploy"] = deploy
    for key in ("drift", "lifetime", "until", "sleep", "seed", "budget"):
        if value := getattr(environment, key):
            spec[key] = value
    return own_format.write("Environment", metadata, spec)


def _written(binding: Binding) -> dict[str, Any]:
    data: dict[str, Any] = {"type": binding.type}
    if binding.klass:
        data["class"] = binding.klass
    if binding.id:
        data["id"] = binding.id
    data["module"] = binding.module
    if binding.inputs:
        data["inputs"] = Inline(binding.inputs)
    return data


def _deploy(deploy: Deploy) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if deploy.source:
        data["from"] = deploy.source
    if deploy.after:
        data["after"] = deploy.after
    if deploy.strategy != "replace":
        data["strategy"] = deploy.strategy
    if deploy.steps:
        data["steps"] = list(deploy.steps)
    if deploy.bake:
        data["bake"] = deploy.bake
    if deploy.provenance:
        data["provenance"] = deploy.provenance
    if deploy.signature:
        data["signature"] = deploy.signature
    if deploy.windows:
        data["windows"] = [dict(one) for one in deploy.windows]
    if deploy.rollback_on:
        data["rollbackOn"] = list(deploy.rollback_on)
    if deploy.rollback_within:
        data["rollbackWithin"] = deploy.rollback_within
    return data
