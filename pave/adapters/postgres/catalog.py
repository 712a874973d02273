"""The catalog on PostgreSQL: a projection that is searched in the database and written only where it differs.

Nothing here decides what the catalog says: entries come whole, with their owner, origins and relations.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import REAL, Connection, Engine, Select, cast, delete, func, select, text, tuple_

from pave.adapters.postgres.schema import entities, relations
from pave.model.catalog import Dependent, Entry, Found, Neighbour, Origin, Page, Projected, Query
from pave.model.diagnostics import Refused, Source, error
from pave.model.entity import Entity
from pave.model.names import Ref

_MOST = 500
_CHUNK = 1000
_WORD = re.compile(r"\w+")
_COLUMNS = (entities.c.ref, entities.c.owner, entities.c.document, entities.c.fields)

_LOCK = "SELECT pg_advisory_xact_lock(7284)"

_WRITE_ENTITIES = """
INSERT INTO entities (ref, kind, namespace, name, title, description, owner, type, lifecycle, system, tags, words,
                      document, fields, digest, changed_at)
SELECT ref, kind, namespace, name, title, description, owner, type, lifecycle, system, tags, words,
       document, fields, digest, changed_at
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (
       ref text, kind text, namespace text, name text, title text, description text, owner text, type text,
       lifecycle text, system text, tags text[], words text, document jsonb, fields jsonb, digest text,
       changed_at timestamptz)
    ON CONFLICT (ref) DO UPDATE SET
       title = excluded.title, description = excluded.description, owner = excluded.owner, type = excluded.type,
       lifecycle = excluded.lifecycle, system = excluded.system, tags = excluded.tags, words = excluded.words,
       document = excluded.document, fields = excluded.fields, digest = excluded.digest,
       changed_at = excluded.changed_at
"""

_WRITE_RELATIONS = """
INSERT INTO relations (declared_by, source, type, target)
SELECT declared_by, source, type, target
  FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (declared_by text, source text, type text, target text)
    ON CONFLICT DO NOTHING
"""

# What fails with X: whatever depends on it, consumes it as an API, or is an API that it provides.
_DEPENDENTS = """
WITH RECURSIVE hit (ref, distance, type, via) AS (
    SELECT CAST(:ref AS text), 0, '', ''
  UNION
    SELECT relations.target, hit.distance + 1, relations.type, hit.ref
      FROM hit
      JOIN relations ON relations.source = hit.ref
       AND relations.type IN ('dependencyOf', 'apiConsumedBy', 'providesApi')
     WHERE hit.distance < 32
)
SELECT DISTINCT ON (ref) ref, distance, type, via
  FROM hit
 WHERE ref <> :ref
 ORDER BY ref, distance, via
