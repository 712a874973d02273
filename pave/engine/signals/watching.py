"""What the rules see now: which stacks there are, what the metrics answer, and what each rule makes of it.

Questions are asked about all stacks at once, and those about a long time less often than those about a short one. A
question that fails makes its rule broken, which is told; everything else goes on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pave.engine.world import World
from pave.model.alert import SLO, Target
from pave.model.deployment import Deployment
from pave.model.diagnostics import Refused
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.observe import burn
from pave.observe.alert_rules import Answers, Broken, CompiledAlert, Observed, Query, Rule, compile_alert
from pave.observe.series import Line
from pave.plan.wanted import owner_of

ROUTE = "route"
ROLLBACK = "pave.dev/rollback-on"
RUNBOOK = "pave.dev/runbook"
_FRESH = 60
"""A question is asked again once this part of the time that it is about has passed."""
_KNOWN = timedelta(minutes=5)


@dataclass(frozen=True)
class Look:
    """What one look saw. `rules` are all that were asked, by name."""

    targets: Mapping[Address, Target]
    rules: Mapping[str, Rule]
    observed: tuple[Observed, ...]
    broken: Mapping[str, str]


@dataclass
class Watch:
    """Looks again and again; it keeps what was answered as long as that is fresh enough."""

    world: World
    components: Components = field(init=False)
    _kept: dict[Query, tuple[datetime, Sequence[Line]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.components = Components(self.world)

    def look(self, snapshot: Snapshot, now: datetime) -> Look:
        """One look at everything."""
        targets = self.components.targets(snapshot, now)
        alerts, slos = alerts_of(snapshot), slos_of(snapshot)
        broken = {one.name: one.problem.summary for one in snapshot.broken_rules}
        observed: list[Observed] = []
        answers: dict[Query, Sequence[Line]] = {}
        for alert in alerts:
            if alert.problem:
                broken[alert.alert.name] = alert.problem
                continue
            try:
                answers |= self.answers(alert.queries().values(), now)
            except Refused as refused:
                broken[alert.alert.name] = str(refused)
                continue
            _sort(alert.look(targets.values(), answers), observed, broken)
        for slo in slos:
            try:
                needed = {one for each in _variants(slo, targets.values()) for one in burn.all_queries(each)}
                answers |= self.answers(needed, now)
            except Refused as refused:
                broken[slo.name] = str(refused)
                continue
            _sort(burn.look(slo, targets.values(), answers), observed, broken)
        for target in targets.values():
            for problem in burn.problems(snapshot.slos.values(), target):
                broken[f"objective-of-{target.address.component}"] = problem
        rules = {one.rule.name: one.rule for one in alerts}
        rules |= {rule.name: rule for slo in slos for rule in burn.rules(slo)}
        return Look(targets, rules, tuple(observed), broken)

    def answers(self, queries: Iterable[Query], now: datetime) -> Answers:
        """What the metrics answer. Raises `Refused` for a question that has no answer."""
        found = {}
        for query in queries:
            at, lines = self._kept.get(query, (None, ()))
            fresh = query.over / _FRESH
            if at is None or not timedelta(0) <= now - at < fresh:
                lines = self.world.metrics.ask(query.at(now))
                self._kept[query] = (now, lines)
            found[query] = lines
        return found

    def tidy(self, now: datetime) -> None:
        """Forget what nobody asks any more."""
        self._kept = {query: kept for query, kept in self._kept.items() if abs(now - kept[0]) < query.over}


def _sort(seen: Iterable[Observed | Broken], observed: list[Observed], broken: dict[str, str]) -> None:
    for one in seen:
        if isinstance(one, Broken):
            broken[one.rule] = one.problem
        else:
            observed.append(one)


def _variants(slo: SLO, targets: Iterable[Target]) -> Iterable[SLO]:
    """An objective with each threshold that some component has."""
    yield slo
    for target in targets:
        if slo.applies.to(target) and burn.ANNOTATION in target.annotations:
            try:
                yield burn.of(slo, target)
            except Refused:
                continue  # said where it is looked at


def alerts_of(snapshot: Snapshot) -> tuple[CompiledAlert, ...]:
    """The alerts in force, compiled."""
    found = sorted((one for one in snapshot.alerts.values() if not one.off), key=lambda one: one.name)
    return tuple(map(compile_alert, found))


def slos_of(snapshot: Snapshot) -> tuple[SLO, ...]:
    """The objectives in force."""
    return tuple(sorted((one for one in snapshot.slos.values() if not one.off), key=lambda one: one.name))


class Components:
    """What components say of themselves, looked up again where another version is deployed, and now and then."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._known: dict[Address, tuple[str, datetime, str, Mapping[str, str]]] = {}

    def targets(self, snapshot: Snapshot, now: datetime) -> dict[Address, Target]:
        """Every stack that is to run: those that sleep are not watched."""
        types: dict[Address, set[str]] = {}
        inputs: dict[Address, dict[str, Mapping[str, object]]] = {}
        for one in self._world.stacks.resources():
            types.setdefault(one.address.stack, set()).add(one.type)
            inputs.setdefault(one.address.stack, {})[one.address.resource] = one.inputs
        found: dict[Address, Target] = {}
        for record in self._world.stacks.all():
            stack = record.address
            deployment, environment = snapshot.deployments.get(stack), snapshot.environments.get(stack.environment)
            if deployment is None or environment is None or deployment.asleep:
                continue
            type_, annotations = self._of(snapshot, deployment, now)
            found[stack] = Target(
                address=stack,
                environment_kind=environment.kind,
                component_type=type_,
                owner=owner_of(snapshot, stack.component) or (Ref.parse(record.owner) if record.owner else None),
                types=frozenset(types.get(stack, set()) | ({ROUTE} if record.urls else set())),
                inputs=inputs.get(stack, {}),
                annotations=annotations,
            )
        self._known = {stack: known for stack, known in self._known.items() if stack in found}
        return found

    def _of(self, snapshot: Snapshot, deployment: Deployment, now: datetime) -> tuple[str, Mapping[str, str]]:
        """The type of a component, and its annotations: those of its catalog file, and over them its Score file's."""
        commit, at, type_, said = self._known.get(deployment.address, ("", now, "", {}))
        if commit == f"{snapshot.commit}/{deployment.commit}" and abs(now - at) < _KNOWN:
            return type_, said
        ref = Ref("component", "default", deployment.address.component)
        found = self._world.catalog.get(ref)
        entity = found.entry.entity if found else snapshot.entities.get(ref)
        workload = self._world.snapshots.workload(deployment)
        written = dict((entity.metadata.get("annotations") or {}) if entity else {})
        written |= dict(workload.annotations if workload else {})
        annotations = {str(key): str(value) for key, value in written.items()}
        kind = str(entity.spec.get("type", "")) if entity else ""
        self._known[deployment.address] = (f"{snapshot.commit}/{deployment.commit}", now, kind, annotations)
        return kind, annotations
