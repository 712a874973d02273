"""What a run's plans cost, and what that does to the budgets of environments and teams.

What other runs have reserved is read before what is there: a run that settles between is counted twice for a moment,
and never not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from pave.engine.world import World
from pave.model.budget import written_of
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.plan.change import Plan
from pave.plan.cost import Cost, Tariffs, delta
from pave.plan.spending import Scope, Spending, scope_of_environment, scope_of_team, told
from pave.plan.wanted import owner_of
from pave.ports import Reserved, Wish

_NOBODY = Ref("", "", "")


def tariffs_of(world: World, snapshot: Snapshot) -> Tariffs:
    """What everything costs today."""
    return Tariffs.of(snapshot, world.clock.now().date())


@dataclass(frozen=True)
class Bill:
    """The money of plans on one candidate: `snapshot` as it would be, `base` as it is; `run` is whose plans they are.

    Without plans it is about what is there.
    """

    world: World
    base: Snapshot
    snapshot: Snapshot
    plans: Sequence[Plan] = ()
    run: str = ""

    @cached_property
    def tariffs(self) -> Tariffs:
        """What everything costs today, as it would be."""
        return tariffs_of(self.world, self.snapshot)

    @cached_property
    def costs(self) -> Mapping[Address, Cost]:
        """What each stack's plan adds."""
        there = self._there
        inputs = {
            address: one for stack in {one.stack for one in self.plans} for address, one in there[0].get(stack, ())
        }
        return {one.stack: delta(one.changes, inputs, self.tariffs) for one in self.plans}

    @cached_property
    def reserved(self) -> Mapping[str, Reserved]:
        """What other runs have reserved of the budgets that the plans touch."""
        scopes = [one for plan in self.plans for one in self._scopes(plan.stack) if one.written]
        return self.world.budgets.look({one.key for one in scopes}, self.run) if scopes else {}

    @cached_property
    def _there(self) -> tuple[Mapping[Address, Sequence[tuple[str, Mapping[str, Any]]]], Mapping[Address, Decimal]]:
        """What is there, by stack: the inputs of each resource, and what all of them cost a month."""
        _ = self.reserved  # before what is there, see above
        now = tariffs_of(self.world, self.base)
        inputs: dict[Address, list[tuple[str, Mapping[str, Any]]]] = {}
        sums: dict[Address, Decimal] = {}
        for one in self.world.stacks.resources():
            module = now.modules.get(one.module)
            inputs.setdefault(one.address.stack, []).append((str(one.address), one.inputs))
            if module is not None:
                cost = now.cost(module, one.inputs).monthly
                sums[one.address.stack] = sums.get(one.address.stack, Decimal(0)) + cost
        return inputs, sums

    @cached_property
    def _sums(self) -> Mapping[str, Decimal]:
        """What is there of each budget."""
        found: dict[str, Decimal] = {}
        for stack, amount in self._there[1].items():
            for scope in self._scopes(stack):
                found[scope.key] = found.get(scope.key, Decimal(0)) + amount
        return found

    def spendings(self, stack: Address) -> tuple[Spending, Spending]:
        """The budgets of a stack's environment and team, with everything that the plans do to them."""
        environment, team = self._scopes(stack)
        return self._spending(environment), self._spending(team)

    def _spending(self, scope: Scope) -> Spending:
        change = sum((cost.monthly for one, cost in self.costs.items() if scope in self._scopes(one)), Decimal(0))
        reserved = self.reserved.get(scope.key, Reserved()).amount
        return Spending(scope, self.tariffs.currency, self._sums.get(scope.key, Decimal(0)), reserved, change)

    def _scopes(self, stack: Address) -> tuple[Scope, Scope]:
        if stack not in self._known:
            self._known[stack] = self._scopes_of(stack)
        return self._known[stack]

    @cached_property
    def _known(self) -> dict[Address, tuple[Scope, Scope]]:
        return {}

    def _scopes_of(self, stack: Address) -> tuple[Scope, Scope]:
        environment = self.snapshot.environments.get(stack.environment) or self.base.environments.get(stack.environment)
        owner = owner_of(self.snapshot, stack.component) or owner_of(self.base, stack.component) or _NOBODY
        team = self.snapshot.entities.get(owner) or self.base.entities.get(owner)
        return (
            scope_of_environment(stack.environment, environment.budget if environment else ""),
            scope_of_team(str(owner), owner.name, written_of(team)),
        )

    def facts(self, stack: Address, plan: Plan) -> dict[str, Any]:
        """What guardrails may know of it."""
        environment, team = self.spendings(stack)
        cost = self.costs.get(stack)
        if cost is None:  # looked at, as if it were made now: what it costs is there already
            cost = delta(plan.changes, {}, self.tariffs)
            added, monthly = Decimal(0), cost.monthly
        else:
            added, monthly = cost.monthly, self._there[1].get(stack, Decimal(0)) + cost.monthly
        return {
            "delta": _float(added),
            "monthly": _float(monthly),
            "currency": self.tariffs.currency,
            "unpriced": list(cost.unpriced),
            "environment": environment.as_data(),
            "team": team.as_data(),
            "budgets": told(environment, team),
        }

    def as_data(self) -> dict[str, Any]:
        """What all plans together cost, as doors show it: in all, for each resource, and what budgets say to it."""
        total, parts = Cost(currency=self.tariffs.currency), dict[str, Cost]()
        for one in self.costs.values():
            total, parts = total.plus(one), {**parts, **one.parts}
        said = dict.fromkeys(one.text for plan in self.plans for one in self.spendings(plan.stack) if one.text)
        return replace(total, parts=parts).as_data() | ({"budgets": list(said)} if said else {})

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """What is to be reserved for it."""
        return tuple(
            Wish(one.key, str(stack), cost.monthly, self.tariffs.currency, self.reserved[one.key].version)
            for stack, cost in self.costs.items()
            for one in self._scopes(stack)
            if one.written and cost.monthly > 0
        )


def _float(amount: Decimal) -> float:
    return float(amount.quantize(Decimal("0.01")))
