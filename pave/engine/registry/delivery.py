"""Delivery: where a commit is, what was delivered, what is known of commits and artifacts."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.delivery.where import where
from pave.engine.operations import Operation
from pave.engine.registry.changes import CheckView
from pave.model.diagnostics import Unknown, error
from pave.observe.logs import of_delivery
from pave.ports import Delivery
from pave.request.roles import Verb


class OneCommit(BaseModel):
    """Names a commit."""

    model_config = ConfigDict(extra="forbid")

    commit: str = Field(description="The commit's id, or at least its first 7 digits.")
    repository: str = Field("", description="Its repository, where more than one has it; platform is one too.")


class PlaceView(BaseModel):
    """A commit in one environment; one of the platform repository: in one stack of it."""

    environment: str
    stack: str = Field("", description="The stack that a commit of the platform repository reaches there.")
    state: str = Field(description="live, included, arriving, failed, waiting, absent or unaffected.")
    reason: str = Field("", description="Why it is not live there, in one sentence.")
    remedy: str = Field("", description="What to do next.")
    live_commit: str = Field("", description="What is live there.")
    since: datetime | None = None
    url: str = ""
    run: str = ""


class WhereView(BaseModel):
    """Where one commit is: one answer per environment, in the order in which a version goes through them."""

    repository: str
    commit: str
    title: str
    author: str
    committed_at: datetime
    places: list[PlaceView]


class DeliveryFilter(BaseModel):
    """Which deliveries."""

    model_config = ConfigDict(extra="forbid")

    env: str = Field("", description="Only to this environment.")
    component: str = Field("", description="Only of this component.")
    limit: int = Field(50, ge=1, le=1000, description="How many, newest first.")


class DeliveryView(BaseModel):
    """One version arriving in one environment: the record from commit to recovery."""

    outcome: str = Field(description="open, live, failed, rolled-back, superseded or cancelled.")
    stack: str
    cause: str
    commit: str
    artifact: str
    run: str
    change: str = ""
    actor: str = ""
    source: str = Field("", description="The environment that it was promoted from.")
    reason: str = ""
    recovers: str = Field("", description="The delivery whose failure this one ended.")
    committed_at: datetime | None = None
    asked_at: datetime | None = None
    checked_at: datetime | None = None
    built_at: datetime | None = None
    recorded_at: datetime | None = None
    live_at: datetime | None = None
    failed_at: datetime | None = None
    recovered_at: datetime | None = None
    seconds: float | None = Field(None, description="From asked to live.")
    logs: str = Field("", description="The command that shows what this version said there.")


class DeliveryList(BaseModel):
    """Deliveries, newest first."""

    deliveries: list[DeliveryView]


class CheckFilter(BaseModel):
    """Which commit's checks."""

    model_config = ConfigDict(extra="forbid")

    repository: str = Field(description="The repository.")
    commit: str = Field("", description="The commit; the newest of the default branch otherwise.")


class CheckList(BaseModel):
    """What is known of a commit."""

    repository: str
    commit: str
    checks: list[CheckView]


class OneArtifact(BaseModel):
    """Names an artifact."""

    model_config = ConfigDict(extra="forbid")

    digest: str = Field(description="sha256:…, as `pave deliveries` shows it.")


class Verification(BaseModel):
    """What came of checking an artifact's signed provenance."""

    digest: str
    ok: bool
    reason: str = Field("", description="Why it does not hold.")
    builder: str = ""
    repository: str = ""
    commit: str = ""
    run: str = ""


class ProvenanceView(BaseModel):
    """An artifact's signed provenance: a DSSE envelope around an in-toto statement, and the key to check it with."""

    digest: str
    envelope: dict[str, Any]
    public_key: str = Field(description="PEM.")


class MaterialsView(BaseModel):
    """What an artifact consists of, as CycloneDX."""

    digest: str
    materials: dict[str, Any]


def _where(context: Context, given: OneCommit) -> WhereView:
    found = where(context.world, given.commit, given.repository)
    return WhereView(**{**vars(found), "places": [PlaceView(**vars(one)) for one in found.places]})


