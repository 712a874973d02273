"""The catalog: everything there is, who owns it, what depends on it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Operation
from pave.engine.product.usage import note_missed
from pave.model.catalog import Entry, Origin, Query
from pave.model.diagnostics import Unknown, error
from pave.model.names import Ref
from pave.observe.demand import SEARCH
from pave.request.roles import Verb


class Search(BaseModel):
    """What is looked for; each part narrows."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field("", description="Words, or their beginnings.")
    kind: str = Field("", description="component, api, resource, system, domain, group, user, template, location.")
    owner: str = Field("", description="Only what this team or user owns.")
    system: str = ""
    lifecycle: str = ""
    tag: str = ""
    type: str = ""
    limit: int = Field(50, ge=1, le=500)
    after: str = Field("", description="Where the last page ended.")


class EntityView(BaseModel):
    """An entity, as a list shows it."""

    ref: str
    kind: str
    title: str
    description: str = ""
    owner: str = ""
    type: str = ""


class EntityPage(BaseModel):
    """Entities, and where the next page begins."""

    entities: list[EntityView]
    after: str = ""


class OriginView(BaseModel):
    """Where a field was read, and since when it says so."""

    repository: str
    path: str = ""
    commit: str = ""
    line: int = 0
    observed_at: str = ""


class NeighbourView(BaseModel):
    """The other end of a relation."""

    type: str
    ref: str
    known: bool
    title: str = ""


class EntityDetail(EntityView):
    """An entity whole: its document, relations both ways, the origin and age of every field."""

    document: dict[str, Any]
    relations: list[NeighbourView]
    origins: dict[str, OriginView]


class OneEntity(BaseModel):
    """Names an entity."""

    model_config = ConfigDict(extra="forbid")

    ref: str = Field(description="[kind:][namespace/]name; component where no kind is said.")


class DependentView(BaseModel):
    """Something that would be hit."""

    ref: str
    distance: int
    via: str


class Dependents(BaseModel):
    """Everything that depends on an entity, nearest first."""

    dependents: list[DependentView]


def _view(entry: Entry) -> dict[str, Any]:
    entity = entry.entity
    return {
        "ref": str(entity.ref),
        "kind": entity.kind,
        "title": entity.title,
        "description": entity.description,
        "owner": str(entry.owner or ""),
        "type": str(entity.spec.get("type") or ""),
    }


def _search(context: Context, given: Search) -> EntityPage:
    page = context.world.catalog.search(Query(**given.model_dump()))
    if given.text and not page.entries and not given.after:
        note_missed(context.world, SEARCH, given.text, context.call.actor)
    return EntityPage(entities=[EntityView(**_view(one)) for one in page.entries], after=page.after)


def _show(context: Context, given: OneEntity) -> EntityDetail:
    found = context.world.catalog.get(Ref.parse(given.ref))
    if found is None:
        raise Unknown(error(f"The catalog has no {given.ref}", remedy=f"Look for it: pave catalog {given.ref}."))
    entity = found.entry.entity
    return EntityDetail(
        **_view(found.entry),
        document={
            "apiVersion": entity.api_version,
            "kind": entity.kind,
            "metadata": dict(entity.metadata),
            "spec": dict(entity.spec),
        },
        relations=[
            NeighbourView(type=one.type, ref=str(one.ref), known=one.known, title=one.title) for one in found.neighbours
        ],
        origins={name: _origin(one) for name, one in found.entry.origins.items()},
    )


def _origin(one: Origin) -> OriginView:
    return OriginView(
        repository=one.repository,
        path=one.path,
        commit=one.commit,
        line=one.line,
        observed_at=one.observed_at.isoformat() if one.observed_at else "",
    )


def _dependents(context: Context, given: OneEntity) -> Dependents:
    return Dependents(
        dependents=[
            DependentView(ref=str(one.ref), distance=one.distance, via=str(one.via))
            for one in context.world.catalog.dependents(Ref.parse(given.ref))
        ]
    )


_READ: dict[str, Any] = {"scopes": ("catalog:read",), "read_only": True, "verb": Verb.READ}

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="entity.search",
        summary="Find services, APIs, resources, teams and people",
        rest="GET /entities",
        cli="catalog [{text}]",
        input=Search,
        output=EntityPage,
        handler=_search,
        examples=("pave catalog orders", "pave catalog --kind component --owner group:default/payments"),
        **_READ,
    ),
    Operation(
        name="entity.dependents",
        summary="Who is hit if this is down",
        rest="GET /entities/{ref:path}/dependents",
        cli="dependents {ref}",
        input=OneEntity,
        output=Dependents,
        handler=_dependents,
        **_READ,
    ),
    Operation(
        name="entity.show",
        summary="One entity: owner, relations, and where each field comes from",
        rest="GET /entities/{ref:path}",
        cli="describe {ref}",
        input=OneEntity,
        output=EntityDetail,
        handler=_show,
        examples=("pave describe component:orders",),
        **_READ,
    ),
)
