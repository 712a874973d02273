"""Who may ask for what: ownership decides, and the platform's own team may do everything.

Deny by default: an actor that is not in the catalog, or a wish that is not recognised, is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from pave.model.diagnostics import Diagnostic, error
from pave.model.entity import Entity
from pave.model.environment import Environment
from pave.model.names import Ref
from pave.request.intent import (
    AddResource,
    AddResources,
    Converge,
    CreateComponent,
    CreateEnvironment,
    DeleteEnvironment,
    Deploy,
    ImportComponent,
    Intent,
    ReleasePin,
    RemoveResource,
    RemoveStack,
    RestoreResource,
    Rollback,
)

PLATFORM = Ref("group", "default", "platform")
"""The team whose members may do everything."""

SYSTEM = Ref("system", "default", "pave")
"""Pave itself, when it makes the world what Git says."""


@dataclass(frozen=True)
class Standing:
    """What is known about an actor: the teams they are in, with those above them."""

    actor: Ref
    teams: frozenset[Ref]

    @property
    def is_platform(self) -> bool:
        """Whether they may do everything."""
        return self.actor == SYSTEM or PLATFORM in self.teams


def standing(actor: Ref, entities: Mapping[Ref, Entity]) -> Standing:
    """The teams of `actor`, from both `memberOf` and `members`, and their parents."""
    user = entities.get(actor)
    teams = {Ref.parse(str(team), kind="group") for team in (user.spec.get("memberOf") or ())} if user else set()
    for ref, entity in entities.items():
        if ref.kind == "group" and actor in {
            Ref.parse(str(member), kind="user") for member in (entity.spec.get("members") or ())
        }:
            teams.add(ref)
    pending = list(teams)
    while pending:
        group = entities.get(pending.pop())
        parent = group.spec.get("parent") if group else None
        if parent and (above := Ref.parse(str(parent), kind="group")) not in teams:
            teams.add(above)
            pending.append(above)
    return Standing(actor, frozenset(teams))


def refusal(
    who: Standing, intent: Intent, owner: Ref | None, environments: Mapping[str, Environment]
) -> Diagnostic | None:
    """Why `who` may not ask for `intent`, or None. `owner` is the owner of the component it is about."""
    if who.is_platform:
        return None
    match intent:
        case CreateComponent() | ImportComponent():
            wanted = {Ref.parse(intent.owner, kind="group")} if intent.owner else who.teams
            return _unless(bool(wanted & who.teams), who, f"make {intent.name} for a team you are not in", who.teams)
        case CreateEnvironment():
            return _unless(bool(who.teams), who, f"make the environment {intent.name}", who.teams)
        case DeleteEnvironment():
            environment = environments.get(intent.name)
            owners = {environment.owner} if environment else set()
            return _unless(bool(owners & who.teams), who, f"delete the environment {intent.name}", owners)
        case AddResources():
            return _owned(who, intent.resources[0].address.component, owner)
        case AddResource() | RemoveResource() | RestoreResource():
            return _owned(who, intent.address.component, owner)
        case Deploy() | RemoveStack() | Rollback() | ReleasePin() | Converge():
            return _owned(who, intent.stack.component, owner)
    # Reached only if an intent is added to the union and not here.
    return error(f"{type(intent).__name__} is not something that can be asked for")  # type: ignore[unreachable]


def _owned(who: Standing, component: str, owner: Ref | None) -> Diagnostic | None:
    owners = {owner} if owner else set()
    # A component that nobody owns yet belongs to whoever starts it.
    return _unless(owner is None or owner in who.teams or owner == who.actor, who, f"change {component}", owners)


def _unless(allowed: bool, who: Standing, what: str, owners: Collection[Ref]) -> Diagnostic | None:  # noqa: FBT001 — reads as a sentence where it is called
    if allowed:
        return None
    names = ", ".join(sorted(one.short for one in owners)) or PLATFORM.short
    return error(
        f"{who.actor.short} may not {what}",
        detail=f"That is for {names}.",
        remedy=f"Ask a member of {names}, or have yourself added to the team in the platform repository (catalog/).",
    )
