"""The stages that make a commit and an artifact: `source` and `build`."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pave.engine.delivery.delivering import BACK, FAILED
from pave.engine.delivery.promoting import promoted
from pave.engine.forge import changes
from pave.engine.forge.changes import merge_source
from pave.engine.work import Skipped, Work
from pave.model.deployment import Deployment
from pave.model.deployment_file import path_of
from pave.model.diagnostics import Refused, Unknown, error
from pave.model.names import Address, Ref, check_name
from pave.model.workload import SOURCE_IMAGE
from pave.plan.wanted import Made, owner_of
from pave.ports import PLATFORM_REPOSITORY
from pave.request.intent import (
    AddResource,
    AddResources,
    Advance,
    CheckChange,
    CreateComponent,
    CreateEnvironment,
    Deploy,
    ImportComponent,
    MergeChange,
    Promote,
    RestoreResource,
    Rollback,
    RollbackAll,
)

_REMEMBERED = 50


def source(work: Work) -> dict[str, Any]:
    """Ensure the repository and the commit that the intent is about; say whose it is."""
    match work.run.request.intent:
        case CreateComponent() as intent:
            return _create(work, intent)
        case ImportComponent() as intent:
            return _import(work, intent)
        case Deploy() as intent:
            return _resolve(work, intent)
        case CheckChange() as intent:
            return _of_change(work, intent)
        case MergeChange() as intent:
            return merge_source(work, intent)
        case _:
            raise Skipped("It is not about a commit")


def build(work: Work) -> dict[str, Any]:
    """Ensure the artifact of the commit; one that was built already is taken as it is."""
    made = work.output("source")
    if not made.get("commit"):
        raise Skipped("It is not about a commit of a service")
    repository, commit = made["repository"], made["commit"]
    inspection = work.world.snapshots.inspection(repository, commit)
    if inspection.workload is None or all(one.image != SOURCE_IMAGE for one in inspection.workload.containers):
        raise Skipped("No container is built from source")
    known = work.world.builds.get(repository, commit)
    if known and work.world.builder.find(known) is not None:
        return {"artifact": known, "built": False}
    with tempfile.TemporaryDirectory(dir=work.world.scratch, prefix="build-") as folder:
        checkout = Path(folder) / "source"
        work.world.repositories.export(repository, commit, checkout)
        artifact = work.world.builder.build(checkout, inspection.workload, work.report, work.cancel)
    work.world.builds.put(repository, commit, artifact.digest)
    return {"artifact": artifact.digest, "built": True, "size": artifact.size}


def made_of(work: Work) -> Made:
    """What the stages before planning made, in the form that desired state is computed from."""
    intent, snapshot = work.run.request.intent, work.world.snapshots.current()
    match intent:
        case CheckChange() | MergeChange() if intent.repository == PLATFORM_REPOSITORY:
            change = changes.of(work.world, intent.repository, intent.number)
            edits = work.world.platform.merge_edits(intent.commit)
            return Made(title=f"Merge {change.id}: {change.title}", edits=edits)
        case CheckChange() if work.output("source"):
            return replace(_found(work), preview=changes.preview_of(work.world, snapshot, intent))
        case AddResource() | AddResources() | CreateEnvironment():
            return Made(owner=_team_of(work, getattr(intent, "owner", "")), asked_at=work.run.request.at)
        case Promote():
            return Made(promoted=promoted(work.world, snapshot, intent))
        case Rollback():
            return Made(earlier=_earlier_of(work, (intent,)))
        case RollbackAll():
            return Made(earlier=_earlier_of(work, intent.stacks))
        case Advance():
            decision = work.output("bake")
            back = _earlier_of(work, (Rollback(intent.stack),)) if decision.get("decision") == "back" else {}
            return Made(decision=decision, earlier=back)
        case RestoreResource():
            return Made(trashed_type=_trashed(work, intent))
        case _:
            return _found(work) if work.output("source") else Made()


def _found(work: Work) -> Made:
    found, built = work.output("source"), work.output("build")
    return Made(
        repository=found["repository"],
        commit=found.get("commit", ""),
        artifact=str(built.get("artifact", "")),
        workload=found["workload"],
        owner=Ref.parse(found["owner"]) if found.get("owner") else None,
        url=found.get("url", ""),
        template=found.get("template", ""),
        template_version=found.get("template_version", ""),
        values=found.get("values", {}),
    )


def _trashed(work: Work, intent: RestoreResource) -> str:
    """The type of what is to be brought back; empty where an earlier attempt brought it back already."""
    if intent.backup:
        return _backed_up(work, intent)
    kept = [one for one in work.world.cloud.trash() if one["address"] == str(intent.address)]
    if not kept and not work.run.stacks:
        raise Refused(
            error(
                f"Nothing of {intent.address} is kept",
                detail="Removed databases and buckets are kept for 7 days.",
                remedy="See what there is: pave trash.",
                address=str(intent.address),
            )
        )
    return str(kept[0]["type"]) if kept else ""


def _backed_up(work: Work, intent: RestoreResource) -> str:
    """The type of the resource whose backup was named. Raises `Unknown` where there is no such backup."""
    kept = [one.isoformat() for one in work.world.cloud.backups(intent.address)]
    stack = work.world.stacks.resources(intent.address.stack)
    there = next((one for one in stack if one.address == intent.address), None)
    if intent.backup not in kept or there is None:
        raise Unknown(
            error(
                f"There is no backup of {intent.address} from {intent.backup}",
                remedy=f"Kept are: {', '.join(kept) or 'none'}.",
                address=str(intent.address),
            )
        )
    return there.type


def clean_up(work: Work) -> None:
    """Take away the repository that a failed creation made, unless the platform already knows the component."""
    made = work.output("source")
    if made.get("new"):
        _unless_known(work, made["repository"])


def _unless_known(work: Work, name: str) -> None:
    """Take a repository away that no component is registered with and no stack runs from."""
    snapshot = work.world.snapshots.current()
    registered = Ref("location", "default", name) in snapshot.entities
    if not registered and all(one.repository != name for one in snapshot.deployments.values()):
        work.world.repositories.remove(name)
        work.world.projection.refresh(snapshot)  # a round of the reconciler may have seen it meanwhile


def _create(work: Work, intent: CreateComponent) -> dict[str, Any]:
    snapshot = work.world.snapshots.current()
    name = check_name(intent.name, "a component")
    template = snapshot.templates.get(intent.template)
    if template is None:
        known = ", ".join(sorted(snapshot.templates)) or "none"
        raise Refused(error(f"There is no template {intent.template!r}", remedy=f"There are: {known}."))
    if name in work.world.repositories.names() and not work.interrupted("source", ""):
        raise Refused(error(f"There is a component {name} already", remedy="Choose another name.", address=intent.name))
    owner = _team_of(work, intent.owner)
    values = {**intent.values, "name": name, "owner": str(owner) if owner else ""}
    user = snapshot.entities.get(work.run.request.actor)
    work.report(f"Rendering {template.title}")
    rendered = work.world.scaffolder.render(
        template,
        work.world.platform.tree(snapshot.commit),
        values,
        {"entity": {"metadata": dict(user.metadata), "spec": dict(user.spec)}} if user else {},
    )
    commit = work.world.repositories.create(name, rendered.files, f"Create {name} from {template.title}", _author(work))
    work.world.changes.see(name, work.world.repositories.default_branch(name), commit)
    try:
        workload = _workload_path(work, name, commit, needed=bool(intent.environment))
    except Refused:
        _unless_known(work, name)
        raise
    return {
        "repository": name,
        "commit": commit,
        "new": True,
        "workload": workload,
        "owner": str(owner) if owner else "",
        "template": intent.template,
        "template_version": template.version,
        "values": {key: value for key, value in values.items() if key not in ("name", "owner")},
        "links": [dict(link) for link in rendered.links],
    }


def _import(work: Work, intent: ImportComponent) -> dict[str, Any]:
    name = check_name(intent.name, "a component")
    new = name not in work.world.repositories.names() or work.interrupted("source", "")
    work.report(f"Fetching {intent.url}")
    commit = work.world.repositories.mirror(name, intent.url, work.cancel)
    work.world.changes.see(name, work.world.repositories.default_branch(name), commit)
    try:
        return {"new": new, "url": intent.url, **_taken_in(work, intent, name, commit)}
    except Refused:
        if new:
            _unless_known(work, name)
        raise


def _taken_in(work: Work, intent: ImportComponent, name: str, commit: str) -> dict[str, Any]:
    inspection = work.world.snapshots.inspection(name, commit)
    for finding in inspection.findings:
        work.report(str(finding))
    told = {"remarks": [one.as_data() for one in inspection.findings]} if inspection.findings else {}
    owner = intent.owner or str(inspection.owner or "")
    known = work.world.snapshots.current().entities
    if owner and Ref.parse(owner, kind="group") not in known:
        work.report(f"{owner} is not in the catalog; the importer's team owns {name} until it is")
        owner = ""
    team = Ref.parse(owner, kind="group") if owner else _team_of(work, "")
    return {
        **told,
        "repository": name,
        "commit": commit,
        "workload": _workload_path(work, name, commit, needed=bool(intent.environment)),
        "owner": str(team) if team else "",
    }


def _resolve(work: Work, intent: Deploy) -> dict[str, Any]:
    snapshot = work.world.snapshots.current()
    deployed = snapshot.deployments.get(intent.stack)
    repository = (deployed.repository if deployed else "") or intent.stack.component
    if repository not in work.world.repositories.names():
        raise Refused(
            error(
                f"{intent.stack.component} has no repository",
                remedy="Make one with `pave new`, or bring one with `pave import`.",
                address=str(intent.stack),
            )
        )
    registered = snapshot.entities.get(Ref("location", "default", repository))
    url = (registered.metadata.get("annotations") or {}).get("pave.dev/source-url") if registered else None
    if url:
        work.world.repositories.mirror(repository, str(url), work.cancel)
    if url and not intent.automatic:
        branches = work.world.repositories.branches(repository)
        default = work.world.repositories.default_branch(repository)
        work.world.changes.see(repository, default, branches[default])
    commit = work.world.repositories.resolve(repository, intent.revision).id
    owner = owner_of(snapshot, intent.stack.component)
    return {
        "repository": repository,
        "commit": commit,
        "workload": _workload_path(work, repository, commit),
        "owner": str(owner) if owner else "",
    }


def _of_change(work: Work, intent: CheckChange) -> dict[str, Any]:
    if intent.repository == PLATFORM_REPOSITORY:
        raise Skipped("A change of the platform repository has nothing to build")
    repository, commit = intent.repository, work.world.repositories.resolve(intent.repository, intent.commit).id
    owner = owner_of(work.world.snapshots.current(), repository)
    return {
        "repository": repository,
        "commit": commit,
        "workload": _workload_path(work, repository, commit, needed=False),
        "owner": str(owner) if owner else "",
    }


def _workload_path(work: Work, repository: str, commit: str, *, needed: bool = True) -> str:
    """Where the workload was read from. A repository without one can be taken in; what is deployed needs one."""
    inspection = work.world.snapshots.inspection(repository, commit)
    if inspection.workload is None and needed:
        raise Refused(*inspection.findings)
    return str(inspection.file)


def _earlier_of(work: Work, wanted: Sequence[Rollback]) -> dict[Address, Deployment]:
    """The deployment that each stack goes back to, where there is one."""
    found = {one.stack: _earlier(work, one) for one in wanted}
    return {stack: one for stack, one in found.items() if one is not None}


def _earlier(work: Work, intent: Rollback) -> Deployment | None:
    """The newest deployment of another commit that did not fail, or the one of the commit that was named."""
    path = path_of(intent.stack)
    now = work.world.snapshots.current().deployments.get(intent.stack)
    delivered = work.world.deliveries.find(stack=intent.stack, limit=_REMEMBERED)
    bad = {one.commit for one in delivered if one.outcome in (FAILED, BACK)}
    for commit in work.world.platform.log(path, limit=200):
        before = work.world.snapshots.deployment_at(commit.id, intent.stack)
        if before is None or not before.commit:
            continue
        if intent.to:
            wanted = before.commit.startswith(intent.to)
        else:
            wanted = now is None or (before.commit != now.commit and before.commit not in bad)
        if wanted:
            return before
    return None


def _team_of(work: Work, asked: str) -> Ref | None:
    """The team that was named, else the first of the actor's own."""
    if asked:
        return Ref.parse(asked, kind="group")
    snapshot = work.world.snapshots.current()
    user = snapshot.entities.get(work.run.request.actor)
    direct = [Ref.parse(str(team), kind="group") for team in (user.spec.get("memberOf") or ())] if user else []
    teams = direct or sorted(snapshot.people.standing(work.run.request.actor).teams)
    return teams[0] if teams else None


def _author(work: Work) -> str:
    return work.run.request.actor.short
