"""Catalog entities: Backstage's `catalog-info.yaml`, as is.

The eight built-in kinds and Template are validated field by field; an unknown kind is kept as it is,
because a catalog that loses what it does not know is worse than one that shows it plainly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pave.model.diagnostics import Refused, Source
from pave.model.names import Ref


@dataclass(frozen=True)
class Entity:
    """One catalog entity: the document (`metadata`, `spec`) and where it was read."""

    ref: Ref
    kind: str
    api_version: str
    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    source: Source = field(default_factory=Source)

    @property
    def title(self) -> str:
        """What people call it."""
        return str(self.metadata.get("title") or self.metadata.get("name"))

    @property
    def description(self) -> str:
        """One paragraph about it, or an empty text."""
        return str(self.metadata.get("description") or "")

    @property
    def owner(self) -> Ref | None:
        """Who answers for it; a bare name means a group, as in Backstage. None where nobody is named as a reference."""
        owner = self.spec.get("owner")
        if not isinstance(owner, str):
            return None
        try:
            return Ref.parse(owner, kind="group", namespace=self.ref.namespace)
        except Refused:
            return None  # it was warned of when the entity was read


@dataclass(frozen=True, order=True)
class Relation:
    """One directed relation between two entities, such as `ownedBy`; its inverse is a relation too."""

    source: Ref
    type: str
    target: Ref
