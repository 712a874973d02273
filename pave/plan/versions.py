"""Which version of a component is wanted where: it arrives, moves on, gets its share of the traffic, goes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pave.model.deployment import Deployment, Rollout
from pave.model.deployment_file import path_of, write_deployment
from pave.model.diagnostics import Diagnostic, Refused, error
from pave.model.environment import Deploy as Arrival
from pave.model.environment_file import write_environment
from pave.model.names import Ref
from pave.model.snapshot import Snapshot
from pave.plan.wanted import Desired, Made, deployment_of, environment_of, environment_path, written
from pave.request.intent import (
    Advance,
    CheckChange,
    Deploy,
    MergeChange,
    Promote,
    ReleasePin,
    Rollback,
    RollbackAll,
    Sleep,
    Wake,
)

Version = Deploy | Promote | Rollback | RollbackAll | Advance | Sleep | Wake | CheckChange | MergeChange | ReleasePin
"""The intents that are about which version runs, and whether."""


def version(intent: Version, snapshot: Snapshot, made: Made) -> Desired:
    """The edits that grant `intent`. Raises `Refused` where it names what is not there."""
    match intent:
        case Deploy():
            return _deploy(intent, snapshot, made)
        case Promote():
            return _promote(intent, snapshot, made)
        case Rollback():
            return _rollback((intent,), snapshot, made)
        case RollbackAll():
            return _rollback(intent.stacks, snapshot, made)
        case Advance():
            return _advance(intent, snapshot, made)
        case Sleep() | Wake():
            asleep = isinstance(intent, Sleep)
            there = replace(deployment_of(snapshot, intent.stack), asleep=asleep)
            return written(f"Put {intent.stack} to sleep" if asleep else f"Wake {intent.stack}", there)
        case ReleasePin():
            released = replace(deployment_of(snapshot, intent.stack), pin=None)
            return written(f"Release the pin of {intent.stack}", released)
        case CheckChange() | MergeChange():
            return _change(made)


def _deploy(intent: Deploy, snapshot: Snapshot, made: Made) -> Desired:
    stack = intent.stack
    there = snapshot.deployments.get(stack) or Deployment(stack, Ref("component", "default", stack.component))
    if intent.automatic and there.pin is not None:
        raise Refused(
            error(
                f"{stack} is pinned: {there.pin}",
                remedy=f"Let it go on with `pave release {stack}`, or deploy by hand.",
                address=str(stack),
            )
        )
    version = replace(
        there, repository=made.repository, commit=made.commit, artifact=made.artifact, workload=made.workload
    )
    return _arrive(f"Deploy {stack.component} {made.commit[:7]} to {stack.environment}", snapshot, there, version)


def _promote(intent: Promote, snapshot: Snapshot, made: Made) -> Desired:
    stack, version = intent.stack, made.promoted
    assert version is not None
    there = snapshot.deployments.get(stack) or Deployment(stack, Ref("component", "default", stack.component))
    source = snapshot.environments[stack.environment].deploy.source
    moved = replace(
        there,
        repository=version.repository,
        commit=version.commit,
        artifact=version.artifact,
        workload=version.workload,
    )
    title = f"Promote {stack.component} {version.commit[:7]} from {source} to {stack.environment}"
    return _arrive(title, snapshot, there, moved)


def shares_of(deploy: Arrival) -> tuple[int, ...]:
    """The shares of the traffic, in percent, that a version gets one after the other; the last is all of it."""
    if deploy.strategy == "canary":
        return (*(deploy.steps or (10, 50)), 100)
    return (0, 100) if deploy.strategy == "blue-green" else (100,)


def _arrive(title: str, snapshot: Snapshot, there: Deployment, version: Deployment) -> Desired:
    """Another version of what may run there already: all at once, or with its first share of the traffic."""
    environment = environment_of(snapshot, version.address.environment)
    shares, rollout = shares_of(environment.deploy), None
    stable = there.rollout.before if there.rollout else there.commit
    watched = len(shares) > 1 or bool(environment.deploy.bake)
    if watched and there.artifact and version.artifact != there.artifact:
        rollout = Rollout(shares[0], stable)
    elif there.rollout is not None and version.artifact == there.artifact:
        rollout = there.rollout
    return written(title, replace(version, pin=None, rollout=rollout, asleep=False))


def _advance(intent: Advance, snapshot: Snapshot, made: Made) -> Desired:
    stack, decision = intent.stack, made.decision
    there = deployment_of(snapshot, stack)
    version = f"{stack.component} {there.commit[:7]}"
    match decision.get("decision"):
        case "forward" if there.rollout is not None:
            weight = int(decision["weight"])
            moved = replace(there, rollout=replace(there.rollout, weight=weight))
            return written(f"Give {version} {weight} % in {stack.environment}", moved)
        case "finished":
            return written(f"{version} has arrived in {stack.environment}", replace(there, rollout=None))
        case "back":
            back = Rollback(stack, reason=str(decision["reason"]), automatic=True)
            return _rollback((back,), snapshot, made)
        case _:
            return Desired(f"Leave {stack} as it is", (stack,))


def _change(made: Made) -> Desired:
    """A branch of the platform repository as it is, or the preview of a branch of a service."""
    if made.preview is None:
        return Desired(made.title or f"Check {made.repository} {made.commit[:7]}", (), made.edits)
    preview, stack = made.preview, made.preview.stack
    like = preview.like or Deployment(stack, Ref("component", "default", stack.component))
    deployment = Deployment(
        stack,
        like.component,
        made.repository,
        made.commit,
        made.artifact,
        made.workload,
        resources=like.resources,
        inputs=like.inputs,
    )
    edits: dict[str, bytes | None] = {environment_path(stack.environment): write_environment(preview.environment)}
    if made.workload and made.artifact:
        edits[path_of(stack)] = write_deployment(deployment)
    return Desired(f"Preview {made.repository} {made.commit[:7]} in {stack.environment}", (stack,), edits)


def _rollback(wanted: Sequence[Rollback], snapshot: Snapshot, made: Made) -> Desired:
    """Each stack as it was: all of them, or a refusal that names every one that cannot."""
    missing = [one for one in wanted if one.stack not in made.earlier]
    if missing:
        raise Refused(*(_nothing_earlier(one, deployment_of(snapshot, one.stack)) for one in missing))
    edits: dict[str, bytes | None] = {}
    for one in wanted:
        there, earlier = deployment_of(snapshot, one.stack), made.earlier[one.stack]
        reason = one.reason or f"Rolled back from {there.commit[:7]}"
        # What takes a failed rollback back brings the pin back, too, that held the version before.
        pin = (earlier.pin if one.to else None) if one.automatic else reason
        ends = _ends(there, earlier)
        back = replace(earlier, address=one.stack, pin=pin, rollout=None, asleep=False, ends=ends)
        edits[path_of(one.stack)] = write_deployment(back)
    stacks = tuple(one.stack for one in wanted)
    names = ", ".join(f"{one} back to {made.earlier[one].commit[:7]}" for one in stacks)
    because = f"\n\n{wanted[0].reason}" if wanted[0].reason else ""
    return Desired(f"Roll {names}{because}", stacks, edits)


def _ends(there: Deployment, earlier: Deployment) -> dict[str, str]:
    """When the resources of an earlier version end: what is there now ends when it says now, extended or not."""
    known = {name: (there if name in there.resources else earlier).ends.get(name) for name in earlier.resources}
    return {name: end for name, end in known.items() if end}


def _nothing_earlier(intent: Rollback, there: Deployment) -> Diagnostic:
    return error(
        f"{intent.stack} has no earlier version to go back to",
        detail=f"It has only ever run {there.commit[:7] or 'no commit'}.",
        remedy=f"Deploy the commit you want: pave deploy {intent.stack} --revision COMMIT.",
        address=str(intent.stack),
    )