def _deliveries(context: Context, given: DeliveryFilter) -> DeliveryList:
    found = context.world.deliveries.find(environment=given.env, component=given.component, limit=given.limit)
    return DeliveryList(deliveries=[_delivery(one) for one in found])


def _delivery(one: Delivery) -> DeliveryView:
    known = {key: value for key, value in asdict(one).items() if key in DeliveryView.model_fields}
    seconds = (one.live_at - one.asked_at).total_seconds() if one.live_at and one.asked_at else None
    logs = of_delivery(one.stack, one.artifact, one.recorded_at or one.asked_at, one.failed_at).command
    return DeliveryView(**{**known, "stack": str(one.stack), "seconds": seconds, "logs": logs if one.artifact else ""})


def _checks(context: Context, given: CheckFilter) -> CheckList:
    commit = context.world.repositories.resolve(given.repository, given.commit).id
    found = context.world.evidence.checks(given.repository, commit)
    shown = [CheckView(**{key: value for key, value in one.as_data().items() if key != "output"}) for one in found]
    return CheckList(repository=given.repository, commit=commit, checks=shown)


def _verify(context: Context, given: OneArtifact) -> Verification:
    envelope = context.world.evidence.envelope(given.digest)
    if not envelope and context.world.builder.find(given.digest) is None:
        raise _unknown(given.digest)
    found = context.world.attestor.verify(envelope, given.digest)
    known = {key: value for key, value in vars(found).items() if key != "statement"}
    return Verification(digest=given.digest, **known)


def _provenance(context: Context, given: OneArtifact) -> ProvenanceView:
    envelope = context.world.evidence.envelope(given.digest)
    if not envelope:
        raise _unknown(given.digest)
    key = context.world.attestor.public_key
    return ProvenanceView(digest=given.digest, envelope=json.loads(envelope), public_key=key)


def _materials(context: Context, given: OneArtifact) -> MaterialsView:
    materials = context.world.evidence.materials(given.digest)
    if not materials:
        raise _unknown(given.digest)
    return MaterialsView(digest=given.digest, materials=json.loads(materials))


def _unknown(digest: str) -> Unknown:
    return Unknown(
        error(f"Nothing is known of the artifact {digest[:80]!r}", remedy="`pave deliveries` shows whole digests.")
    )


_READ: dict[str, Any] = {"scopes": ("stack:read",), "read_only": True, "verb": Verb.READ}

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="commit.where",
        summary="Is my commit live? One answer per environment, with the reason where it is not",
        rest="GET /commits/{commit}/where",
        cli="where {commit}",
        input=OneCommit,
        output=WhereView,
        handler=_where,
        examples=("pave where 4b825dc",),
        **_READ,
    ),
    Operation(
        name="delivery.list",
        summary="What was delivered where: from commit to recovery",
        rest="GET /deliveries",
        cli="deliveries",
        input=DeliveryFilter,
        output=DeliveryList,
        handler=_deliveries,
        examples=("pave deliveries --env prod --component orders",),
        **_READ,
    ),
    Operation(
        name="check.list",
        summary="How the checks of a commit ended, and what they found",
        rest="GET /checks/{repository}",
        cli="checks {repository} [commit]",
        input=CheckFilter,
        output=CheckList,
        handler=_checks,
        examples=("pave checks orders",),
        **_READ,
    ),
    Operation(
        name="provenance.verify",
        summary="Check the signature, the source and the builder of an artifact",
        rest="GET /artifacts/{digest}/verification",
        cli="provenance verify {digest}",
        input=OneArtifact,
        output=Verification,
        handler=_verify,
        **_READ,
    ),
    Operation(
        name="provenance.show",
        summary="The signed provenance of an artifact, and the key to check it with",
        rest="GET /artifacts/{digest}/provenance",
        cli="provenance show {digest}",
        input=OneArtifact,
        output=ProvenanceView,
        handler=_provenance,
        **_READ,
    ),
    Operation(
        name="artifact.materials",
        summary="What an artifact consists of, as CycloneDX",
        rest="GET /artifacts/{digest}/materials",
        cli="sbom {digest}",
        input=OneArtifact,
        output=MaterialsView,
        handler=_materials,
        **_READ,
    ),
)
