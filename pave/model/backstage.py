"""Reads Backstage's `catalog-info.yaml` as it is: eight kinds, templates, AI resources, and kinds of other owners.

Each document of a file stands alone: a bad one is reported and the others are read. A kind that Backstage does not
know under its own apiVersion is refused, because it is a mistake; one of another apiVersion is kept as it is.
Source: backstage/backstage, descriptor-format.md and catalog-model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from pave.model import schema
from pave.model.diagnostics import Diagnostic, Findings, Refused, error, warning
from pave.model.document import Document, read_documents, show
from pave.model.entity import Entity, Relation
from pave.model.names import Ref
from pave.model.signing import wrong_keys
from pave.model.substitution import Include, substitute

CATALOG_KINDS = (
    "AiResource",
    "API",
    "Component",
    "Domain",
    "Group",
    "Location",
    "Resource",
    "System",
    "User",
)
KINDS: Mapping[str, tuple[str, ...]] = {
    "backstage.io/v1alpha1": CATALOG_KINDS,
    "backstage.io/v1beta1": CATALOG_KINDS,
    "scaffolder.backstage.io/v1beta3": ("Template",),
}
_BACKSTAGE = re.compile(r"(?:[a-z0-9.-]+\.)?backstage\.io/")

# kind → field → (relation, its inverse, the kind of a bare name)
_OWNER = {"owner": ("ownedBy", "ownerOf", "group")}
_SYSTEM = {"system": ("partOf", "hasPart", "system")}
_DEPENDS = {
    "dependsOn": ("dependsOn", "dependencyOf", "component"),
    "dependencyOf": ("dependencyOf", "dependsOn", "component"),
}
RELATIONS: Mapping[str, Mapping[str, tuple[str, str, str]]] = {
    "Component": {
        **_OWNER,
        **_SYSTEM,
        **_DEPENDS,
        "subcomponentOf": ("partOf", "hasPart", "component"),
        "providesApis": ("providesApi", "apiProvidedBy", "api"),
        "consumesApis": ("consumesApi", "apiConsumedBy", "api"),
    },
    "API": {**_OWNER, **_SYSTEM},
    "Resource": {**_OWNER, **_SYSTEM, **_DEPENDS},
    "AiResource": {**_OWNER, **_SYSTEM},
    "System": {**_OWNER, "domain": ("partOf", "hasPart", "domain")},
    "Domain": {**_OWNER, "subdomainOf": ("partOf", "hasPart", "domain")},
    "Template": _OWNER,
    "Group": {
        "parent": ("childOf", "parentOf", "group"),
        "children": ("parentOf", "childOf", "group"),
        "members": ("hasMember", "memberOf", "user"),
    },
    "User": {"memberOf": ("memberOf", "hasMember", "group")},
}
"""Which fields of a kind relate it to others."""


def read_entities(data: bytes, file: str, include: Include) -> tuple[tuple[Entity, ...], tuple[Diagnostic, ...]]:
    """The entities of a file, and everything that is wrong with the documents that are not among them.

    `file` is the path from the repository's root; `include` reads other files of it, for `$text` and the like.
    """
    findings = Findings()
    documents = [one for one in read_documents(data, file, findings) if one.data is not None]
    entities = [_entity(one, include, findings) for one in documents]
    return tuple(one for one in entities if one is not None), tuple(findings)


def _entity(document: Document, include: Include, findings: Findings) -> Entity | None:
    own = Findings()
    found = _checked(document, include, own)
    findings.extend(own)
    if found is None or own.errors:
        return None
    data = found.data
    metadata = data["metadata"]
    ref = Ref(data["kind"].lower(), metadata.get("namespace", "default").lower(), metadata["name"].lower())
    entity = Entity(ref, data["kind"], data["apiVersion"], metadata, data.get("spec", {}), document.source())
    findings.extend(
        warning(
            f"{value!r} is not an entity reference",
            remedy="A reference is [kind:][namespace/]name.",
            source=document.source(("spec", field)),
            path=show(("spec", field)),
        )
        for field, value in _broken_references(entity)
    )
    return entity


def _checked(document: Document, include: Include, findings: Findings) -> Document | None:
    """The document with its substitutions, if it is an entity; otherwise the reasons stand in `findings`."""
    data = document.data
    missing = [key for key in ("apiVersion", "kind", "metadata") if not isinstance(data, dict) or key not in data]
    if len(missing) > 1 or "kind" in missing:
        findings.add(
            document.error(
                (),
                f"it is no catalog entity: {', '.join(missing)} missing",
                detail="It looks like another tool's file of the same name.",
                remedy="An entity begins with apiVersion: backstage.io/v1alpha1, kind and metadata.",
            )
        )
        return None
    document = substitute(document, include, findings)
    if not schema.check(document, "backstage#envelope", findings):
        return None
    api_version, kind = document.data["apiVersion"], document.data["kind"]
    known = KINDS.get(api_version)
    if known is None:
        if _BACKSTAGE.match(api_version):
            remedy = schema.nearest(api_version, list(KINDS))
            findings.add(
                document.error(("apiVersion",), f"the apiVersion {api_version} is not supported", remedy=remedy)
            )
            return None
        return document
    if kind not in known:
        findings.add(
            document.error(
                ("kind",), f"there is no kind {kind} under {api_version}", remedy=schema.nearest(kind, list(known))
            )
        )
        return None
    if not schema.check(document, f"backstage#{kind}", findings):
        return None
    if kind == "User":
        findings.extend(wrong_keys(document))
    return document


def relations(entities: Iterable[Entity]) -> frozenset[Relation]:
    """Every relation that the entities state, each in both directions, whether or not its target is there."""
    found = set()
    for entity in entities:
        for field, value in _references(entity):
            name, inverse, kind = RELATIONS[entity.kind][field]
            try:
                target = Ref.parse(value, kind=kind, namespace=entity.ref.namespace)
            except Refused:
                continue  # it was warned of when the entity was read
            found.add(Relation(entity.ref, name, target))
            found.add(Relation(target, inverse, entity.ref))
    return frozenset(found)


def _references(entity: Entity) -> Iterator[tuple[str, str]]:
    for field in RELATIONS.get(entity.kind, {}):
        value = entity.spec.get(field)
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                yield field, one


def _broken_references(entity: Entity) -> Iterator[tuple[str, str]]:
    for field, value in _references(entity):
        try:
            Ref.parse(value)
        except Refused:
            yield field, value


def refuse_duplicates(entities: Iterable[Entity], findings: Findings) -> dict[Ref, Entity]:
    """Entities by reference; of two with the same one the first stays and the second is reported."""
    found: dict[Ref, Entity] = {}
    for entity in entities:
        if entity.ref in found:
            findings.add(
                error(
                    f"{entity.ref} is already defined in {found[entity.ref].source}",
                    remedy="Give one of them another name or namespace.",
                    source=entity.source,
                )
            )
        else:
            found[entity.ref] = entity
    return found
