"""Components: made from a template, or taken in as they are."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Nothing, Operation
from pave.engine.views import RunView
from pave.model.names import suggest_name
from pave.request.intent import CreateComponent, ImportComponent
from pave.request.roles import Verb


class NewComponent(BaseModel):
    """A new component: its repository is rendered from the template, built, and deployed."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="What it is called: a-z, 0-9 and dashes.")
    template: str = Field("python-service", description="The template to make it from.")
    owner: str = Field("", description="The team that owns it; your own by default.")
    env: str = Field("dev", description="Where it is deployed first; empty to only make the repository.")
    values: dict[str, Any] = Field(default_factory=dict, description="Further inputs of the template.")


class ExistingRepository(BaseModel):
    """A repository as it is: score.yaml, catalog-info.yaml, Procfile, package.json or index.html."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(description="A path on the server's machine, or a Git URL.")
    name: str = Field("", description="What to call it; the repository's own name by default.")
    owner: str = Field("", description="The team that owns it; what the repository says, else your own.")
    env: str = Field("dev", description="Where it is deployed first; empty to only take it in.")


class TemplateView(BaseModel):
    """A template, as a card shows it."""

    name: str
    title: str
    description: str
    owner: str
    tags: list[str]
    parameters: list[dict[str, Any]] = Field(description="The form's pages as JSON Schemas.")


class TemplateList(BaseModel):
    """All templates."""

    templates: list[TemplateView]


def _new(context: Context, given: NewComponent) -> RunView:
    return context.ask(CreateComponent(given.name, given.template, given.owner, given.env, given.values))


def _import(context: Context, given: ExistingRepository) -> RunView:
    name = given.name or suggest_name(PurePosixPath(given.url.rstrip("/")).stem)
    return context.ask(ImportComponent(given.url, name, given.owner, given.env))


def _templates(context: Context, _: Nothing) -> TemplateList:
    templates = context.world.snapshots.current().templates
    return TemplateList(
        templates=[
            TemplateView(
                name=name,
                title=one.title,
                description=one.description,
                owner=str(one.owner or ""),
                tags=list(one.tags),
                parameters=[dict(page) for page in one.pages],
            )
            for name, one in sorted(templates.items())
        ]
    )


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="component.create",
        summary="Make a new component from a template and deploy it",
        rest="POST /components",
        cli="new {name}",
        input=NewComponent,
        output=RunView,
        handler=_new,
        scopes=("component:write",),
        starts_run=True,
        examples=("pave new orders --template python-service",),
        verb=Verb.CREATE,
    ),
    Operation(
        name="component.import",
        summary="Take in an existing repository as it is and deploy it",
        rest="POST /components/import",
        cli="import {url}",
        input=ExistingRepository,
        output=RunView,
        handler=_import,
        scopes=("component:write",),
        starts_run=True,
        examples=("pave import ../guestbook", "pave import https://git.example.com/team/shop.git --name shop"),
        verb=Verb.CREATE,
    ),
    Operation(
        name="template.list",
        summary="The templates that components can be made from",
        rest="GET /templates",
        cli="templates",
        input=Nothing,
        output=TemplateList,
        handler=_templates,
        scopes=("catalog:read",),
        read_only=True,
        verb=Verb.READ,
    ),
)
