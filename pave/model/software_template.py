"""Reads Backstage Software Templates (`scaffolder.backstage.io/v1beta3`) as they are.

A template may be right in format and still ask for actions that run only inside Backstage; it is then refused when
it is imported, with all of them, and not in the middle of a run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pave.model.backstage import read_entities
from pave.model.diagnostics import Diagnostic, Refused, Severity, Source, error
from pave.model.entity import Entity
from pave.model.schema import is_placeholder
from pave.model.substitution import Include
from pave.model.template import Template, TemplateStep

SUPPORTED_ACTIONS = frozenset(
    (
        "catalog:fetch",
        "catalog:register",
        "catalog:write",
        "debug:log",
        "debug:wait",
        "fetch:plain",
        "fetch:plain:file",
        "fetch:template",
        "fetch:template:file",
        "fs:delete",
        "fs:readdir",
        "fs:rename",
    )
)
PUBLISH = "publish:"
"""Every action that begins so is supported: what it would publish becomes a repository of Pave's own."""


def read_template(data: bytes, file: str, path: str, version: str, include: Include) -> Template:
    """The template of a file; `path` is its folder, `version` the Git tree id of that.

    Raises `Refused` where it is wrong in format; whether its actions are supported is asked separately.
    """
    entities, diagnostics = read_entities(data, file, include)
    errors = [one for one in diagnostics if one.severity is Severity.ERROR]
    if errors:
        raise Refused(*errors)
    templates = [one for one in entities if one.kind == "Template"]
    if len(templates) != 1:
        said = "holds no template" if not templates else f"holds {len(templates)} templates"
        raise Refused(
            error(f"{file} {said}, but one is expected", remedy="Write one template a file.", source=Source(file))
        )
    return template_from(templates[0], path, version)


def template_from(entity: Entity, path: str, version: str) -> Template:
    """The template in an entity. Raises `Refused` where its steps or pages are elsewhere and were not found."""
    spec = entity.spec
    steps, pages = spec["steps"], spec.get("parameters", [])
    pages = pages if isinstance(pages, list) else [pages]
    elsewhere = [part for part in (steps, *(steps if isinstance(steps, list) else ()), *pages) if is_placeholder(part)]
    if elsewhere:
        named = ", ".join(str(next(iter(part.values()))) for part in elsewhere)
        raise Refused(
            error(
                f"template {entity.ref.name} is incomplete: {named} could not be read",
                remedy="Add the files beside the template, or write their content into it.",
                source=entity.source,
            )
        )
    return Template(
        ref=entity.ref,
        title=entity.title,
        description=entity.description,
        owner=entity.owner,
        type=spec["type"],
        pages=tuple(pages),
        steps=tuple(_step(number, one) for number, one in enumerate(steps, start=1)),
        output=spec.get("output", {}),
        tags=tuple(entity.metadata.get("tags", ())),
        path=path,
        version=version,
    )


def _step(number: int, data: Mapping[str, Any]) -> TemplateStep:
    return TemplateStep(
        id=data.get("id", f"step-{number}"),
        action=data["action"],
        name=data.get("name", ""),
        input=data.get("input", {}),
        condition=data.get("if", True),
        each=data.get("each"),
    )


def unsupported_actions(template: Template) -> tuple[str, ...]:
    """The actions of a template that Pave does not run, each once, in the order they come."""
    return tuple(
        dict.fromkeys(
            step.action
            for step in template.steps
            if step.action not in SUPPORTED_ACTIONS and not step.action.startswith(PUBLISH)
        )
    )


def refusal(template: Template, source: Source) -> Diagnostic | None:
    """Why a template that is right in format cannot be imported, or None where it can."""
    lacking = unsupported_actions(template)
    if not lacking:
        return None
    return error(
        f"template {template.ref.name} uses actions that Pave does not run: {', '.join(lacking)}",
        detail=f"It runs {', '.join(sorted(SUPPORTED_ACTIONS))} and publish:*.",
        remedy="Take these steps out, or replace them by supported ones.",
        source=source,
    )
