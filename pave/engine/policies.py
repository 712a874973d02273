"""Policies in Rego, asked about subjects: one call of the engine for all of them, and none where nothing is to be asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pave.engine.world import World
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.verdict.finding import Finding
from pave.verdict.guardrail import Subject
from pave.verdict.policy import Asked, concerned, findings_of

Resources = Sequence[Mapping[str, Any]]


def policy_findings(
    world: World,
    snapshot: Snapshot,
    subjects: Sequence[Subject],
    stages: Collection[str],
    resources: Mapping[Address, Resources | None] | None = None,
) -> tuple[Finding, ...]:
    """What the policies of `snapshot` say at these stages. `resources` are those of each stack's plan."""
    policies = snapshot.policies
    if not subjects or not concerned(policies, stages):
        return ()
    known = resources or {}
    asked = [Asked(one, _of(one.address, known.get(one.address.stack))) for one in subjects]
    # What is too large is not handed on: it denies without being looked at.
    answers = world.policies.ask(policies, [{} if one.subject.too_large else one.input for one in asked])
    return tuple(findings_of(policies, asked, answers, stages))


def _of(address: Address, resources: Resources | None) -> Resources | None:
    """The engine's own resources that a change is about: those of its module call."""
    if resources is None or not address.resource:
        return resources
    prefix = f"module.{address.resource}"
    return [one for one in resources if _is_in(str(one.get("address", "")), prefix)]


def _is_in(address: str, prefix: str) -> bool:
    return address == prefix or address.startswith((f"{prefix}.", f"{prefix}["))
