"""Desired state: what the platform repository would say if an intent were granted.

Pure: a snapshot and an intent in, edited files out. The same intent on a repository that already says
so gives no edits, which is what makes asking twice harmless.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pave.model.deployment import Deployment
from pave.model.deployment_file import path_of, write_deployment
from pave.model.diagnostics import Refused, Source, error
from pave.model.entity_file import write_component, write_location
from pave.model.environment import Environment
from pave.model.environment_file import write_environment
from pave.model.names import Address, Ref, check_name
from pave.model.snapshot import Snapshot
from pave.model.workload import Need
from pave.plan.versions import Version, version
from pave.plan.wanted import (
    Desired,
    Made,
    component_path,
    deployment_of,
    environment_of,
    environment_path,
    owner_of,
    unknown_type,
    written,
)
from pave.request.intent import (
    AddResource,
    AddResources,
    Converge,
    CreateComponent,
    CreateEnvironment,
    DeleteEnvironment,
    ExtendEnvironment,
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
        case CreateEnvironment():
            return _create_environment(intent, snapshot, made)
        case DeleteEnvironment():
            return _delete_environment(intent, snapshot)
        case ExtendEnvironment():
            return _extend(intent, snapshot)
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


def _extend(intent: ExtendEnvironment, snapshot: Snapshot) -> Desired:
    environment = snapshot.written.get(intent.name) or environment_of(snapshot, intent.name)
    extended = write_environment(replace(environment, until=intent.until))
    return Desired(f"Extend {intent.name} until {intent.until}", (), {environment_path(intent.name): extended})


def _add(wanted: Sequence[AddResource], snapshot: Snapshot, made: Made) -> Desired:
    stack = wanted[0].address.stack
    if any(one.address.stack != stack for one in wanted):
        raise Refused(error("Resources of one change must be in one stack", remedy=f"Ask for those of {stack} alone."))
    environment = environment_of(snapshot, stack.environment)
    deployment = snapshot.deployments.get(stack) or Deployment(stack, Ref("component", "default", stack.component))
    resources, inputs = dict(deployment.resources), dict(deployment.inputs)
    for one in wanted:
        name = check_name(one.address.resource, "a resource")
        if not any(binding.type == one.type for binding in environment.bindings):
            raise Refused(unknown_type(one.type, environment, str(one.address)))
        resources[name] = Need(name, one.type, one.klass or "default")
        inputs[name] = {**inputs.get(name, {}), **one.inputs}
    names = ", ".join(f"{one.type} {one.address.resource}" for one in wanted)
    added = written(f"Add {names} to {stack}", replace(deployment, resources=resources, inputs=inputs))
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
    resources = {key: need for key, need in deployment.resources.items() if key != name}
    inputs = {key: values for key, values in deployment.inputs.items() if key != name}
    if not resources and not deployment.commit:
        return Desired(f"Remove {intent.address}", (stack,), {path_of(stack): None})
    return written(f"Remove {intent.address}", replace(deployment, resources=resources, inputs=inputs))


def _restore(intent: RestoreResource, snapshot: Snapshot, made: Made) -> Desired:
    stack, name = intent.address.stack, intent.address.resource
    deployment = snapshot.deployments.get(stack) or Deployment(stack, Ref("component", "default", stack.component))
    title = f"Restore {intent.address}"
    if name in deployment.resources or (deployment.commit and not made.trashed_type):
        return Desired(title, (stack,))
    resources = {**deployment.resources, name: Need(name, made.trashed_type)}
    return written(title, replace(deployment, resources=resources))


def _create_environment(intent: CreateEnvironment, snapshot: Snapshot, made: Made) -> Desired:
    name = check_name(intent.name, "an environment")
    parent = environment_of(snapshot, intent.inherits)
    there = snapshot.environments.get(name)
    if there is not None and there.inherits != intent.inherits:
        raise Refused(
            error(
                f"The environment {name} is there already and inherits from {there.inherits or 'nothing'}",
                remedy="Choose another name, or edit its file in the platform repository.",
                source=Source(environment_path(name)),
            )
        )
    # What it does not say it inherits, also what is done about drift.
    environment = Environment(name, parent.kind, made.owner or parent.owner, inherits=parent.name, drift="")
    edits: dict[str, bytes | None] = {environment_path(name): write_environment(environment)}
    stacks = []
    for component in intent.components:
        source = deployment_of(snapshot, Address(parent.name, component))
        stack = Address(name, component)
        edits[path_of(stack)] = write_deployment(replace(source, address=stack, pin=None))
        stacks.append(stack)
    with_ = f" with {', '.join(intent.components)}" if intent.components else ""
    return Desired(f"Create the environment {name}{with_}", tuple(stacks), edits)


def _delete_environment(intent: DeleteEnvironment, snapshot: Snapshot) -> Desired:
    environment_of(snapshot, intent.name)
    heirs = sorted(one.name for one in snapshot.environments.values() if one.inherits == intent.name)
    if heirs:
        raise Refused(
            error(f"{', '.join(heirs)} inherit from {intent.name}", remedy=f"Delete {', '.join(heirs)} first.")
        )
    stacks = tuple(sorted(stack for stack in snapshot.deployments if stack.environment == intent.name))
    paths = [environment_path(intent.name), *(path_of(stack) for stack in stacks)]
    return Desired(f"Delete the environment {intent.name}", stacks, dict.fromkeys(paths))
