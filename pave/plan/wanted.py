"""Desired state as a value: what earlier stages made of an intent, and the edits that grant it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from typing import Any

from pave.model.deployment import Deployment
from pave.model.deployment_file import path_of, write_deployment
from pave.model.diagnostics import Diagnostic, Refused, error
from pave.model.environment import Environment
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.request.places import owning


@dataclass(frozen=True)
class Preview:
    """The preview of a change: its stack and environment, and the deployment whose further resources it gets too."""

    stack: Address
    environment: Environment
    like: Deployment | None = None


@dataclass(frozen=True)
class Made:
    """What the stages before made of the intent: a commit in a repository, its artifact, whose it is.

    `earlier` are the deployments that stacks go back to, `promoted` is the one that moves on, `decision` is about a
    version on its way, `title` and `edits` are those of a branch of the platform repository. `asked_at` is when it
    was asked for, the beginning of a lifetime.
    """

    repository: str = ""
    commit: str = ""
    artifact: str = ""
    workload: str = ""
    owner: Ref | None = None
    url: str = ""
    template: str = ""
    template_version: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    earlier: Mapping[Address, Deployment] = field(default_factory=dict)
    trashed_type: str = ""
    promoted: Deployment | None = None
    decision: Mapping[str, Any] = field(default_factory=dict)
    preview: Preview | None = None
    title: str = ""
    edits: Mapping[str, bytes | None] = field(default_factory=dict)
    asked_at: datetime | None = None


@dataclass(frozen=True)
class Desired:
    """The edits (None deletes a file), the stacks they are about, and a title for the commit."""

    title: str
    stacks: tuple[Address, ...]
    edits: Mapping[str, bytes | None] = field(default_factory=dict)


def environment_path(name: str) -> str:
    """Where an environment is written."""
    return f"environments/{name}.yaml"


def component_path(name: str) -> str:
    """Where the platform repository registers a component."""
    return f"catalog/components/{name}.yaml"


def owner_of(snapshot: Snapshot, component: str) -> Ref | None:
    """Who owns a component, from its own entity or from where it is registered."""
    entity = owning(snapshot.entities, component)
    return entity.owner if entity else None


def written(title: str, deployment: Deployment) -> Desired:
    """One stack's deployment, as an edit."""
    path = path_of(deployment.address)
    return Desired(title, (deployment.address,), {path: write_deployment(deployment)})


def deployment_of(snapshot: Snapshot, stack: Address) -> Deployment:
    """What is deployed to a stack. Raises `Refused` with the nearest name where there is no such stack."""
    if stack in snapshot.deployments:
        return snapshot.deployments[stack]
    known = sorted(str(one) for one in snapshot.deployments)
    near = get_close_matches(str(stack), known, n=1)
    remedy = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known[:10]) or 'no stacks yet'}."
    raise Refused(error(f"There is no stack {stack}", remedy=remedy, address=str(stack)))


def environment_of(snapshot: Snapshot, name: str) -> Environment:
    """An environment. Raises `Refused` with those that there are."""
    if name in snapshot.environments:
        return snapshot.environments[name]
    known = ", ".join(sorted(snapshot.environments))
    raise Refused(error(f"There is no environment {name!r}", remedy=f"There are: {known or 'none'}."))


def unknown_type(type_: str, environment: Environment, address: str) -> Diagnostic:
    """The diagnostic for a resource type that nothing serves in an environment."""
    known = sorted({binding.type for binding in environment.bindings})
    near = get_close_matches(type_, known, n=1)
    return error(
        f"Nothing serves the resource type {type_!r} in {environment.name}",
        detail=f"Served there: {', '.join(known)}.",
        remedy=f"Did you mean {near[0]!r}?"
        if near
        else f"Ops can bind it to a module in {environment_path(environment.name)}.",
        address=address,
        wanted=type_,
    )
