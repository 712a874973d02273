"""Workload × environment → stack: which module serves each need, with which inputs, wired to which outputs.

This is the heart of Pave and it is pure. What cannot be served, wired or ordered is refused here, with
every reason at once, before any engine is asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from graphlib import CycleError, TopologicalSorter
from pathlib import PurePosixPath
from typing import Any

from pave.model.conventions import variables_for
from pave.model.deployment import Deployment
from pave.model.diagnostics import Diagnostic, Findings, error
from pave.model.environment import Environment
from pave.model.module import Input, Module
from pave.model.module_file import unfit
from pave.model.names import Address, Ref
from pave.model.placeholder import Placeholder, parse
from pave.model.workload import SOURCE_IMAGE, Container, Need, Probe, Workload
from pave.plan.terraform import Call, Reference, RootModule, document
from pave.plan.wanted import unknown_type

WORKLOAD = "workload"
"""The type, and the name within its stack, of what runs a component's containers."""


@dataclass(frozen=True)
class Part:
    """One resource of a stack: the need, the module that serves it, and its arguments (with references)."""

    address: Address
    need: Need
    module: Module
    arguments: Mapping[str, Any]

    @property
    def inputs(self) -> dict[str, Any]:
        """The arguments that a person chose or could choose: what guardrails and plans show."""
        shown = {name: value for name, value in self.arguments.items() if name not in _HIDDEN}
        defaults = {
            name: one.default for name, one in self.module.inputs.items() if not one.required and name not in _HIDDEN
        }
        return {
            name: "(sensitive)" if name in self.module.inputs and self.module.inputs[name].sensitive else _plain(value)
            for name, value in {**defaults, **shown}.items()
        }


@dataclass(frozen=True)
class Stack:
    """One component in one environment: its parts and the root module made of them."""

    address: Address
    owner: Ref | None
    parts: tuple[Part, ...]
    root: RootModule

    def part(self, call_name: str) -> Part | None:
        """The part that a module call is for."""
        return next((one for one in self.parts if one.need.name == call_name), None)


@dataclass(frozen=True)
class Surroundings:
    """What a stack is put into."""

    environment: Environment
    modules: Mapping[str, Module]
    owner: Ref | None = None
    domain: str = "localhost"


# What Pave itself tells a module, where the module declares such a variable.
_GIVEN = frozenset(
    {
        "address",
        "stack",
        "component",
        "environment",
        "owner",
        "domain",
        "host",
        "artifact",
        "containers",
        "ports",
        "scale",
        "weight",
        "asleep",
    }
)

_HIDDEN = _GIVEN - {"scale"}  # how many there are is somebody's choice, and what it costs depends on it

EMPTY = document(())
"""The root module of a stack that is to be removed: nothing in it, so everything in its state goes."""


def build(deployment: Deployment, workload: Workload | None, around: Surroundings) -> Stack:
    """Resolve a stack. Raises `Refused` with all findings: unknown types, bad inputs, missing outputs, cycles."""
    findings = Findings()
    needs = _needs(deployment, workload)
    modules = {name: module for name, need in needs.items() if (module := _module(need, deployment, around, findings))}
    parts = []
    for name, module in modules.items():
        chosen = _chosen(needs[name], deployment, around.environment)
        arguments = {key: _wire(value, f"{name}.{key}", deployment, modules, findings) for key, value in chosen.items()}
        if needs[name].type == WORKLOAD and workload is not None:
            arguments |= _containers(workload, deployment, modules, findings)
        arguments |= _given(deployment, around, module)
        _check_inputs(deployment.address.at(name), module, arguments, findings)
        declared = {key: value for key, value in arguments.items() if key in module.inputs}
        parts.append(Part(deployment.address.at(name), needs[name], module, declared))
    findings.extend(_cycles(parts, deployment.address))
    findings.refuse_if_any()
    calls = [
        Call(one.need.name, PurePosixPath(one.module.path).name, one.module.digest, one.arguments) for one in parts
    ]
    return Stack(deployment.address, around.owner, tuple(parts), document(calls))


