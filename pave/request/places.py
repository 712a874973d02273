"""Places: what a decision about rights is about, with who owns it and what kind of environment it is in.

`prod/orders/db` is a resource of the stack `prod/orders`, which is the component `orders` in the environment `prod`;
each link of this chain says where it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pave.model.diagnostics import Refused, Source, error
from pave.model.entity import Entity
from pave.model.names import Address, Ref, check_name
from pave.model.people import Reason
from pave.model.snapshot import Snapshot

PLATFORM_REPOSITORY = "platform"
"""What the platform repository is called where repositories are named; no service may be called so."""

DATA_CLASS = "pave.dev/data-class"


@dataclass(frozen=True)
class Place:
    """What somebody wants to do something to.

    `kind` is stack, component, environment, guardrail, platform, new (what is to be made), all (the platform as a
    whole) or somewhere (a place that only the handler knows). `environment` is the kind of the environment, `missing`
    where there is none of that name, empty where none is named. `chain` says whose it is, link by link.
    """

    text: str
    kind: str
    owner: Ref | None = None
    environment: str = ""
    data_class: str = ""
    chain: tuple[Reason, ...] = ()

    def __str__(self) -> str:
        return self.text


ALL = Place("the platform", "all")
SOMEWHERE = Place("", "somewhere")


def owning(entities: Mapping[Ref, Entity], component: str) -> Entity | None:
    """The entity that says who owns a component: its own, or where it is registered; None where nobody does."""
    for kind in ("component", "location"):
        entity = entities.get(Ref(kind, "default", component))
        if entity is not None and entity.owner is not None:
            return entity
    return None


def of_component(snapshot: Snapshot, component: str) -> Place:
    """A component, or the repository of the same name."""
    if component == PLATFORM_REPOSITORY:
        said = Reason(f"{component} is the platform's own repository")
        return Place(component, "platform", chain=(said,))
    entity = owning(snapshot.entities, component)
    owner = entity.owner if entity else None
    if entity is None or owner is None:
        return Place(component, "component", chain=(Reason(f"nobody owns component:{component} yet"),))
    said = Reason(f"{entity.ref.short} is owned by {owner.short}", entity.source)
    return Place(component, "component", owner, data_class=_data_class(snapshot, entity, owner), chain=(said,))


def of_environment(snapshot: Snapshot, name: str) -> Place:
    """An environment."""
    found = snapshot.environments.get(name)
    if found is None:
        return Place(name, "environment", environment="missing", chain=(Reason(f"there is no environment {name}"),))
    said = Reason(f"environment {name} is owned by {found.owner.short}", found.source)
    return Place(name, "environment", found.owner, found.kind, chain=(said, _kind(snapshot, name)))


def of_address(snapshot: Snapshot, address: Address) -> Place:
    """A stack, or a resource in it: whose its component is."""
    within = of_component(snapshot, address.component)
    links = [Reason(f"{address} is in the stack {address.stack}")] if address.resource else []
    links.append(Reason(f"{address.stack} is component:{address.component} in the environment {address.environment}"))
    environment = snapshot.environments.get(address.environment)
    kind = environment.kind if environment else "missing"
    chain = (*links, *within.chain, _kind(snapshot, address.environment))
    return Place(str(address), "stack", within.owner, kind, within.data_class, chain)


def of_guardrail(snapshot: Snapshot, name: str) -> Place:
    """A guardrail: what is waived."""
    found = snapshot.guardrails.get(name)
    if found is None:
        return Place(f"guardrail:{name}", "guardrail", chain=(Reason(f"there is no guardrail {name}"),))
    said = Reason(f"guardrail {name} is owned by {found.owner.short}", found.source)
    return Place(f"guardrail:{name}", "guardrail", found.owner, chain=(said,))


def to_make(snapshot: Snapshot, text: str, owner: str = "", environment: str = "") -> Place:
    """Something that is not there yet, for a team (empty: one's own), in an environment (empty: in none)."""
    wanted = Ref.parse(owner, kind="group") if owner else None
    chain = (Reason(f"{text} would be owned by {wanted.short}"),) if wanted else ()
    kind = ""
    if environment:
        found = snapshot.environments.get(environment)
        kind = found.kind if found else "missing"
        chain = (*chain, _kind(snapshot, environment))
    return Place(text, "new", wanted, kind, chain=chain)


def named(snapshot: Snapshot, text: str) -> Place:
    """The place that people mean by `text`. Raises `Refused` where it cannot be one.

    `prod/orders`, `prod/orders/db`, `orders`, `prod`, `platform`; `component:`, `environment:` or `guardrail:` before
    a name says which is meant, and nothing at all means the platform as a whole.
    """
    kind, colon, name = text.partition(":")
    if not text:
        return ALL
    if colon:
        known = {"component": of_component, "environment": of_environment, "guardrail": of_guardrail}
        if kind not in known:
            remedy = f"Name a stack such as prod/orders, or one of {', '.join(f'{one}:NAME' for one in known)}."
            raise Refused(error(f"{text[:80]!r} is no place", remedy=remedy))
        return known[kind](snapshot, check_name(name, f"a {kind}"))
    if "/" in text:
        return of_address(snapshot, Address.parse(text))
    check_name(text, "a place")
    if text in snapshot.environments:
        return of_environment(snapshot, text)
    if text in snapshot.guardrails and owning(snapshot.entities, text) is None:
        return of_guardrail(snapshot, text)
    return of_component(snapshot, text)


def _kind(snapshot: Snapshot, name: str) -> Reason:
    found = snapshot.environments.get(name)
    if found is None:
        return Reason(f"there is no environment {name}")
    return Reason(f"environment {name} is of the kind {found.kind}", Source(f"environments/{name}.yaml"))


def _data_class(snapshot: Snapshot, entity: Entity, owner: Ref) -> str:
    """What the component says of its data, else its team."""
    team = snapshot.entities.get(owner)
    for one in (entity, team):
        annotations = one.metadata.get("annotations") if one else None
        if isinstance(annotations, Mapping) and (said := annotations.get(DATA_CLASS)):
            return str(said).strip().lower()
    return ""
