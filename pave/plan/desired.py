"""Desired state: what the platform repository would say if an intent were granted.

Pure: a snapshot and an intent in, edited files out. The same intent on a repository that already says
so gives no edits, which is what makes asking twice harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pave.model.deployment import Deployment
from pave.model.deployment_file import path_of, write_deployment
from pave.model.diagnostics import Refused, error
from pave.model.entity_file import write_component, write_location
from pave.model.names import Address, Ref, check_name
from pave.model.snapshot import Snapshot
from pave.model.workload import Need
from pave.plan.environments import OfEnvironment, of_environment
from pave.plan.lifetimes import end_of, extend, unless_extended
from pave.plan.versions import Version, version
from pave.plan.wanted import (
    Desired,
    Made,
    component_path,
    deployment_of,
    environment_of,
    owner_of,
    unknown_type,
    written,
)
from pave.request.intent import (
    AddResource,
    AddResources,
    Converge,
    CreateComponent,
    ExtendResource,
    ImportComponent,
    Intent,
    RemoveResource,
    RemoveStack,
    RestoreResource,
)


def desired(intent: Intent, snapshot: Snapshot, made: Made) -> Desired:
    """The edits that grant `intent`. Raises `Refused` where it names what is not there."""
    if isinstance(intent, Version):
        return version(intent, snapshot, made)
    if isinstance(intent, OfEnvironment):
        return of_environment(intent, snapshot, made)
    match intent:
        case CreateComponent() | ImportComponent():
            return _component(intent, snapshot, made)
        case AddResource():
            return _add((intent,), snapshot, made)
        case AddResources():
            return _add(intent.resources, snapshot, made)
        case RemoveResource():
            return _remove_resource(intent, snapshot)
        case RestoreResource():
            return _restore(intent, snapshot, made)
        case RemoveStack():
            deployment_of(snapshot, intent.stack)
            return Desired(f"Remove {intent.stack}", (intent.stack,), {path_of(intent.stack): None})
        case ExtendResource():
            return extend(intent, snapshot)
        case Converge():
            return Desired(f"Converge {intent.stack}", (intent.stack,))


def _component(intent: CreateComponent | ImportComponent, snapshot: Snapshot, made: Made) -> Desired:
    how = "Create" if isinstance(intent, CreateComponent) else "Import"
    name = check_name(made.repository or intent.name, "a component")
    registered = write_location(
        name,
        owner=made.owner,
        annotations={
            "pave.dev/source-url": made.url,
            "backstage.io/source-template": f"template:default/{made.template}" if made.template else "",
            "pave.dev/template-version": made.template_version,
        },
        values=made.values,
    )
    edits: dict[str, bytes | None] = {component_path(name): registered}
    if not intent.environment:
        return Desired(f"{how} {name}", (), edits)
    stack = Address(environment_of(snapshot, intent.environment).name, name)
    there = snapshot.deployments.get(stack) or Deployment(stack, Ref("component", "default", name))
    deployment = replace(
        there, repository=made.repository, commit=made.commit, artifact=made.artifact, workload=made.workload, pin=None
    )
    edits[path_of(stack)] = write_deployment(deployment)
    return Desired(f"{how} {name} and deploy it to {stack.environment}", (stack,), edits)


def _add(wanted: Sequence[AddResource], snapshot: Snapshot, made: Made) -> Desired:
    stack = wanted[0].address.stack
    if any(one.address.stack != stack for one in wanted):
        raise Refused(error("Resources of one change must be in one stack", remedy=f"Ask for those of {stack} alone."))
    environment = environment_of(snapshot, stack.environment)
    deployment = snapshot.deployments.get(stack) or Deployment(stack, Ref("component", "default", stack.component))
    resources, inputs, ends = dict(deployment.resources), dict(deployment.inputs), dict(deployment.ends)
    for one in wanted:
        name = check_name(one.address.resource, "a resource")
        if not any(binding.type == one.type for binding in environment.bindings):
            raise Refused(unknown_type(one.type, environment, str(one.address)))
        resources[name] = Need(name, one.type, one.klass or "default")
        inputs[name] = {**inputs.get(name, {}), **one.inputs}
        if one.lifetime:
            ends[name] = end_of(one.lifetime, made)
    names = ", ".join(f"{one.type} {one.address.resource}" for one in wanted)
    added = written(f"Add {names} to {stack}", replace(deployment, resources=resources, inputs=inputs, ends=ends))
    if owner_of(snapshot, stack.component) is not None or made.owner is None:
        return added
    registered = write_component(stack.component, owner=made.owner)
    return replace(added, edits={**added.edits, component_path(stack.component): registered})


def _remove_resource(intent: RemoveResource, snapshot: Snapshot) -> Desired:
    stack, name = intent.address.stack, intent.address.resource
    deployment = deployment_of(snapshot, stack)
    if name not in deployment.resources:
        known = ", ".join(sorted(deployment.resources)) or "none"
        raise Refused(
            error(
                f"{intent.address} was not added to this stack",
                detail=f"Added here: {known}. What the component's own workload file names is removed there.",
                remedy=f"Take {name} out of {deployment.workload or 'score.yaml'} and deploy the commit.",
                address=str(intent.address),
            )
        )
    if intent.ended:
        unless_extended(str(intent.address), intent.ended, deployment.ends.get(name, ""))
    resources = {key: need for key, need in deployment.resources.items() if key != name}
    ends = {key: end for key, end in deployment.ends.items() if key != name}
    inputs = {key: values for key, values in deployment.inputs.items() if key != name}
    title = f"Remove {intent.address}" + (f", which ended on {intent.ended[:10]}" if intent.ended else "")
    if not resources and not deployment.commit:
        return Desired(title, (stack,), {path_of(stack): None})
    return written(title, replace(deployment, resources=resources, inputs=inputs, ends=ends))


def _restore(intent: RestoreResource, snapshot: Snapshot, made: Made) -> Desired:
    stack, name = intent.address.stack, intent.address.resource
    deployment = snapshot.deployments.get(stack) or Deployment(stack, Ref("component", "default", stack.component))
    title = f"Restore {intent.address}"
    if name in deployment.resources or (deployment.commit and not made.trashed_type):
        return Desired(title, (stack,))
    resources = {**deployment.resources, name: Need(name, made.trashed_type)}
    return written(title, replace(deployment, resources=resources))
