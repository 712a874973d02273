"""Who may ask for what: ownership decides, and the platform's own team may do everything.

Deny by default: an actor that is not in the catalog, or a wish that is not recognised, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from pave.model.diagnostics import Diagnostic, error
from pave.model.entity import Entity
from pave.model.environment import Environment
from pave.model.names import Ref
from pave.request.intent import (
    AddResource,
    AddResources,
    Advance,
    CheckChange,
    Converge,
    CreateComponent,
    CreateEnvironment,
    DeleteEnvironment,
    Deploy,
    ExtendEnvironment,
    ImportComponent,
    Intent,
    MergeChange,
    Promote,
    ReleasePin,
    RemoveResource,
    RemoveStack,
    RestoreResource,
    Rollback,
    RollbackAll,
    Sleep,
    Wake,
)

PLATFORM = Ref("group", "default", "platform")
"""The team whose members may do everything."""

PLATFORM_REPOSITORY = "platform"
"""What the platform repository is called where repositories are named; no service may be called so."""

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


Owner = Callable[[str], Ref | None]
"""Tells the owner of a component."""


def refusal(
    who: Standing, intent: Intent, owner_of: Owner, environments: Mapping[str, Environment]
) -> Diagnostic | None:
    """Why `who` may not ask for `intent`, or None."""
    if who.is_platform:
        return None
    match intent:
        case CreateComponent() | ImportComponent():
            wanted = {Ref.parse(intent.owner, kind="group")} if intent.owner else who.teams
            return _unless(bool(wanted & who.teams), who, f"make {intent.name} for a team you are not in", who.teams)
        case CreateEnvironment():
            return _unless(bool(who.teams), who, f"make the environment {intent.name}", who.teams)
        case DeleteEnvironment() | ExtendEnvironment():
            environment = environments.get(intent.name)
            owners = {environment.owner} if environment else set()
            word = "delete" if isinstance(intent, DeleteEnvironment) else "extend"
            return _unless(bool(owners & who.teams), who, f"{word} the environment {intent.name}", owners)
        case AddResources():
            return _owned(who, intent.resources[0].address.component, owner_of)
        case AddResource() | RemoveResource() | RestoreResource():
            return _owned(who, intent.address.component, owner_of)
        case RollbackAll():
            found = (_owned(who, one.stack.component, owner_of) for one in intent.stacks)
            return next((one for one in found if one is not None), None)
        case CheckChange() | MergeChange():
            # Whoever is in the catalog may propose; what a merge to the platform may touch, its paths decide.
            platform = intent.repository == PLATFORM_REPOSITORY
            return _in_a_team(who) if platform else _owned(who, intent.repository, owner_of)
        case Deploy() | Promote() | RemoveStack() | Rollback() | ReleasePin() | Converge():
            return _owned(who, intent.stack.component, owner_of)
        case Advance() | Sleep() | Wake():
            return _owned(who, intent.stack.component, owner_of)
    # Reached only if an intent is added to the union and not here.
    return error(f"{type(intent).__name__} is not something that can be asked for")  # type: ignore[unreachable]


def refusal_to_push(who: Standing, repository: str, owner_of: Owner, *, write: bool) -> Diagnostic | None:
    """Why `who` may not read from, or push to, a repository; None where they may. Everybody in a team may read."""
    if who.is_platform:
        return None
    if not write or repository == PLATFORM_REPOSITORY:
        return _in_a_team(who)
    return _owned(who, repository, owner_of)


def refusal_of_paths(
    who: Standing, paths: Collection[str], owner_of: Owner, environments: Mapping[str, Environment]
) -> Diagnostic | None:
    """Why `who` may not change these files of the platform repository, or None.

    A deployment and a component's entry are for those who own the component, an environment is for those who own
    it, and where a team or a person is reached is for them; modules, templates, guardrails, alerts, people and
    everything else are for the platform's own team.
    """
    if who.is_platform:
        return None
    for path in sorted(paths):
        owner = _owner_of_path(path, owner_of, environments)
        if owner is None or (owner not in who.teams and owner != who.actor):
            return _unless(False, who, f"change {path}", {owner} if owner else set())  # noqa: FBT003 — see _unless
    return None


def refusal_of_entities(who: Standing, refs: Collection[Ref], owner_of: Owner) -> Diagnostic | None:
    """Why `who` may not write these entities, whatever file they stand in, or None.

    Who is in which team, and what is whose, decides about rights: people and teams are for the platform's own team
    alone, and what belongs to another team is not claimed from a file of one's own.
    """
    if who.is_platform:
        return None
    people = sorted(str(one) for one in refs if one.kind in ("user", "group"))
    if people:
        return _unless(False, who, f"change who is in {', '.join(people)}", {PLATFORM})  # noqa: FBT003 — see _unless
    claimed = (one for one in sorted(refs) if one.kind in ("component", "location"))
    return next((problem for one in claimed if (problem := _owned(who, one.name, owner_of)) is not None), None)


def _owner_of_path(path: str, owner_of: Owner, environments: Mapping[str, Environment]) -> Ref | None:
    folder, _, rest = path.partition("/")
    name = rest.rpartition("/")[2].removesuffix(".yaml")
    if folder == "deployments" or path.startswith("catalog/components/"):
        return owner_of(name)
    if folder == "environments" and name in environments:
        return environments[name].owner
    if folder == "notifications" and rest == f"{(kind := rest.partition('/')[0])}/{name}.yaml":
        return Ref(kind, "default", name)
    return None


def _in_a_team(who: Standing) -> Diagnostic | None:
    return _unless(bool(who.teams), who, "see what is in here without being in a team", ())


def _owned(who: Standing, component: str, owner_of: Owner) -> Diagnostic | None:
    owner = owner_of(component)
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