"""
_SEEN_FROM_THERE = {"dependencyOf": "dependsOn", "apiConsumedBy": "consumesApi", "providesApi": "apiProvidedBy"}


class PostgresCatalog:
    """Implements `pave.ports.Catalog`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def project(self, entries: Iterable[Entry]) -> Projected:
        """Make the catalog hold exactly these entities; only what differs is written."""
        wanted = {str(one.entity.ref): one for one in entries}
        digests = {ref: _digest(one) for ref, one in wanted.items()}
        with self._engine.begin() as connection:
            connection.execute(text(_LOCK))
            there = {row.ref: row.digest for row in connection.execute(select(entities.c.ref, entities.c.digest))}
            removed = sorted(there.keys() - wanted.keys())
            changed = sorted(ref for ref, digest in digests.items() if ref in there and there[ref] != digest)
            added = sorted(wanted.keys() - there.keys())
            for refs in _chunks(removed):
                connection.execute(delete(entities).where(entities.c.ref.in_(refs)))
            for refs in _chunks([*changed, *added]):
                _write(connection, {ref: wanted[ref] for ref in refs}, digests)
        if len(added) + len(changed) > _CHUNK:
            with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ANALYZE entities, relations"))
        return Projected(len(added), len(changed), len(removed))

    def get(self, ref: Ref) -> Found | None:
        """One entity with its relations in both directions."""
        one = select(*_COLUMNS, entities.c.changed_at).where(entities.c.ref == str(ref))
        around = (
            select(relations.c.type, relations.c.target, entities.c.ref, entities.c.title)
            .outerjoin(entities, entities.c.ref == relations.c.target)
            .where(relations.c.source == str(ref))
            .distinct()
            .order_by(relations.c.type, relations.c.target)
        )
        with self._engine.connect() as connection:
            row = connection.execute(one).one_or_none()
            if row is None:
                return None
            neighbours = tuple(
                Neighbour(near.type, Ref.parse(near.target), near.ref is not None, near.title or "")
                for near in connection.execute(around)
            )
        return Found(_entry(row), neighbours, row.changed_at)

    def search(self, query: Query) -> Page:
        """Entities by rank where there is a text, else by name. Raises `Refused` for a cursor that is none."""
        limit = min(max(query.limit, 1), _MOST)
        words = _words(query.text)
        wanted = _narrowed(select(*_COLUMNS, entities.c.name), query)
        cursor = _read_cursor(query.after, 3 if words else 2) if query.after else ()
        if words:
            rank = func.ts_rank(entities.c.search, func.to_tsquery("simple", words))
            falling = (-rank).label("falling")
            wanted = wanted.add_columns(falling).order_by(falling, entities.c.name, entities.c.ref)
            if cursor:
                place = tuple_(cast(cursor[0], REAL), cursor[1], cursor[2])
                wanted = wanted.where(tuple_(-rank, entities.c.name, entities.c.ref) > place)
        else:
            wanted = wanted.order_by(entities.c.name, entities.c.ref)
            if cursor:
                wanted = wanted.where(tuple_(entities.c.name, entities.c.ref) > tuple_(*cursor))
        with self._engine.connect() as connection:
            rows = connection.execute(wanted.limit(limit + 1)).all()
        after = ""
        if len(rows) > limit:
            last = rows[limit - 1]
            after = _cursor([*([repr(last.falling)] if words else []), last.name, last.ref])
        return Page(tuple(_entry(row) for row in rows[:limit]), after)

    def facets(self, query: Query) -> Mapping[str, Mapping[str, int]]:
        """How many entities of the answer have each kind, type, owner, system, lifecycle and tag."""
        columns = [entities.c[name] for name in ("kind", "type", "owner", "system", "lifecycle")]
        counted = _narrowed(select(*columns, func.count().label("many")), query).group_by(
            func.grouping_sets(*(tuple_(column) for column in columns))
        )
        tag = func.unnest(entities.c.tags).label("tag")
        tagged = _narrowed(select(tag, func.count().label("many")), query).group_by(tag)
        found: dict[str, dict[str, int]] = {column.name: {} for column in columns}
        with self._engine.connect() as connection:
            for row in connection.execute(counted):
                name = next((one for one in columns if getattr(row, one.name) is not None), None)
                if name is not None:  # else the entities that have none
                    found[name.name][getattr(row, name.name)] = row.many
            found["tag"] = {row.tag: row.many for row in connection.execute(tagged)}
        return {name: dict(sorted(values.items(), key=lambda one: (-one[1], one[0]))) for name, values in found.items()}

    def dependents(self, ref: Ref) -> Sequence[Dependent]:
        """Everything that depends on `ref`, directly or not, nearest first: its blast radius."""
        with self._engine.connect() as connection:
            rows = connection.execute(text(_DEPENDENTS), {"ref": str(ref)})
            found = [
                Dependent(Ref.parse(row.ref), row.distance, _SEEN_FROM_THERE[row.type], Ref.parse(row.via))
                for row in rows
            ]
        return sorted(found, key=lambda one: (one.distance, one.ref))


def _write(connection: Connection, entries: Mapping[str, Entry], digests: Mapping[str, str]) -> None:
    now = datetime.now(UTC).isoformat()
    before = {
        row.ref: (row.document, row.fields)
        for row in connection.execute(
            select(entities.c.ref, entities.c.document, entities.c.fields).where(entities.c.ref.in_(list(entries)))
        )
    }
    rows = [
        _row(one) | {"fields": _fields(one, before.get(ref), now), "digest": digests[ref], "changed_at": now}
        for ref, one in entries.items()
    ]
    connection.execute(text(_WRITE_ENTITIES), {"rows": _json(rows)})
    connection.execute(delete(relations).where(relations.c.declared_by.in_(list(before))))
    related = [
        {"declared_by": ref, "source": str(one.source), "type": one.type, "target": str(one.target)}
        for ref, entry in entries.items()
        for one in entry.relations
    ]
    connection.execute(text(_WRITE_RELATIONS), {"rows": _json(related)})


def _row(entry: Entry) -> dict[str, Any]:
    entity = entry.entity
    spec = entity.spec
    tags = [str(one) for one in entity.metadata.get("tags") or ()]
    system = spec.get("system")
    name = str(entity.metadata.get("name") or entity.ref.name)
    parts = [name, entity.ref.kind, spec.get("type"), spec.get("lifecycle"), system, entry.owner and entry.owner.name]
    # The parser of PostgreSQL takes `acme.orders` for a host and keeps it whole.
    words = [word for part in (*parts, *tags) if part for word in (str(part), *re.split(r"[^A-Za-z0-9]+", str(part)))]
    return {
        "ref": str(entity.ref),
        "kind": entity.ref.kind,
        "namespace": entity.ref.namespace,
        "name": entity.ref.name,
        "title": entity.title,
        "description": entity.description,
        "owner": str(entry.owner) if entry.owner else None,
        "type": str(spec["type"]) if spec.get("type") else None,
        "lifecycle": str(spec["lifecycle"]) if spec.get("lifecycle") else None,
        "system": _system(str(system), entity.ref.namespace) if system else None,
        "tags": tags,
        "words": " ".join(dict.fromkeys(words)),
        "document": _document(entity),
    }


