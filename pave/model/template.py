"""Software templates: Backstage's `scaffolder.backstage.io/v1beta3`, as is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pave.model.names import Ref


@dataclass(frozen=True)
class TemplateStep:
    """One step: an action with its input; `condition` and `each` are expressions as written."""

    id: str
    action: str
    name: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    condition: Any = True
    each: Any = None


@dataclass(frozen=True)
class Template:
    """A template. `pages` are JSON Schemas of the form; `path` its folder, `version` the Git tree id of it."""

    ref: Ref
    title: str
    description: str
    owner: Ref | None
    type: str
    pages: tuple[Mapping[str, Any], ...]
    steps: tuple[TemplateStep, ...]
    output: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    path: str = ""
    version: str = ""
