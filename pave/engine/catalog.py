"""The catalog from its sources: platform repository, services' repositories, and what Pave itself made.

Everything is worked out anew from Git and the stacks, so a catalog that was wiped comes back the same.
What two sources claim stays with the first; what no source says any more is gone.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pave.model.backstage import read_entities, relations
from pave.model.catalog import Entry, Origin, Projected
from pave.model.deployment_file import path_of
from pave.model.diagnostics import Diagnostic, Findings, Refused, Source, error
from pave.model.document import read_documents
from pave.model.entity import Entity, Relation
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.model.tree import Tree
from pave.ports import Catalog, PlatformRepository, Repositories, ResourceRecord, StackRecord, Stacks

PLATFORM = "platform"
CATALOG_FILES = ("catalog-info.yaml", "catalog-info.yml")
OWNERS_FILES = ("CODEOWNERS", ".github/CODEOWNERS", ".gitlab/CODEOWNERS", "docs/CODEOWNERS")

_LONGEST_NAME = 63
_EVERYTHING = ("*", "**", "/", "/**")
_OWNER = re.compile(r"@(?:[\w.-]+/)*([\w.-]+)$")

Lines = Mapping[str, int]


@dataclass(frozen=True)
class _Read:
    """What one service repository says about itself at one commit; `lines` are of its entities, in their order."""

    entities: tuple[Entity, ...] = ()
    lines: tuple[Lines, ...] = ()
    findings: tuple[Diagnostic, ...] = ()
    owners_file: str = ""
    owners: tuple[str, ...] = ()


@dataclass
class _Gathering:
    """Entries as they come: the first source of a reference keeps it."""

    entries: dict[Ref, Entry] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)

    def add(self, entry: Entry) -> None:
        there = self.entries.setdefault(entry.entity.ref, entry)
        if there is not entry:
            first, second = _place(there), _place(entry)
            self.findings.add(
                error(
                    f"{entry.entity.ref.short} is claimed by {first} and by {second}",
                    detail=f"The catalog shows the one of {first}.",
                    remedy="Remove or rename one of the two.",
                    source=Source(entry.entity.source.file, entry.entity.source.line),
                    address=str(entry.entity.ref),
                )
            )


class CatalogProjection:
    """Keeps the catalog what its sources say. May be called by several threads."""

    def __init__(
        self, platform: PlatformRepository, repositories: Repositories, stacks: Stacks, catalog: Catalog
    ) -> None:
        self._platform = platform
        self._repositories = repositories
        self._stacks = stacks
        self._catalog = catalog
        self._lock = threading.Lock()
        self._seen: Any = None
        self._read: dict[str, tuple[str, _Read]] = {}
        self._lines: dict[str, tuple[str, Mapping[int, Lines]]] = {}
        self._resources: dict[Address, tuple[Any, Sequence[ResourceRecord]]] = {}
        self.findings: tuple[Diagnostic, ...] = ()

    def refresh(self, snapshot: Snapshot, *, anew: bool = False) -> Projected:
        """Bring the catalog up to date; costs little where no source moved. `anew` looks at it even so.

        What was wrong with the sources stands in `findings` afterwards.
        """
        with self._lock:
            heads = self._heads()
            records = self._stacks.all()
            seen = (snapshot.commit, heads, [(one.address, _state(one)) for one in records])
            if seen == self._seen and not anew:
                return Projected()
            gathering = self._gather(snapshot, heads, records)
            done = self._catalog.project(gathering.entries.values())
            self._seen, self.findings = seen, tuple(gathering.findings)
            return done

    def _heads(self) -> dict[str, str]:
        heads = {}
        for name in self._repositories.names():
            try:
                heads[name] = self._repositories.resolve(name).id
            except Refused:  # no commits yet, or removed this moment: nothing to read
                continue
        return heads

    def _gather(self, snapshot: Snapshot, heads: Mapping[str, str], records: Sequence[StackRecord]) -> _Gathering:
        gathering = _Gathering()
        tree = self._platform.tree(snapshot.commit)
        paths = {one.source.file for one in snapshot.entities.values()} | {path_of(one.address) for one in records}
        changes = self._platform.last_changes(paths, snapshot.commit)
        for entity in snapshot.entities.values():
            file = entity.source.file
            lines = self._lines_of(tree, file).get(entity.source.line, {})
            gathering.add(_entry(entity, Origin(PLATFORM, file, changes.get(file, ""), entity.source.line), lines))
        for name, commit in sorted(heads.items()):
            self._add_service(gathering, snapshot, name, commit)
        for record in records:
            for resource in self._resources_of(record):
                gathering.add(_resource(gathering, snapshot, record, resource, changes))
        self._forget({one.address for one in records}, heads)
        return gathering

    def _forget(self, stacks: set[Address], heads: Mapping[str, str]) -> None:
        self._resources = {address: one for address, one in self._resources.items() if address in stacks}
        self._read = {name: one for name, one in self._read.items() if name in heads}

    def _resources_of(self, record: StackRecord) -> Sequence[ResourceRecord]:
        state = _state(record)
        known = self._resources.get(record.address)
        if known is None or known[0] != state:
            known = self._resources[record.address] = (state, self._stacks.resources(record.address))
        return known[1]

    def _lines_of(self, tree: Tree, file: str) -> Mapping[int, Lines]:
        id_ = tree.id(file)
        known = self._lines.get(file)
        if known is None or known[0] != id_:
            known = self._lines[file] = (id_, _lines(tree.read(file) or b"", file))
        return known[1]

    def _add_service(self, gathering: _Gathering, snapshot: Snapshot, name: str, commit: str) -> None:
        known = self._read.get(name)
        if known is None or known[0] != commit:
            known = self._read[name] = (commit, _read_service(self._repositories.tree(name, commit)))
        read = known[1]
        gathering.findings.extend(
            Diagnostic(**{**vars(one), "source": Source(f"{name}/{one.source.file}", one.source.line)})
            for one in read.findings
        )
        fallback, fallback_origin = _fallback_owner(gathering, snapshot, read, name, commit)
        for entity, lines in zip(read.entities, read.lines, strict=True):
            origin = Origin(name, entity.source.file, commit, entity.source.line)
            entry = _entry(entity, origin, lines)
            gathering.add(entry if entry.owner else _owned(entry, fallback, fallback_origin))
        if not read.entities and Ref("component", "default", name) not in gathering.entries:
            gathering.add(_owned(_entry(_component(name), Origin(name, commit=commit), {}), fallback, fallback_origin))


def _state(record: StackRecord) -> tuple[Any, ...]:
    return (record.inputs, record.run, record.phase, record.applied_at, record.owner)


def _place(entry: Entry) -> str:
    origin = entry.origins["kind"]
    return f"{origin.repository}/{origin.path}" if origin.path else f"the repository {origin.repository}"


def _entry(entity: Entity, origin: Origin, lines: Lines) -> Entry:
    names = ["apiVersion", "kind"]
    names += [f"metadata.{key}" for key in entity.metadata] + [f"spec.{key}" for key in entity.spec]
    origins = {
        name: Origin(origin.repository, origin.path, origin.commit, lines.get(name, origin.line)) for name in names
    }
    try:
        owner = entity.owner
    except Refused:  # it was warned of when the file was read
        owner = None
    return Entry(entity, owner, origins, tuple(sorted(relations([entity]))))


def _owned(entry: Entry, owner: Ref | None, origin: Origin | None) -> Entry:
    """The entry with an owner that its own document does not name."""
    if owner is None or origin is None or entry.entity.kind in ("User", "Group", "Location"):
        return entry
    ref = entry.entity.ref
    added = (Relation(ref, "ownedBy", owner), Relation(owner, "ownerOf", ref))
    return Entry(
        entry.entity, owner, {**entry.origins, "spec.owner": origin}, tuple(sorted({*entry.relations, *added}))
    )


def _component(name: str) -> Entity:
    ref = Ref("component", "default", name)
    metadata = {"name": name, "annotations": {"pave.dev/repository": name}}
    return Entity(ref, "Component", "backstage.io/v1alpha1", metadata, {"type": "service", "lifecycle": "experimental"})


def _fallback_owner(
    gathering: _Gathering, snapshot: Snapshot, read: _Read, name: str, commit: str
) -> tuple[Ref | None, Origin | None]:
    """CODEOWNERS, where it names somebody whom the catalog knows; then the team that made or imported it."""
    for owner in read.owners:
        for kind in ("group", "user"):
            if Ref(kind, "default", owner) in snapshot.entities:
                return Ref(kind, "default", owner), Origin(name, read.owners_file, commit)
    registered = gathering.entries.get(Ref("location", "default", name))
    if registered is not None and registered.entity.spec.get("owner"):
        return registered.owner, registered.origins["spec.owner"]
    return None, None


def _resource(
    gathering: _Gathering,
    snapshot: Snapshot,
    record: StackRecord,
    resource: ResourceRecord,
    changes: Mapping[str, str],
) -> Entry:
    """The entity of something that Pave runs for a stack: owned by whoever owns the component."""
    address = resource.address
    deployment = snapshot.deployments.get(record.address)
    used_by = deployment.component if deployment else Ref("component", "default", address.component)
    component = gathering.entries.get(used_by)
    spec: dict[str, Any] = {"type": resource.type, "dependencyOf": [str(used_by)]}
    owner = component.owner if component is not None and component.owner else None
    if owner is None and record.owner:
        owner = Ref.parse(record.owner, kind="group")
    if component is not None and component.entity.spec.get("system"):
        spec["system"] = component.entity.spec["system"]
    if owner is not None:
        spec["owner"] = str(owner)
    metadata = {
        "name": _resource_name(address),
        "title": str(address),
        "annotations": {"pave.dev/address": str(address), "pave.dev/module": resource.module},
        "labels": {"pave.dev/environment": address.environment},
    }
    ref = Ref("resource", "default", str(metadata["name"]))
    file = path_of(record.address)
    origin = Origin(PLATFORM, file if file in changes else "", changes.get(file, ""))
    return _entry(Entity(ref, "Resource", "backstage.io/v1alpha1", metadata, spec, Source(origin.path)), origin, {})


def _resource_name(address: Address) -> str:
    name = f"{address.environment}.{address.component}.{address.resource}"
    if len(name) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{name[: _LONGEST_NAME - 9].rstrip('.-')}-{digest}"


def _read_service(tree: Tree) -> _Read:
    file = next((one for one in CATALOG_FILES if tree.read(one) is not None), "")
    entities: tuple[Entity, ...] = ()
    findings: tuple[Diagnostic, ...] = ()
    lines: tuple[Lines, ...] = ()
    if file:
        data = tree.read(file) or b""
        entities, findings = read_entities(data, file, tree.read)
        by_line = _lines(data, file)
        lines = tuple(by_line.get(one.source.line, {}) for one in entities)
    owners_file = next((one for one in OWNERS_FILES if tree.read(one) is not None), "")
    owners = tuple(_owners(tree.read(owners_file) or b"")) if owners_file else ()
    return _Read(entities, lines, findings, owners_file, owners)


def _owners(data: bytes) -> Iterable[str]:
    """The owners of everything by a CODEOWNERS file: of several such rules the last one counts, as on GitHub."""
    found: list[str] = []
    for line in data.decode(errors="replace").splitlines():
        pattern, *owners = line.split("#")[0].split() or [""]
        if pattern in _EVERYTHING:
            matches = (_OWNER.match(owner) for owner in owners)
            found = [match[1].lower() for match in matches if match]
    return found


def _lines(data: bytes, file: str) -> Mapping[int, Lines]:
    """For each document of a file, by the line where it begins, the line of every field."""
    found = {}
    for document in read_documents(data, file, Findings()):
        places = {}
        for path, (line, _) in document.places.items():
            if len(path) in (1, 2):
                places[".".join(map(str, path))] = line
        found[document.source().line] = places
    return found
