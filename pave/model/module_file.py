"""Reads a module: `module.yaml` and, for its inputs and outputs, the Terraform files beside it.

The module's own variables are the truth; `module.yaml` may narrow them and give another default, and is refused
where it speaks of a variable that is not there. A folder without `module.yaml` is refused with one to copy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pave.model import own_format
from pave.model.diagnostics import Diagnostic, Findings, Refused, Source, error
from pave.model.document import Document
from pave.model.module import Input, Module
from pave.model.names import suggest_name
from pave.model.price_file import read_meters, read_prices, read_usage
from pave.model.schema import nearest
from pave.model.terraform_module import is_terraform, read_declared

SUPPORTED_ENGINES = ("terraform",)


def read_module(files: Mapping[str, bytes], path: str, digest: str) -> Module:
    """The module in `files` (names relative to its folder `path`); `digest` is the folder's Git tree id.

    Raises `Refused` with all that is wrong.
    """
    if "module.yaml" not in files:
        raise Refused(_without_description(files, path))
    document = own_format.read(files["module.yaml"], f"{path}/module.yaml", "Module")
    metadata, spec = document.data["metadata"], document.data["spec"]
    wrong = Findings()
    if spec["engine"] not in SUPPORTED_ENGINES:
        at = ("spec", "engine")
        supported = ", ".join(SUPPORTED_ENGINES)
        wrong.add(document.error(at, f"the engine {spec['engine']} is not supported", remedy=f"Use {supported}."))
    elif not any(is_terraform(name) for name in files):
        wrong.add(document.error((), f"{path} holds no Terraform file", remedy="Add main.tf beside module.yaml."))
    declared = read_declared(files, path, wrong)
    wrong.refuse_if_any()
    inputs = {**declared.inputs, **_narrowed(document, declared.inputs, wrong)}
    usage = read_usage(files["usage.yaml"], f"{path}/usage.yaml") if "usage.yaml" in files else {}
    meters = read_meters(document, usage, wrong)
    prices = read_prices(files.get("prices.csv", b""), f"{path}/prices.csv", wrong)
    wrong.refuse_if_any()
    return Module(
        name=metadata["name"],
        version=metadata["version"],
        provides=spec["provides"]["type"],
        engine=spec["engine"],
        path=path,
        digest=digest,
        owner=own_format.reference(document, ("metadata", "owner"), "group"),
        klass=spec["provides"].get("class", "default"),
        title=metadata.get("title", ""),
        description=metadata.get("description", ""),
        stateful=spec.get("stateful", False),
        inputs=inputs,
        outputs=declared.outputs,
        meters=meters,
        prices=prices,
        usage=usage,
        equivalent=spec.get("equivalent", ""),
        properties=spec.get("properties", {}),
        supported_until=str(spec.get("supported_until", "")),
    )


def _narrowed(document: Document, inputs: Mapping[str, Input], wrong: Findings) -> dict[str, Input]:
    narrowed: dict[str, Input] = {}
    for name, said in document.data["spec"].get("inputs", {}).items():
        at = ("spec", "inputs", name)
        if name not in inputs:
            remedy = nearest(name, list(inputs)) or "Declare it in variables.tf."
            wrong.add(document.error(at, f"the module has no variable {name!r}", remedy=remedy))
            continue
        one = _narrow(inputs[name], said)
        problem = None if one.required or one.default is None else unfit(one, one.default)
        if problem:
            wrong.add(
                document.error((*at, "default"), f"the default of {name!r} {problem}", remedy="Change one of them.")
            )
        narrowed[name] = one
    return narrowed


def _narrow(one: Input, said: Mapping[str, Any]) -> Input:
    return replace(
        one,
        description=said.get("description", one.description),
        default=said.get("default", one.default),
        required=one.required and "default" not in said,
        choices=tuple(said.get("choices", ())),
        minimum=said.get("minimum"),
        maximum=said.get("maximum"),
    )


def unfit(one: Input, value: object) -> str:
    """Why `value` cannot be given to an input, as the end of a sentence; empty where it can."""
    if one.choices and value not in one.choices:
        return f"must be one of {', '.join(map(str, one.choices))}, but is {value!r}"
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if (one.minimum is not None or one.maximum is not None) and not number:
        return f"must be a number, but is {value!r}"
    if one.minimum is not None and isinstance(value, int | float) and value < one.minimum:
        return f"must be at least {one.minimum}, but is {value}"
    if one.maximum is not None and isinstance(value, int | float) and value > one.maximum:
        return f"must be at most {one.maximum}, but is {value}"
    return ""


def _without_description(files: Mapping[str, bytes], path: str) -> Diagnostic:
    name = suggest_name(path.rsplit("/", 1)[-1])
    if not any(is_terraform(file) for file in files):
        return error(
            f"{path} is no module: it holds neither module.yaml nor Terraform files",
            remedy="Put module.yaml and main.tf there, or remove the folder.",
            source=Source(path),
        )
    return error(
        f"{path} is a Terraform module without a module.yaml",
        detail="Pave has to know which resource type it serves and who owns it.",
        remedy=f"Put this into {path}/module.yaml, and name the type and the owner:\n{example(name)}",
        source=Source(path),
    )


def example(name: str) -> str:
    """A module.yaml for the module `name`, ready to be completed."""
    return (
        "apiVersion: pave/v1\n"
        "kind: Module\n"
        f"metadata: {{name: {name}, owner: group:platform, version: 1.0.0}}\n"
        "spec:\n"
        f"  provides: {{type: {name if len(name) > 1 else 'resource'}}}\n"
        "  engine: terraform\n"
    )
