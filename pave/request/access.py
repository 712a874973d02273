"""May this actor do that, there? One judge for every door: deny by default, and every answer says why and since where.

Who somebody is follows from the catalog: a role that is written for them, else what their teams make them to a place.
What the role may is in `pave.request.roles`. An agent needs two answers, its own and that of the person it acts for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass

from pave.model.diagnostics import Diagnostic, error
from pave.model.entity import Entity
from pave.model.environment import Environment
from pave.model.names import Ref
from pave.model.people import PLATFORM as PLATFORM  # noqa: PLC0414 — known from here
from pave.model.people import PRINCIPALS, ROLE, People, Reason, Standing
from pave.model.people import SYSTEM as SYSTEM  # noqa: PLC0414 — known from here
from pave.request.places import PLATFORM_REPOSITORY as PLATFORM_REPOSITORY  # noqa: PLC0414 — known from here
from pave.request.places import Place
from pave.request.roles import CONDITIONS, SECRETIVE, TABLE, Condition, Role, Verb


@dataclass(frozen=True)
class Allowed:
    """Yes: by this role, for these reasons."""

    role: Role
    summary: str
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True)
class Denied:
    """No, for these reasons; `needed` are the changes of which any one would make it a yes."""

    summary: str
    reasons: tuple[Reason, ...] = ()
    needed: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()

    def diagnostic(self) -> Diagnostic:
        """The same as every door shows a refusal."""
        why = "; ".join(map(str, self.reasons))
        names = ", ".join(self.owners) or PLATFORM.short
        detail = f"That is for {names}." + (f" What is known: {why}." if why else "")
        return error(
            self.summary,
            detail=detail,
            remedy=f"It would be allowed if {self.needed[0]}." if self.needed else f"Ask a member of {names}.",
        )


Decision = Allowed | Denied


def standing(actor: Ref, entities: Mapping[Ref, Entity]) -> Standing:
    """What is known about `actor`. For many questions on one snapshot, `Snapshot.people` is made once."""
    return People(entities).standing(actor)


def decide(who: Standing, verb: Verb, place: Place) -> Decision:
    """The one judge. What no role of `who` allows at this place is denied, and so is what is not known."""
    if place.kind in ("guardrail", "platform") and verb in _OF_PLACES:
        verb = Verb.ADMINISTER  # to change the platform itself is to administer it
    where = f" {place}" if place.text else ""
    what = f"{verb.value}{where}"
    if who.actor == SYSTEM:
        return Allowed(Role.ENGINEER, f"{SYSTEM.short} may {what}", (Reason("it is Pave itself"),))
    for role in _roles(who, place):
        if (conditions := TABLE[role].get(verb)) is None or not all(_holds(one, who, place) for one in conditions):
            continue
        held = tuple(Reason(CONDITIONS[one]) for one in conditions if one is not Condition.BEHALF)
        reasons = (*_why(who, role, place), *place.chain, *held)
        allowed = Allowed(role, f"{who.actor.short} may {what}", reasons)
        return _both(who, allowed, who.behalf, decide(who.behalf, verb, place)) if who.behalf else allowed
    if verb is Verb.ASK:
        return Allowed(Role.VIEWER, f"{who.actor.short} may ask", (Reason("everybody may ask about themselves"),))
    return _denied(who, verb, place, what)


_OF_PLACES = frozenset({Verb.CREATE, Verb.CHANGE, Verb.DEPLOY, Verb.DELETE, Verb.CONNECT})


def _both(who: Standing, own: Allowed, behalf: Standing, theirs: Decision) -> Decision:
    """What somebody may for a person: rights are what both have."""
    person = behalf.actor.short
    if isinstance(theirs, Denied):
        summary = f"{who.actor.short} acts for {person}, and {theirs.summary}"
        return Denied(summary, (*own.reasons, *theirs.reasons), theirs.needed, theirs.owners)
    return Allowed(own.role, f"{own.summary} for {person}", tuple(dict.fromkeys((*own.reasons, *theirs.reasons))))


def _roles(who: Standing, place: Place) -> Iterator[Role]:
    """What somebody is to a place, the strongest first."""
    if who.actor.kind == "agent":
        if who.known:
            yield Role.AGENT
        return
    if who.role:
        yield from (one for one in (Role.AUDITOR, Role.VIEWER) if one.value == who.role)
        return
    if PLATFORM in who.teams:
        yield Role.ENGINEER
    if place.owner is not None and (place.owner in who.teams or place.owner == who.actor):
        yield Role.OWNER
    if who.teams:
        if place.kind == "somewhere":
            yield Role.OWNER
        yield Role.DEVELOPER


def _holds(condition: Condition, who: Standing, place: Place) -> bool:
    somewhere = place.kind == "somewhere"
    match condition:
        case Condition.NOBODYS:
            return somewhere or (place.owner is None and place.kind in ("component", "stack"))
        case Condition.OWN_TEAM:
            return somewhere or (place.kind in ("new", "all") and (place.owner is None or place.owner in who.teams))
        case Condition.SHARED:
            return somewhere or place.kind == "platform" or _holds(Condition.NOBODYS, who, place)
        case Condition.RULE:
            return somewhere or (place.kind == "guardrail" and place.owner in who.teams)
        case Condition.PERSON:
            return who.actor.kind == "user"
        case Condition.BEHALF:
            return who.behalf is not None and who.behalf.actor.kind == "user"
        case Condition.NOT_PRODUCTION:
            made_nowhere = place.kind == "new" and not place.environment
            return somewhere or made_nowhere or place.environment not in ("", "missing", "production")
        case Condition.OPEN_DATA:
            return place.data_class not in SECRETIVE
    # Reached only if a condition is added and not here.
    return False  # type: ignore[unreachable]


def _why(who: Standing, role: Role, place: Place) -> tuple[Reason, ...]:
    """What makes `who` this role."""
    match role:
        case Role.ENGINEER:
            return who.reasons.get(PLATFORM, ())
        case Role.OWNER if place.owner in who.teams and place.owner is not None:
            return who.reasons.get(place.owner, ())
        case Role.OWNER if place.owner == who.actor:
            return ()  # the place's own chain says it
        case Role.OWNER | Role.DEVELOPER:
            return next(iter(who.reasons.values()), ())
        case Role.AUDITOR | Role.VIEWER:
            return who.written
        case Role.AGENT:
            return (Reason(f"{who.actor.short} is an agent of the catalog", who.source),)


def _denied(who: Standing, verb: Verb, place: Place, what: str) -> Denied:
    """The no, with what is known of who asks, of the place, and with what would make it a yes.

    Whoever may not even read is not told whose the place is.
    """
    summary, actor = f"{who.actor.short} may not {what}", who.actor.short
    if next(_roles(who, place), None) is None:
        needed = f"{actor} were in the catalog, in a team that may"
        return Denied(summary, _nobody(who), (needed,), (PLATFORM.short,))
    if who.role:
        known = who.written
    elif who.actor.kind == "agent":
        known = _why(who, Role.AGENT, place)
    else:
        known = tuple(dict.fromkeys(reason for reasons in who.reasons.values() for reason in reasons))
    owners = (place.owner.short,) if place.owner and verb in TABLE[Role.OWNER] else (PLATFORM.short,)
    return Denied(summary, (*known, *place.chain), tuple(dict.fromkeys(_needed(who, verb, place))), owners)


def _nobody(who: Standing) -> tuple[Reason, ...]:
    """Why somebody has no role at all."""
    if not who.known:
        return (Reason(f"{who.actor.short} is not in the catalog"),)
    return who.written or (Reason(f"{who.actor.short} is in no team", who.source),)


def _needed(who: Standing, verb: Verb, place: Place) -> Iterator[str]:
    """Which changes would each allow it."""
    actor = who.actor.short
    if who.actor.kind == "agent":
        yield from _needed_of_agent(who, verb, place)
        return
    if who.role:
        yield f"{ROLE} said nothing about {actor}, whose teams would count then"
    roles = {role: conditions for role in Role if (conditions := TABLE[role].get(verb)) is not None}
    if Role.OWNER in roles and place.owner is not None and _others_hold(roles[Role.OWNER], who, place):
        yield f"{actor} were a member of {place.owner.short}"
    for condition in roles.get(Role.OWNER, ()):
        if condition is Condition.PERSON and not _holds(condition, who, place):
            yield "a person asked"
    if Role.ENGINEER in roles and _others_hold(roles[Role.ENGINEER], who, place):
        yield f"{actor} were a member of {PLATFORM.short}"
    if Role.AUDITOR in roles and Role.OWNER not in roles:
        yield f"{actor} had the annotation {ROLE}: auditor"


def _needed_of_agent(who: Standing, verb: Verb, place: Place) -> Iterator[str]:
    conditions = TABLE[Role.AGENT].get(verb)
    if conditions is None:
        yield "a person asked"
        return
    for one in conditions:
        if not _holds(one, who, place):
            yield CONDITIONS[one]


def _others_hold(conditions: Collection[Condition], who: Standing, place: Place) -> bool:
    """Whether only the membership is missing."""
    with_team = {Condition.RULE, Condition.OWN_TEAM}
    return all(_holds(one, who, place) or one in with_team for one in conditions)


Owner = Callable[[str], Ref | None]
"""Tells the owner of a component."""


def refusal_of_paths(
    who: Standing,
    paths: Collection[str],
    owner_of: Owner,
    environments: Mapping[str, Environment],
    waived: Mapping[str, Ref] | None = None,
) -> Diagnostic | None:
    """Why `who` may not change these files of the platform repository, or None.

    A deployment and a component's entry are for those who own the component, an environment is for those who own
    it, a waiver for those who own its guardrail (`waived` tells whose, by path), and where a team or a person is
    reached is for them; modules, templates, guardrails, alerts, people and everything else are for the platform's own
    team.
    """
    if who.is_platform:
        return None
    if who.actor.kind == "agent":
        return error(f"{who.actor.short} may not merge this", detail="A person merges what an agent proposed.")
    for path in sorted(paths):
        owner = (waived or {}).get(path) or _owner_of_path(path, owner_of, environments)
        if who.role or owner is None or (owner not in who.teams and owner != who.actor):
            return _refused(who, f"change {path}", {owner} if owner else set())
    return None


def refusal_of_entities(who: Standing, refs: Collection[Ref], owner_of: Owner) -> Diagnostic | None:
    """Why `who` may not write these entities, whatever file they stand in, or None.

    Who is in which team, and what is whose, decides about rights: people, teams, agents and service accounts are for
    the platform's own team alone, and what belongs to another team is not claimed from a file of one's own.
    """
    if who.is_platform:
        return None
    people = sorted(str(one) for one in refs if one.kind in PRINCIPALS)
    if people:
        return _refused(who, f"change who is in {', '.join(people)}", {PLATFORM})
    for one in sorted(one for one in refs if one.kind in ("component", "location")):
        owner = owner_of(one.name)
        if who.role or (owner is not None and owner not in who.teams and owner != who.actor):
            return _refused(who, f"change {one.name}", {owner} if owner else set())
    return None


def refusal_to_waive(who: Standing, paths: Collection[str], authors: Mapping[Ref, str]) -> Diagnostic | None:
    """Why `who` may not merge these waivers, which were written by `authors` (what each did), or None.

    Whoever wrote an exception is never the only one who looked at it, on the platform's own team either.
    """
    if not paths:
        return None
    names = ", ".join(sorted(paths))
    if who.actor.kind != "user":
        return error(f"{who.actor.short} is no person, and only a person may merge {names}")
    if who.actor not in authors:
        return None
    return error(
        f"{who.actor.short} may not merge {names} alone",
        detail=f"{who.actor.short} {authors[who.actor]}, and an exception takes a second person.",
        remedy="Ask another member of the team that owns the guardrail to merge it: pave change merge.",
    )


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


def _refused(who: Standing, what: str, owners: Collection[Ref]) -> Diagnostic:
    names = ", ".join(sorted(one.short for one in owners)) or PLATFORM.short
    return error(
        f"{who.actor.short} may not {what}",
        detail=f"That is for {names}.",
        remedy=f"Ask a member of {names}, or have yourself added to the team in the platform repository (catalog/).",
    )