def _document(entity: Entity) -> dict[str, Any]:
    return {
        "apiVersion": entity.api_version,
        "kind": entity.kind,
        "metadata": dict(entity.metadata),
        "spec": dict(entity.spec),
    }


def _system(value: str, namespace: str) -> str:
    try:
        return str(Ref.parse(value, kind="system", namespace=namespace))
    except Refused:
        return value


def _fields(entry: Entry, before: tuple[Any, Any] | None, now: str) -> dict[str, Any]:
    """Origins with the time each value was first seen there; one that did not change keeps its time."""
    document = _plain(_document(entry.entity))
    found = {}
    for name, origin in entry.origins.items():
        placed = _origin_data(origin)
        seen = now
        if before is not None and name in before[1]:
            old = before[1][name]
            same_place = (old["repository"], old["path"]) == (placed["repository"], placed["path"])
            if same_place and _value(before[0], name) == _value(document, name):
                seen = old["observed_at"]
        found[name] = placed | {"observed_at": seen}
    return found


def _value(document: Mapping[str, Any], name: str) -> Any:
    section, _, key = name.partition(".")
    value = document.get(section)
    return value.get(key) if key and isinstance(value, Mapping) else value


def _origin_data(origin: Origin) -> dict[str, Any]:
    return {"repository": origin.repository, "path": origin.path, "commit": origin.commit, "line": origin.line}


def _digest(entry: Entry) -> str:
    said = [
        _document(entry.entity),
        str(entry.owner or ""),
        {name: _origin_data(one) for name, one in entry.origins.items()},
        sorted([str(one.source), one.type, str(one.target)] for one in entry.relations),
    ]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def _entry(row: Any) -> Entry:
    document, fields = row.document, row.fields
    origins = {
        name: Origin(**{**one, "observed_at": datetime.fromisoformat(one["observed_at"])})
        for name, one in fields.items()
    }
    whole = origins.get("kind") or Origin("")
    entity = Entity(
        Ref.parse(row.ref),
        document["kind"],
        document["apiVersion"],
        document["metadata"],
        document["spec"],
        Source(whole.path, whole.line),
    )
    return Entry(entity, Ref.parse(row.owner) if row.owner else None, origins)


def _narrowed(wanted: Select[Any], query: Query) -> Select[Any]:
    words = _words(query.text)
    if words:
        wanted = wanted.where(entities.c.search.op("@@")(func.to_tsquery("simple", words)))
    if query.text and not words:
        wanted = wanted.where(text("false"))  # nothing but signs: nothing is like it
    exact = {
        "kind": query.kind.lower(),
        "namespace": query.namespace.lower(),
        "lifecycle": query.lifecycle,
        "type": query.type,
        "owner": str(Ref.parse(query.owner, kind="group")) if query.owner else "",
        "system": str(Ref.parse(query.system, kind="system")) if query.system else "",
    }
    for name, value in exact.items():
        if value:
            wanted = wanted.where(entities.c[name] == value)
    return wanted.where(entities.c.tags.contains([query.tag])) if query.tag else wanted


def _words(given: str) -> str:
    """`ord serv` as PostgreSQL asks for it: every word is the beginning of one."""
    return " & ".join(f"'{word}':*" for word in _WORD.findall(given.lower().replace("_", " "))[:16])


def _cursor(place: Sequence[str]) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _read_cursor(given: str, parts: int) -> tuple[Any, ...]:
    try:
        place = json.loads(base64.urlsafe_b64decode(given + "=" * (-len(given) % 4)))
        if not isinstance(place, list) or len(place) != parts or not all(isinstance(one, str) for one in place):
            raise ValueError(given)  # noqa: TRY301 — one way out for everything that is no cursor
        return (float(place[0]), *place[1:]) if parts == 3 else tuple(place)
    except (ValueError, binascii.Error) as problem:
        raise Refused(
            error("That is no place to go on from", remedy="Give `after` as the page before gave it, with its query.")
        ) from problem


def _chunks(refs: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(refs), _CHUNK):
        yield list(refs[start : start + _CHUNK])


def _json(value: Any) -> str:
    return json.dumps(_plain(value), default=str, allow_nan=False)


def _plain(value: Any) -> Any:
    """The same without what JSON in PostgreSQL cannot hold: NUL, halves of characters, numbers that are none."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd").encode(errors="replace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {str(_plain(key)): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
