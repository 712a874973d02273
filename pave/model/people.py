"""People as the catalog has them: who is there, in which teams, by what is written where.

One index over all entities answers in microseconds; it is made once for a snapshot. It decides nothing: what a team
or a written role allows is in `pave.request`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from pave.model.diagnostics import Diagnostic, Refused, Source, error, warning
from pave.model.entity import Entity
from pave.model.names import Ref
from pave.model.schema import nearest

PLATFORM = Ref("group", "default", "platform")
"""The team whose members may do everything."""

SYSTEM = Ref("system", "default", "pave")
"""Pave itself, when it makes the world what Git says."""

ROLE = "pave.dev/role"
"""The annotation of a User or a Group that says a role instead of letting it follow from the teams."""

WRITTEN = ("viewer", "auditor")
"""The roles that can be written. The others follow from teams and from what somebody is."""

PRINCIPALS = ("user", "group", "agent", "serviceaccount")
"""The kinds of entities that decide about rights: only the platform's own team writes them."""


@dataclass(frozen=True)
class Reason:
    """One fact that a decision rests on, and where in the platform repository it is written."""

    said: str
    source: Source = field(default_factory=Source)

    def __str__(self) -> str:
        return f"{self.said} ({self.source})" if str(self.source) else self.said


@dataclass(frozen=True)
class Standing:
    """What is known about an actor: their teams with those above them, and why; the role that is written for them.

    `known` says that they are in the catalog. `behalf` is the person that an agent acts for.
    """

    actor: Ref
    teams: frozenset[Ref]
    reasons: Mapping[Ref, tuple[Reason, ...]] = field(default_factory=dict, compare=False)
    role: str = ""
    written: tuple[Reason, ...] = field(default=(), compare=False)
    known: bool = True
    source: Source = field(default_factory=Source, compare=False)
    behalf: Standing | None = None

    @property
    def is_platform(self) -> bool:
        """Whether they may do everything. No agent may, whichever team it was written into."""
        return self.actor == SYSTEM or (PLATFORM in self.teams and not self.role and self.actor.kind != "agent")


class People:
    """Who is in which team, from `memberOf` and `members`, and which roles are written."""

    def __init__(self, entities: Mapping[Ref, Entity]) -> None:
        self._entities = entities
        self._members: dict[Ref, list[Ref]] = defaultdict(list)
        self._found: dict[Ref, Standing] = {}
        for ref, entity in entities.items():
            if ref.kind == "group":
                for member in _references(entity, "members", "user"):
                    self._members[member].append(ref)

    def standing(self, actor: Ref, behalf: Ref | None = None) -> Standing:
        """What is known about an actor, and about the person that they act for."""
        found = self._found.get(actor)
        if found is None:
            found = self._found[actor] = self._standing(actor)
        if behalf is None:
            return found
        return replace(found, behalf=self.standing(behalf))

    def source(self, ref: Ref) -> Source:
        """Where an entity is written; nothing where there is none."""
        entity = self._entities.get(ref)
        return entity.source if entity else Source()

    def _standing(self, actor: Ref) -> Standing:
        entity = self._entities.get(actor)
        teams = {one.team: one.reasons for one in self._teams(actor)}
        written = list(self._written(actor, teams))
        role = next((role for role, _ in written if role == "auditor"), written[0][0] if written else "")
        reasons = tuple(reason for found, reason in written if found == role)
        source = entity.source if entity else Source()
        return Standing(actor, frozenset(teams), teams, role, reasons, entity is not None or bool(teams), source)

    def _teams(self, actor: Ref) -> Iterator[_Membership]:
        """Every team once, nearest first, with the way there."""
        pending = list(self._direct(actor))
        seen: set[Ref] = set()
        while pending:
            one = pending.pop(0)
            if one.team in seen:
                continue
            seen.add(one.team)
            yield one
            group = self._entities.get(one.team)
            for above in _references(group, "parent", "group") if group else ():
                said = Reason(f"{one.team.short} is part of {above.short}", group.source if group else Source())
                pending.append(_Membership(above, (*one.reasons, said)))

    def _direct(self, actor: Ref) -> Iterator[_Membership]:
        entity = self._entities.get(actor)
        for team in _references(entity, "memberOf", "group") if entity else ():
            source = entity.source if entity else Source()
            yield _Membership(team, (Reason(f"{actor.short} is a member of {team.short}", source),))
        for team in self._members.get(actor, ()):
            yield _Membership(team, (Reason(f"{team.short} has the member {actor.short}", self.source(team)),))

    def _written(self, actor: Ref, teams: Mapping[Ref, tuple[Reason, ...]]) -> Iterator[tuple[str, Reason]]:
        """Roles that are written: one's own counts alone, else all that one's teams say."""
        own = self._entities.get(actor)
        text = role_of(own) if own else ""
        if own and text:
            yield text, Reason(f"{actor.short} is written down as {text}", own.source)
            return
        for team in teams:
            group = self._entities.get(team)
            if group and (text := role_of(group)):
                yield text, Reason(f"the members of {team.short} are written down as {text}", group.source)


@dataclass(frozen=True)
class _Membership:
    team: Ref
    reasons: tuple[Reason, ...]


def role_of(entity: Entity) -> str:
    """The role that an entity's annotation says, whether or not there is such a role."""
    annotations = entity.metadata.get("annotations")
    said = annotations.get(ROLE) if isinstance(annotations, Mapping) else None
    return str(said).strip().lower() if said else ""


def wrong_roles(entities: Mapping[Ref, Entity]) -> Iterator[Diagnostic]:
    """Annotations that say a role which cannot be written. Whoever has one may nothing until it is corrected."""
    for ref, entity in entities.items():
        text = role_of(entity)
        if not text:
            continue
        if ref.kind not in ("user", "group"):
            summary = f"{ROLE} says nothing about {ref.short}, which is neither a person nor a team"
            yield warning(summary, remedy="Remove it.", source=entity.source)
        elif text not in WRITTEN:
            yield error(
                f"{ref.short} has the role {text[:40]!r}, which cannot be written",
                detail="Whoever has it may do nothing.",
                remedy=nearest(text, list(WRITTEN)) or f"Write {' or '.join(WRITTEN)}; teams say the rest.",
                source=entity.source,
                path=f"metadata.annotations.{ROLE}",
            )


def _references(entity: Entity, key: str, kind: str) -> Iterator[Ref]:
    """The references in a field; what is none was warned of when the entity was read."""
    value = entity.spec.get(key)
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, str) and one:
            try:
                yield Ref.parse(one, kind=kind)
            except Refused:
                continue
