"""Where the money goes: what is there by team, service, environment or resource, and what it has cost this month.

Where a cloud's bill names a resource, the bill counts for the month and not what was metered of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

from pave.engine.judgement.spending import tariffs_of
from pave.engine.world import World
from pave.model.budget import Budget, written_of
from pave.model.diagnostics import Refused
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.observe.charges import ACTUAL, ESTIMATED, METERED, Charge, month_of
from pave.plan.cost import Cost
from pave.plan.spending import Scope, Spending, scope_of_environment, scope_of_team
from pave.plan.wanted import owner_of

NOBODYS = "nobody's"
GROUPS = ("team", "service", "environment", "resource")


@dataclass(frozen=True)
class Group:
    """The money of one team, service, environment or resource: a month's estimate and what was so far."""

    name: str
    resources: int = 0
    cost: Cost = field(default_factory=Cost)
    so_far: Decimal = Decimal(0)
    projection: Decimal = Decimal(0)
    budget: Budget | None = None
    spending: Spending | None = None


@dataclass(frozen=True)
class Report:
    """All groups of a month, the most expensive in front."""

    currency: str
    since: datetime
    until: datetime
    groups: Sequence[Group]


def report(world: World, by: str, environment: str = "") -> Report:
    """What is there and what it has cost this month, by `GROUPS`; of one environment, where that is said."""
    snapshot, now = world.snapshots.current(), world.clock.now()
    tariffs = tariffs_of(world, snapshot)
    since, until = month_of(now)
    name_of = _names(snapshot, by)
    found: dict[str, Group] = {}
    for one in world.stacks.resources():
        if environment in ("", one.address.environment):
            name, module = name_of(one.address), snapshot.modules.get(one.module)
            cost = tariffs.cost(module, one.inputs) if module else Cost(unpriced=(one.module,))
            group = found.get(name, Group(name))
            found[name] = replace(group, resources=group.resources + 1, cost=group.cost.plus(cost))
    for row in settled(world.charges.find(since, until, (ACTUAL,))):
        if environment in ("", row.environment):
            name = _name_of_row(row, by, name_of)
            group = found.get(name, Group(name))
            found[name] = replace(group, so_far=group.so_far + row.effective_cost)
    left = Fraction(int((until - now).total_seconds()), int((until - since).total_seconds()))
    share = Decimal(left.numerator) / Decimal(left.denominator)
    budgets = "" if environment and by == "team" else by  # a team's budget is for all environments together
    groups = [
        replace(
            _with_budget(world, snapshot, one, budgets, tariffs.currency),
            projection=one.so_far + one.cost.monthly * share,
        )
        for one in found.values()
    ]
    groups.sort(key=lambda one: (-one.cost.monthly, -one.so_far, one.name))
    return Report(tariffs.currency, since, until, groups)


def settled(rows: Iterable[Charge]) -> list[Charge]:
    """Rows without what was metered in months for which a bill names the same resource."""
    known = list(rows)
    own = (METERED, ESTIMATED)
    billed = {(one.resource, month_of(one.starts_at)) for one in known if one.origin not in own and one.resource}
    return [one for one in known if one.origin != METERED or (one.resource, month_of(one.starts_at)) not in billed]


def _names(snapshot: Snapshot, by: str) -> Callable[[Address], str]:
    match by:
        case "team":
            return lambda address: str(owner_of(snapshot, address.component) or NOBODYS)
        case "environment":
            return lambda address: address.environment
        case "resource":
            return str
        case _:
            return lambda address: address.component


def _name_of_row(row: Charge, by: str, name_of: Callable[[Address], str]) -> str:
    """The group that a row belongs to; a bill may name nothing that Pave knows."""
    if row.environment and row.component:
        try:
            address = Address.parse(row.resource)
        except Refused:
            address = Address(row.environment, row.component)
        return row.resource if by == "resource" else name_of(address)
    said = {"team": row.owner, "environment": row.environment, "service": row.component, "resource": row.resource}
    return said[by] or NOBODYS


def _with_budget(world: World, snapshot: Snapshot, group: Group, by: str, currency: str) -> Group:
    scope = _scope(snapshot, group.name, by)
    if scope is None or scope.limit is None:
        return group
    reserved = world.budgets.look({scope.key})[scope.key].amount
    return replace(group, budget=scope.limit, spending=Spending(scope, currency, group.cost.monthly, reserved))


def _scope(snapshot: Snapshot, name: str, by: str) -> Scope | None:
    if by == "environment" and name in snapshot.environments:
        return scope_of_environment(name, snapshot.environments[name].budget)
    if by == "team" and name != NOBODYS:
        ref = Ref.parse(name, kind="group")
        return scope_of_team(name, ref.name, written_of(snapshot.entities.get(ref)))
    return None
