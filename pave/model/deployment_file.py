"""Reads and writes `deployments/<environment>/<component>.yaml`, the desired state of one stack.

Both a person and Pave write these files, so what is written is short, stable and says nothing that is the default.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pave.model import own_format
from pave.model.deployment import Deployment, Rollout
from pave.model.diagnostics import Refused
from pave.model.document import Document, show
from pave.model.duration import in_words, instant
from pave.model.names import Address
from pave.model.own_format import Inline
from pave.model.workload import Need


def path_of(stack: Address) -> str:
    """Where the deployment of a stack lies in the platform repository."""
    return f"deployments/{stack.environment}/{stack.component}.yaml"


def read_deployment(data: bytes, file: str) -> Deployment:
    """One deployment. Raises `Refused` with all that is wrong."""
    document = own_format.read(data, file, "Deployment")
    metadata, spec = document.data["metadata"], document.data["spec"]
    source, resources = spec.get("source", {}), spec.get("resources", {})
    return Deployment(
        address=Address(metadata["environment"], metadata["name"]),
        component=own_format.reference(document, ("spec", "component"), "component"),
        repository=source.get("repository", ""),
        commit=source.get("commit", ""),
        artifact=spec.get("artifact", ""),
        workload=spec.get("workload", "score.yaml"),
        resources={name: _need(name, one) for name, one in resources.items() if "type" in one},
        inputs={name: one["inputs"] for name, one in resources.items() if one.get("inputs")},
        ends={name: _end(document, name, one["until"]) for name, one in resources.items() if "until" in one},
        scale=spec.get("scale", 1),
        pin=spec.get("pin"),
        rollout=Rollout(spec["rollout"]["weight"], spec["rollout"].get("before", "")) if "rollout" in spec else None,
        asleep=spec.get("asleep", False),
    )


def _need(name: str, data: Mapping[str, Any]) -> Need:
    return Need(name, data["type"], data.get("class", "default"), data.get("id", ""), data.get("params", {}))


def _end(document: Document, name: str, text: str) -> str:
    """When a resource ends, as Pave writes times. Raises `Refused` with its place."""
    at = ("spec", "resources", name, "until")
    try:
        return in_words(instant(text))
    except Refused as refused:
        raise own_format.place(refused, document.source(at), show(at)) from None


def write_deployment(deployment: Deployment) -> bytes:
    """The file of a deployment: always the same bytes for the same value."""
    spec: dict[str, Any] = {"component": str(deployment.component)}
    if deployment.repository:
        spec["source"] = Inline(repository=deployment.repository, commit=deployment.commit)
    if deployment.artifact:
        spec["artifact"] = deployment.artifact
    if deployment.repository or deployment.workload != "score.yaml":
        spec["workload"] = deployment.workload
    names = sorted({*deployment.resources, *(name for name, inputs in deployment.inputs.items() if inputs)})
    if names:
        spec["resources"] = {name: _written(deployment, name) for name in names}
    if deployment.scale != 1:
        spec["scale"] = deployment.scale
    if deployment.rollout is not None:
        before = {"before": deployment.rollout.before} if deployment.rollout.before else {}
        spec["rollout"] = Inline(weight=deployment.rollout.weight, **before)
    if deployment.asleep:
        spec["asleep"] = True
    if deployment.pin is not None:
        spec["pin"] = deployment.pin
    metadata = {"name": deployment.address.component, "environment": deployment.address.environment}
    return own_format.write("Deployment", metadata, spec)


def _written(deployment: Deployment, name: str) -> Inline:
    data = Inline()
    need = deployment.resources.get(name)
    if need is not None:
        data["type"] = need.type
        if need.klass != "default":
            data["class"] = need.klass
        if need.id:
            data["id"] = need.id
        if need.params:
            data["params"] = dict(need.params)
    if inputs := deployment.inputs.get(name):
        data["inputs"] = dict(inputs)
    if need is not None and name in deployment.ends:
        data["until"] = deployment.ends[name]
    return data
