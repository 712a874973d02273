"""The catalog's own values: entities with their owner and the origin of every field, questions and answers.

The catalog is a projection of Git. It never holds what no source says, and it names the source.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pave.model.entity import Entity, Relation
from pave.model.names import Ref


@dataclass(frozen=True)
class Origin:
    """Where a field was read: `repository` is `platform` or a service's; no `path` means that Pave derived it.

    `observed_at` is when this value was first seen there; None until the catalog has kept it.
    """

    repository: str
    path: str = ""
    commit: str = ""
    line: int = 0
    observed_at: datetime | None = None


@dataclass(frozen=True)
class Entry:
    """One entity as the catalog is to hold it.

    `owner` is the answer of the whole fall-back chain; `origins` maps each field (`metadata.title`,
    `spec.owner`) to where it came from; `relations` are those that this entity's document declares.
    """

    entity: Entity
    owner: Ref | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()


@dataclass(frozen=True)
class Neighbour:
    """The other end of a relation; `known` is whether the catalog holds it."""

    type: str
    ref: Ref
    known: bool = True
    title: str = ""


@dataclass(frozen=True)
class Found:
    """One entity as the catalog holds it, with its relations in both directions."""

    entry: Entry
    neighbours: tuple[Neighbour, ...] = ()
    changed_at: datetime | None = None


@dataclass(frozen=True)
class Query:
    """What is looked for: each part narrows. `text` matches the beginnings of words; `after` goes on from a page."""

    text: str = ""
    kind: str = ""
    owner: str = ""
    system: str = ""
    lifecycle: str = ""
    tag: str = ""
    type: str = ""
    namespace: str = ""
    limit: int = 50
    after: str = ""


@dataclass(frozen=True)
class Page:
    """Entities in order; `after` asks for the next page, and is empty on the last."""

    entries: tuple[Entry, ...]
    after: str = ""


@dataclass(frozen=True)
class Dependent:
    """Something that would suffer: `distance` steps away, by a relation of type `type` to `via`."""

    ref: Ref
    distance: int
    type: str
    via: Ref


@dataclass(frozen=True)
class Projected:
    """How many entities a projection wrote and removed; the others were left alone."""

    added: int = 0
    changed: int = 0
    removed: int = 0
