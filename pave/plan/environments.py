"""Environments as they are wanted: made, given more time, put to sleep and woken as a whole, taken away."""

from __future__ import annotations

from dataclasses import replace

from pave.model.deployment_file import path_of, write_deployment
from pave.model.diagnostics import Refused, Source, error
from pave.model.environment import Environment
from pave.model.environment_file import write_environment
from pave.model.names import Address, check_name
from pave.model.snapshot import Snapshot
from pave.plan.lifetimes import end_of, unless_extended
from pave.plan.wanted import Desired, Made, deployment_of, environment_of, environment_path
from pave.request.intent import (
    CreateEnvironment,
    DeleteEnvironment,
    ExtendEnvironment,
    SleepEnvironment,
    WakeEnvironment,
)

OfEnvironment = CreateEnvironment | DeleteEnvironment | ExtendEnvironment | SleepEnvironment | WakeEnvironment
"""The intents that are about an environment as a whole."""


def of_environment(intent: OfEnvironment, snapshot: Snapshot, made: Made) -> Desired:
    """The edits that grant `intent`. Raises `Refused` where it names what is not there."""
    match intent:
        case CreateEnvironment():
            return _create_environment(intent, snapshot, made)
        case DeleteEnvironment():
            return _delete_environment(intent, snapshot)
        case ExtendEnvironment():
            return _extend(intent, snapshot)
        case SleepEnvironment() | WakeEnvironment():
            return _rest(intent, snapshot)


def _extend(intent: ExtendEnvironment, snapshot: Snapshot) -> Desired:
    environment = snapshot.written.get(intent.name) or environment_of(snapshot, intent.name)
    extended = write_environment(replace(environment, until=intent.until))
    return Desired(f"Extend {intent.name} until {intent.until}", (), {environment_path(intent.name): extended})


def _rest(intent: SleepEnvironment | WakeEnvironment, snapshot: Snapshot) -> Desired:
    """Every stack that runs something; one of resources alone has nothing to put to sleep."""
    environment_of(snapshot, intent.name)
    asleep = isinstance(intent, SleepEnvironment)
    moved = {
        stack: replace(one, asleep=asleep)
        for stack, one in sorted(snapshot.deployments.items())
        if stack.environment == intent.name and one.commit and one.asleep is not asleep
    }
    title = f"Put all of {intent.name} to sleep" if asleep else f"Wake all of {intent.name}"
    return Desired(title, tuple(moved), {path_of(stack): write_deployment(one) for stack, one in moved.items()})


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
    lifetime = intent.lifetime or (parent.lifetime if there is None else "")
    until = end_of(lifetime, made) if lifetime else there.until if there is not None else ""
    owner = made.owner or parent.owner
    environment = Environment(name, parent.kind, owner, inherits=parent.name, until=until, drift="")
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
    environment = environment_of(snapshot, intent.name)
    if intent.ended:
        unless_extended(intent.name, intent.ended, environment.until)
    heirs = sorted(one.name for one in snapshot.environments.values() if one.inherits == intent.name)
    if heirs:
        raise Refused(
            error(f"{', '.join(heirs)} inherit from {intent.name}", remedy=f"Delete {', '.join(heirs)} first.")
        )
    stacks = tuple(sorted(stack for stack in snapshot.deployments if stack.environment == intent.name))
    paths = [environment_path(intent.name), *(path_of(stack) for stack in stacks)]
    return Desired(f"Delete the environment {intent.name}", stacks, dict.fromkeys(paths))
