"""What the figures about guardrails do: a verdict by itself, dry runs through the door, a thousand stacks again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.figures import EIGHT
from benchmarks.running import Running, platform
from pave.model.environment import Environment
from pave.model.guardrail import Guardrail
from pave.model.guardrail_file import read_guardrail
from pave.model.module import Module
from pave.model.names import Address, Ref
from pave.model.price import Meter, Price
from pave.plan.change import Action, Change, Plan
from pave.plan.cost import Tariffs, delta
from pave.plan.spending import Spending, scope_of_environment, scope_of_team, told
from pave.verdict.guardrail import compile_all
from pave.verdict.judge import Rules, judge
from pave.verdict.subject import EXAMPLE, Around, subjects_of

Pairs = Iterator[tuple[float, float | None]]
RULES = 50
_LIBRARY = Path(__file__).parent.parent / "pave" / "library" / "guardrails"
_TEAM = Ref("group", "default", "payments")
_SCOPES = (
    scope_of_environment("prod", "900 USD per month"),
    scope_of_team(str(_TEAM), _TEAM.name, "500 USD per month"),
)


def verdict_50_rules(runs: int) -> Pairs:
    """Eight new resources in production: cost, subjects and fifty rules, in milliseconds."""
    rules = Rules(compile_all(_fifty()))
    module = _module()
    for _ in range(runs):
        began = time.perf_counter()
        plan = _plan()
        cost = delta(plan.changes, {}, Tariffs({module.name: module}, {}, datetime.now(UTC).date())).monthly
        budgets = [Spending(one, "USD", Decimal(100), Decimal(10), cost) for one in _SCOPES]
        verdict = judge(subjects_of(plan, _around(module, cost, budgets)), rules, ["plan"], datetime.now(UTC))
        yield (time.perf_counter() - began) * 1000, None
        if any(one.guardrail == "guardrail.error" for one in verdict.findings):
            raise RuntimeError(f"a rule is broken: {verdict.findings[0].message}")


def dry_run(count: int, runs: int) -> Pairs:
    """A dry run of `count` new resources, engine's plan and verdict included, through the REST door."""
    with platform() as running:
        running.run("POST", "/components", {"name": "orders", "template": "python-service"})
        _look(running, count)
        for _ in range(runs):
            began = time.perf_counter()
            _look(running, count)
            yield time.perf_counter() - began, None


def rejudge_1000(runs: int) -> Pairs:
    """A thousand stacks judged again after a guardrail changed."""
    from benchmarks.thousand import STACKS, thousand_stacks  # noqa: PLC0415 — makes a world of its own
    from pave.engine.judgement.rejudging import Rejudge  # noqa: PLC0415

    with thousand_stacks() as reconciler:
        world = reconciler.world
        for _ in range(runs):
            snapshot = world.snapshots.current()
            began = time.perf_counter()
            judged = Rejudge().round(world, snapshot, ())
            seconds = time.perf_counter() - began
            if judged != STACKS:
                raise RuntimeError(f"{judged} stacks were judged, not {STACKS}")
            yield seconds, None


def _look(running: Running, count: int) -> dict[str, Any]:
    body = {"component": "orders", "resources": EIGHT[:count]}
    answer = running.look("/resources/batch", body)
    if answer["verdict"]["outcome"] not in ("allowed", "allowed-with-warnings"):
        raise RuntimeError(f"it is not allowed: {answer['verdict']}")
    return answer


def _fifty() -> list[Guardrail]:
    """The built-in rules, some of them twice, so that there are fifty."""
    found = [read_guardrail(path.read_bytes(), path.name) for path in sorted(_LIBRARY.glob("*.yaml"))]
    return (found + [replace(one, name=f"{one.name}-again") for one in found])[:RULES]


def _module() -> Module:
    price = Price(Decimal("0.01"), "Hours", "USD", "hours", "hours")
    properties: dict[str, str | bool] = {"region": "local", "encrypted": True, "public": False, "protected": True}
    return Module(
        "local/postgres", "1.0.0", "postgres", "terraform", "", "", _TEAM, stateful=True,
        meters=(Meter("hours", "730.0"),), prices={"hours": (price,)}, properties=properties,
    )  # fmt: skip


def _plan() -> Plan:
    stack = Address("prod", "orders")
    inputs = {"size": "small", "backup_days": 7, "connections": 0}
    changes = tuple(
        Change(
            stack.at(f"db{number}"), Action.CREATE, "postgres", "local/postgres", "1.0.0", stateful=True, inputs=inputs
        )
        for number in range(8)
    )
    return Plan(stack, changes, "", 0, "", "")


def _around(module: Module, cost: Decimal, budgets: list[Spending]) -> Around:
    return Around(
        environment=Environment("prod", "production", _TEAM),
        deployment=None,
        owner=_TEAM,
        now=datetime.now(UTC),
        actor=EXAMPLE["actor"],
        request=EXAMPLE["request"],
        evidence=EXAMPLE["evidence"],
        cost={
            **EXAMPLE["cost"],
            "delta": float(cost),
            "environment": budgets[0].as_data(),
            "team": budgets[1].as_data(),
            "budgets": told(*budgets),
        },
        team=EXAMPLE["team"],
        plan=EXAMPLE["plan"],
        modules={module.name: module},
    )