def _needs(deployment: Deployment, workload: Workload | None) -> dict[str, Need]:
    needs = dict(workload.resources) if workload else {}
    needs |= deployment.resources
    if workload is not None:
        needs[WORKLOAD] = Need(WORKLOAD, WORKLOAD)
    return needs


def _module(need: Need, deployment: Deployment, around: Surroundings, findings: Findings) -> Module | None:
    address = str(deployment.address.at(need.name))
    binding = around.environment.binding_for(need)
    if binding is None:
        findings.add(unknown_type(need.type, around.environment, address))
        return None
    module = around.modules.get(binding.module)
    if module is None:
        findings.add(
            error(
                f"{around.environment.name} binds {need.type} to the module {binding.module}, which is not there",
                remedy=f"There are: {', '.join(sorted(around.modules)) or 'none'}.",
                address=address,
            )
        )
    return module


def _chosen(need: Need, deployment: Deployment, environment: Environment) -> dict[str, Any]:
    binding = environment.binding_for(need)
    bound = dict(binding.inputs) if binding else {}
    return {**bound, **need.params, **deployment.inputs.get(need.name, {})}


def _given(deployment: Deployment, around: Surroundings, module: Module) -> dict[str, Any]:
    stack = deployment.address
    known = {
        "stack": str(stack),
        "component": stack.component,
        "environment": stack.environment,
        "owner": str(around.owner or ""),
        "domain": around.domain,
        "host": f"{stack.component}.{stack.environment}.{around.domain}",
        "artifact": deployment.artifact,
        "scale": deployment.scale,
        "weight": deployment.rollout.weight if deployment.rollout else 100,
        "asleep": deployment.asleep,
    }
    return {key: value for key, value in known.items() if key in module.inputs}


def _containers(
    workload: Workload, deployment: Deployment, modules: Mapping[str, Module], findings: Findings
) -> dict[str, Any]:
    conventional = _conventional(workload, deployment, modules)
    return {
        "containers": [
            _container(one, conventional, lambda value, where: _wire(value, where, deployment, modules, findings))
            for one in workload.containers
        ],
        "ports": [
            {"name": one.name, "port": one.port, "target_port": one.target_port or one.port, "protocol": one.protocol}
            for one in workload.ports
        ],
    }


def _container(container: Container, conventional: Mapping[str, str], wire: Any) -> dict[str, Any]:
    where = f"containers.{container.name}"
    variables = {**conventional, **container.variables}
    return {
        "name": container.name,
        "image": "" if container.image == SOURCE_IMAGE else container.image,
        "command": list(container.command),
        "args": [wire(one, f"{where}.args") for one in container.args],
        "variables": {name: wire(value, f"{where}.variables.{name}") for name, value in variables.items()},
        "files": [
            {
                "target": one.target,
                "mode": one.mode,
                "source": one.source or "",
                "binary": one.binary or "",
                "content": wire(one.content or "", f"{where}.files.{one.target}") if one.expand else one.content or "",
            }
            for one in container.files
        ],
        "volumes": [
            {
                "target": one.target,
                "source": wire(one.source, f"{where}.volumes.{one.target}"),
                "path": one.path,
                "read_only": one.read_only,
            }
            for one in container.volumes
        ],
        "cpu": container.limits.get("cpu") or container.requests.get("cpu") or "",
        "memory": container.limits.get("memory") or container.requests.get("memory") or "",
        "readiness": _probe(container.readiness or container.liveness),
    }


def _probe(probe: Probe | None) -> dict[str, Any]:
    if probe is None:
        return {"path": "", "port": 0, "command": []}
    return {"path": probe.path, "port": probe.port, "command": list(probe.command)}


def _conventional(workload: Workload, deployment: Deployment, modules: Mapping[str, Module]) -> dict[str, str]:
    """Variables for resources that were added beyond the workload, which cannot know them.

    The first of a type gets the variable everybody reads (DATABASE_URL), any other one its own name
    (REPORTS_DATABASE_URL). What the workload sets itself is never touched.
    """
    taken = {name for one in workload.containers for name in one.variables}
    variables: dict[str, str] = {}
    for name, need in sorted(deployment.resources.items()):
        if name in workload.resources or name not in modules:
            continue
        for variable, text in variables_for(need.type, name).items():
            own = f"{name.upper().replace('-', '_')}_{variable}"
            variables[own if variable in taken or variable in variables else variable] = text
    return variables


