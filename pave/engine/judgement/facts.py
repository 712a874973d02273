"""What is known around a plan: evidence, owners, what a team has, who asks. Gathered once for all that is judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from pave.engine.delivery.signatures import signature_of
from pave.engine.judgement.spending import Bill
from pave.engine.world import World
from pave.model.deployment import Deployment
from pave.model.entity import Entity
from pave.model.environment import Environment
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.plan.change import Action, Plan
from pave.plan.wanted import owner_of
from pave.request.access import SYSTEM
from pave.request.intent import Request, kind_of
from pave.verdict.evidence import NOTHING_KNOWN, CheckResult
from pave.verdict.subject import Around

LOOKED_AT = "schedule"
"""The kind of request that wants nothing: what is there is looked at."""
_QUOTA = {"resources": 200, "environments": 20}
_QUOTA_ANNOTATION = "pave.dev/quota-"


@dataclass(frozen=True)
class Asking:
    """Who asks for what; with the person who approved it, where one did."""

    actor: Ref
    kind: str
    door: str
    automatic: bool
    approved_by: str = ""
    run: str = ""

    @classmethod
    def of(cls, request: Request, approved_by: str = "", run: str = "") -> Asking:
        """What a request says of itself; `run` is the one that carries it out."""
        automatic = bool(getattr(request.intent, "automatic", False)) or request.actor == SYSTEM
        return cls(request.actor, kind_of(request.intent), request.door, automatic, approved_by, run)


@dataclass(frozen=True)
class Facts:
    """Everything around plans on one candidate: `snapshot` as it would be, `base` as it is.

    `bill` is the money of all of these plans together.
    """

    bill: Bill
    asking: Asking
    now: datetime

    @property
    def world(self) -> World:
        """Where it was found out."""
        return self.bill.world

    @property
    def base(self) -> Snapshot:
        """The platform repository as it is."""
        return self.bill.base

    @property
    def snapshot(self) -> Snapshot:
        """The platform repository as it would be."""
        return self.bill.snapshot

    def around(self, plan: Plan, environment: Environment, whole: Mapping[str, Any]) -> Around:
        """What is known around the plan of one stack; `whole` is how much all plans together change."""
        snapshot, component = self.snapshot, plan.stack.component
        # An environment with nothing in it is its owner's.
        owner = owner_of(snapshot, component) or owner_of(self.base, component) if component else environment.owner
        deployment = snapshot.deployments.get(plan.stack)
        return Around(
            environment=environment,
            deployment=deployment,
            owner=owner,
            now=self.now,
            actor=self.actor,
            request=self.request,
            evidence=evidence_of(self.world, deployment),
            cost=self.bill.facts(plan.stack, plan),
            team=self.team(owner, _added(plan) if self.asking.kind != LOOKED_AT else 0),
            plan=whole,
            modules=self._modules,
            workload=self.world.snapshots.workload(deployment) if deployment else None,
            entities=self._entities,
            approved_by=self.asking.approved_by,
        )

    def at_the_door(self, stack: Address, environment: Environment) -> Around:
        """What is known of a request before anything is planned."""
        owner = owner_of(self.snapshot, stack.component)
        return Around(
            environment=environment,
            deployment=self.snapshot.deployments.get(stack),
            owner=owner,
            now=self.now,
            actor=self.actor,
            request=self.request,
            evidence={},
            cost={},
            team=self.team(owner),
            plan={},
            modules={},
            entities=self.snapshot.entities,
        )

    @cached_property
    def actor(self) -> dict[str, Any]:
        """Who asks."""
        actor = self.asking.actor
        teams = self.snapshot.people.standing(actor).teams
        return {
            "ref": str(actor),
            "kind": actor.kind,
            "agent": actor.kind == "agent",
            "teams": sorted(str(one) for one in teams),
        }

    @cached_property
    def request(self) -> dict[str, Any]:
        """What is asked for."""
        asking = self.asking
        return {"kind": asking.kind, "door": asking.door, "automatic": asking.automatic}

    def team(self, owner: Ref | None, added: int = 0) -> dict[str, Any]:
        """How much a team has, with `added` resources more, and how much it may have."""
        environments = self.snapshot.environments.values()
        return {
            "name": owner.name if owner else "",
            "resources": self._resources[owner] + added,
            "environments": sum(one.owner == owner and not one.is_pattern for one in environments),
            "quota": quota_of(self.snapshot.entities.get(owner) if owner else None),
        }

    @cached_property
    def _resources(self) -> Counter[Ref | None]:
        """How many resources each team has."""
        stacks = Counter(one.address.stack for one in self.world.stacks.resources())
        found: Counter[Ref | None] = Counter()
        for stack, count in stacks.items():
            found[owner_of(self.snapshot, stack.component)] += count
        return found

    @cached_property
    def _modules(self) -> dict[str, Any]:
        return {**self.base.modules, **self.snapshot.modules}

    @cached_property
    def _entities(self) -> dict[Ref, Entity]:
        return {**self.base.entities, **self.snapshot.entities}


def whole_of(plans: Sequence[Plan]) -> dict[str, Any]:
    """How much one run changes, over all of its stacks."""
    changes = [change for one in plans for change in one.changes]
    count = Counter(one.action for one in changes)
    lost = (Action.DELETE, Action.REPLACE)
    return {
        "creates": count[Action.CREATE],
        "updates": count[Action.UPDATE],
        "replaces": count[Action.REPLACE],
        "deletes": count[Action.DELETE],
        "data_lost": sum(one.stateful and one.action in lost for one in changes),
        "stacks": len(plans),
    }


def evidence_of(world: World, deployment: Deployment | None) -> dict[str, Any]:
    """What is known of a version: how its checks ended, who signed its commit, whether its provenance holds."""
    if deployment is None or not deployment.commit:
        return dict(NOTHING_KNOWN)
    signature = signature_of(world, deployment.repository, deployment.commit).state.value
    if not deployment.artifact:
        return {**NOTHING_KNOWN, "signature": signature}
    checks = world.evidence.checks(deployment.repository, deployment.commit)
    envelope = world.evidence.envelope(deployment.artifact)
    verified = world.attestor.verify(envelope, deployment.artifact) if envelope else None
    provenance = "missing" if verified is None else "verified" if verified.ok else verified.reason
    told = {one.name: one.outcome.value for one in checks}
    return {**NOTHING_KNOWN, **_found(checks), "checks": told, "provenance": provenance, "signature": signature}


def _found(checks: Iterable[CheckResult]) -> dict[str, Any]:
    """What the audit of the dependencies and of their licences found."""
    by_name = {one.name: one for one in checks}
    audit, licences = by_name.get("dependencies"), by_name.get("licences")
    weights = [one.severity for one in audit.findings] if audit else []
    return {
        "scanned": audit is not None and audit.outcome.value in ("passed", "failed", "not-applicable"),
        "vulnerabilities": {weight: weights.count(weight) for weight in ("high", "medium", "low")},
        "licences": sorted({one.rule for one in licences.findings}) if licences else [],
    }


def quota_of(team: Entity | None) -> dict[str, int]:
    """The limits of a team; its annotations `pave.dev/quota-resources` and `-environments` say others."""
    said = (team.metadata.get("annotations") or {}) if team else {}
    found = {}
    for name, usual in _QUOTA.items():
        text = str(said.get(f"{_QUOTA_ANNOTATION}{name}", ""))
        found[name] = int(text) if text.isdecimal() else usual
    return found


def _added(plan: Plan) -> int:
    return sum({Action.CREATE: 1, Action.DELETE: -1}.get(one.action, 0) for one in plan.changes)
