"""Scores of components: what is known of each is gathered, asked about by every scorecard, and kept once a day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from pave.engine.judgement.facts import evidence_of
from pave.engine.signals.golden_signals import NOTHING_MEASURED, signals_of
from pave.engine.world import World
from pave.model.catalog import Found
from pave.model.deployment import Deployment
from pave.model.entity import Entity
from pave.model.names import Address, Ref
from pave.model.scorecard import Scorecard
from pave.model.snapshot import Snapshot
from pave.model.workload import Workload
from pave.observe.delivery import Figures, Period, dora
from pave.observe.scorecard import UNKNOWN, Score, applies, score
from pave.plan.cost import Tariffs
from pave.plan.wanted import owner_of
from pave.ports import Delivery, Scored
from pave.verdict.evidence import NOTHING_KNOWN
from pave.verdict.subject import COST_CENTER, plain_secrets

WINDOW = timedelta(days=30)
"""What is counted of deliveries and signals."""
KEPT = timedelta(days=400)
_MOST_RECORDS = 20_000
_AGENTS = "AGENTS.md"


@dataclass(frozen=True)
class Known:
    """Everything that scorecards may ask about, at one moment; what all components share is looked up once."""

    world: World
    snapshot: Snapshot
    now: datetime

    def components(self) -> tuple[str, ...]:
        """Every component of the catalog, by name."""
        found = {ref.name for ref in self.snapshot.entities if ref.kind == "component"}
        return tuple(sorted(found | {one.component for one in self.snapshot.deployments if self._registered(one)}))

    def scores(self, component: str) -> tuple[Score, ...]:
        """How a component does on each scorecard that is about it."""
        facts = self.facts(component)
        return tuple(score(one, facts) for _, one in self._cards if applies(one, facts))

    def facts(self, component: str) -> dict[str, Any]:
        """What is known of a component, in the shape of `pave.observe.scorecard.EXAMPLE`."""
        found = self.world.catalog.get(Ref("component", "default", component))
        entity = found.entry.entity if found else None
        owner = found.entry.owner if found else owner_of(self.snapshot, component)
        stacks = [one for address, one in self.snapshot.deployments.items() if address.component == component]
        newest = self._newest(stacks)
        return {
            "component": _component(component, entity),
            "owner": self._owner(owner),
            "repository": self._repository(newest),
            "apis": self._apis(found),
            "runtime": self._runtime(component, stacks, newest),
            "evidence": evidence_of(self.world, newest) if newest else dict(NOTHING_KNOWN),
            "guardrails": self._guardrails(stacks),
            "delivery": self._delivery(component),
            "signals": self._signals.get(component) or dict(NOTHING_MEASURED),
            "cost": self._cost(component, entity, owner),
        }

    @cached_property
    def _signals(self) -> Mapping[str, Mapping[str, float]]:
        return signals_of(self.world, self.now)

    @cached_property
    def _cards(self) -> list[tuple[str, Scorecard]]:
        return sorted(self.snapshot.scorecards.items())

    def _registered(self, stack: Address) -> bool:
        return self.snapshot.deployments[stack].commit != ""

    def _newest(self, stacks: Iterable[Deployment]) -> Deployment | None:
        """What runs where it matters most: production, else staging, else anywhere."""
        weight = {"production": 3, "staging": 2, "development": 1}

        def rank(one: Deployment) -> tuple[int, str]:
            environment = self.snapshot.environments.get(one.address.environment)
            return weight.get(environment.kind if environment else "", 0), one.address.environment

        return max((one for one in stacks if one.commit), key=rank, default=None)

    def _owner(self, owner: Ref | None) -> dict[str, Any]:
        team = self.snapshot.entities.get(owner) if owner else None
        profile = (team.spec.get("profile") or {}) if team else {}
        return {
            "ref": str(owner or ""),
            "known": team is not None,
            "people": self._people.get(owner, 0) if owner else 0,
            "contact": str(profile.get("email") or ""),
        }

    @cached_property
    def _people(self) -> Mapping[Ref, int]:
        """How many people each team has, said on either side."""
        members: dict[Ref, set[Ref]] = {}
        for ref, one in self.snapshot.entities.items():
            if ref.kind == "user":
                for team in one.spec.get("memberOf") or ():
                    members.setdefault(Ref.parse(str(team), kind="group"), set()).add(ref)
            if ref.kind == "group":
                for person in one.spec.get("members") or ():
                    members.setdefault(ref, set()).add(Ref.parse(str(person), kind="user"))
        return {team: len(people) for team, people in members.items()}

    def _repository(self, newest: Deployment | None) -> dict[str, Any]:
        if newest is None:
            return {"language": "", "docs": [], "workload": False, "agents": False}
        found = self.world.snapshots.inspection(newest.repository, newest.commit)
        tree = self.world.repositories.tree(newest.repository, newest.commit)
        return {
            "language": found.language,
            "docs": list(found.docs),
            "workload": found.workload is not None,
            "agents": tree.read(_AGENTS) is not None,
        }

    def _apis(self, found: Found | None) -> dict[str, int]:
        provided = [one for one in found.neighbours if one.type == "providesApi"] if found else []
        consumed = [one for one in found.neighbours if one.type == "consumesApi"] if found else []
        return {
            "provided": len(provided),
            "described": sum(one.known for one in provided),
            "consumed": len(consumed),
        }

    def _runtime(self, component: str, stacks: list[Deployment], newest: Deployment | None) -> dict[str, Any]:
        kinds = {one.address.environment: self.snapshot.environments.get(one.address.environment) for one in stacks}
        records = self.world.stacks.all(component=component)
        workload = self.world.snapshots.workload(newest) if newest else None
        resources = [one for each in stacks for one in self.world.stacks.resources(each.address)]
        modules = self.snapshot.modules
        stateful = [found for one in resources if (found := modules.get(one.module)) is not None and found.stateful]
        return {
            "environments": sorted(name for name, one in kinds.items() if one is not None),
            "production": any(one is not None and one.kind == "production" for one in kinds.values()),
            "healthy": all(one.health in ("healthy", "") for one in records if one.phase == "live"),
            **_containers(workload),
            "stateful": len(stateful),
            "protected": sum(one.properties.get("protected") is True for one in stateful),
        }

    def _guardrails(self, stacks: Iterable[Deployment]) -> dict[str, int]:
        """What the rules say of what is there."""
        count = {"hard": 0, "soft": 0, "advisory": 0, "waived": 0}
        for one in stacks:
            judgement = self.world.judgements.of(str(one.address), "schedule")
            for finding in judgement.verdict.get("findings", ()) if judgement else ():
                count["waived" if finding.get("waiver") else str(finding["level"])] += 1
        return count

    def _delivery(self, component: str) -> dict[str, Any]:
        figures = self._figures.get(component, Figures())
        arrived = max((one.live_at for one in self._records if _arrived(one, component) and one.live_at), default=None)
        return {
            "deployments": figures.deployments,
            "days_since": (self.now - arrived) / timedelta(days=1) if arrived else UNKNOWN,
            "lead_time_hours": _hours(figures.lead_time),
            "change_fail_rate": UNKNOWN if figures.change_fail_rate is None else figures.change_fail_rate,
            "recovery_hours": _hours(figures.recovery_time),
        }

    @cached_property
    def _records(self) -> tuple[Delivery, ...]:
        return tuple(self.world.deliveries.find(limit=_MOST_RECORDS))

    @cached_property
    def _figures(self) -> Mapping[str, Figures]:
        production = {name for name, one in self.snapshot.environments.items() if one.kind == "production"}
        by_service: Callable[[str], str] = str
        return dora(self._records, Period(self.now - WINDOW, self.now, production), by_service)

    @cached_property
    def _tariffs(self) -> Tariffs:
        return Tariffs.of(self.snapshot, self.now.date())

    def _cost(self, component: str, entity: Entity | None, owner: Ref | None) -> dict[str, Any]:
        chain = [entity, self.snapshot.entities.get(owner) if owner else None]
        said = ((one.metadata.get("annotations") or {}).get(COST_CENTER) for one in chain if one)
        modules = self.snapshot.modules
        priced = [
            self._tariffs.cost(modules[one.module], one.inputs)
            for each in self.world.stacks.all(component=component)
            for one in self.world.stacks.resources(each.address)
            if one.module in modules
        ]
        return {
            "monthly": float(sum(one.monthly for one in priced)),
            "unpriced": sum(len(one.unpriced) for one in priced),
            "cost_center": str(next((one for one in said if one), "")),
        }


def keep_scores(world: World) -> int:
    """Score every component and keep it for today; how many scores there are."""
    now = world.clock.now()
    known = Known(world, world.snapshots.current(), now)
    found = [
        Scored(name, one.scorecard, now.date(), one.level, one.passed, len(one.checks))
        for name in known.components()
        for one in known.scores(name)
    ]
    world.scores.keep(found)
    world.scores.forget((now - KEPT).date())
    return len(found)


def _component(name: str, entity: Entity | None) -> dict[str, Any]:
    metadata, spec = (entity.metadata, entity.spec) if entity else ({}, {})
    return {
        "name": name,
        "title": entity.title if entity else name,
        "description": entity.description if entity else "",
        "type": str(spec.get("type") or ""),
        "lifecycle": str(spec.get("lifecycle") or ""),
        "system": str(spec.get("system") or ""),
        "tags": [str(one) for one in metadata.get("tags") or ()],
        "annotations": {str(key): str(value) for key, value in (metadata.get("annotations") or {}).items()},
        "known": entity is not None,
    }


def _containers(workload: Workload | None) -> dict[str, Any]:
    containers = workload.containers if workload else ()
    return {
        "limits": bool(containers) and all("memory" in one.limits for one in containers),
        "readiness": any(one.readiness is not None for one in containers),
        "plain_secrets": sum(len(list(plain_secrets(one))) for one in containers),
    }


def _arrived(one: Delivery, component: str) -> bool:
    return one.stack.component == component and one.live_at is not None


def _hours(seconds: float | None) -> float:
    return UNKNOWN if seconds is None else seconds / 3600