def _wire(value: Any, where: str, deployment: Deployment, modules: Mapping[str, Module], findings: Findings) -> Any:
    """Replace Score's placeholders in texts by references; everything else stays as it is."""
    if isinstance(value, Mapping):
        return {key: _wire(one, f"{where}.{key}", deployment, modules, findings) for key, one in value.items()}
    if isinstance(value, list):
        return [_wire(one, where, deployment, modules, findings) for one in value]
    if not isinstance(value, str) or "$" not in value:
        return value
    parts = [
        part if isinstance(part, str) else _resolve(part, where, deployment, modules, findings) for part in parse(value)
    ]
    if all(isinstance(part, str) for part in parts):
        return "".join(part for part in parts if isinstance(part, str))
    return tuple(parts)


def _resolve(
    place: Placeholder, where: str, deployment: Deployment, modules: Mapping[str, Module], findings: Findings
) -> str | Reference:
    address = str(deployment.address)
    if place.root == "metadata":
        return deployment.address.component if place.path == ("name",) else ""
    name, output = place.path[0], ".".join(place.path[1:])
    if name not in modules:
        near = get_close_matches(name, modules, n=1)
        findings.add(
            error(
                f"{where} uses {place}, but there is no resource {name!r}",
                remedy=f"Did you mean {near[0]!r}?" if near else f"Add {name!r} under resources.",
                address=address,
            )
        )
        return ""
    outputs = modules[name].outputs
    if output not in outputs:
        near = get_close_matches(output, outputs, n=1)
        findings.add(
            error(
                f"{where} uses {place}, but {modules[name].name} has no output {output!r}",
                detail=f"Its outputs: {', '.join(sorted(outputs))}.",
                remedy=f"Did you mean {near[0]!r}?" if near else "",
                address=address,
            )
        )
        return ""
    return Reference(name, output)


def _check_inputs(address: Address, module: Module, arguments: Mapping[str, Any], findings: Findings) -> None:
    open_inputs = sorted(set(module.inputs) - _GIVEN)
    for name, value in arguments.items():
        if name in _GIVEN:
            continue
        if name not in module.inputs:
            near = get_close_matches(name, open_inputs, n=1)
            findings.add(
                error(
                    f"{module.name} has no input {name!r}",
                    detail=f"Its inputs: {', '.join(open_inputs) or 'none'}.",
                    remedy=f"Did you mean {near[0]!r}?" if near else f"Leave {name!r} away.",
                    address=str(address),
                )
            )
        elif problem := _unfit(module.inputs[name], value):
            findings.add(error(f"{name} of {address} {problem}", address=str(address)))
    if "address" in module.inputs:
        arguments["address"] = str(address)  # type: ignore[index]
    missing = sorted(name for name, one in module.inputs.items() if one.required and name not in arguments)
    for name in missing:
        findings.add(
            error(
                f"{module.name} needs the input {name!r}",
                detail=module.inputs[name].description,
                remedy=f"Give it: --input {name}=…",
                address=str(address),
            )
        )


def _unfit(wanted: Input, value: Any) -> str:
    return "" if isinstance(value, tuple | Reference) else unfit(wanted, value)


def _cycles(parts: list[Part], stack: Address) -> Iterator[Diagnostic]:
    graph = {part.need.name: set(_mentions(part.arguments)) for part in parts}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as cycle:
        circle = " → ".join(reversed(cycle.args[1]))
        yield error(
            f"Resources of {stack} need each other in a circle: {circle}",
            remedy="Take one of these references out.",
            address=str(stack),
        )


def _mentions(value: Any) -> Iterator[str]:
    if isinstance(value, Reference):
        yield value.call
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _mentions(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _mentions(one)


def _plain(value: Any) -> Any:
    """The value as a plan shows it: a reference by its name."""
    if isinstance(value, Reference):
        return f"${{resources.{value.call}.{value.output}}}"
    if isinstance(value, tuple):
        return "".join(one if isinstance(one, str) else str(_plain(one)) for one in value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
