"""Writes the catalog entries by which the platform repository knows a component that Pave made or took in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from pave.model.names import Ref


def write_location(
    name: str, *, owner: Ref | None, annotations: Mapping[str, str], values: Mapping[str, Any] | None = None
) -> bytes:
    """A Location that registers the service repository `name`; `values` are the template inputs it was made with.

    Backstage allows further fields in a Location's spec; `owner` is where Pave keeps whose the
    repository is as long as its own catalog-info.yaml does not say.
    """
    spec: dict[str, Any] = {"type": "pave", "target": f"{name}/catalog-info.yaml"}
    if owner is not None:
        spec["owner"] = str(owner)
    if values:
        spec["values"] = dict(values)
    return _dump("Location", name, spec, {key: value for key, value in annotations.items() if value})


def write_component(name: str, *, owner: Ref) -> bytes:
    """A Component for something that has resources before it has a repository."""
    return _dump("Component", name, {"type": "service", "lifecycle": "experimental", "owner": str(owner)}, {})


def _dump(kind: str, name: str, spec: Mapping[str, Any], annotations: Mapping[str, str]) -> bytes:
    metadata: dict[str, Any] = {"name": name}
    if annotations:
        metadata["annotations"] = dict(annotations)
    document = {"apiVersion": "backstage.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": dict(spec)}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).encode()
