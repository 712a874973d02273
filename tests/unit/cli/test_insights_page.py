"""What `pave insights` says of money and of objectives."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from pave.cli.product import insights

COST = {"currency": "USD", "monthly": "41.20", "so_far": "7.10", "projection": "35.90", "unpriced": 2}
SPENT = {
    "state": "spent",
    "stack": "prod/orders",
    "name": "availability",
    "objective": "99.9 % without a 5xx",
    "good": "75.6 %",
    "left": "spent 244 times",
}


def page(objectives: list[dict[str, Any]], **cost: Any) -> str:
    flows = {"wishes": [], "flows": [], "tickets_avoided": 0}
    came = {"newcomers": 0, "first_deployment": None, "tenth_change": None}
    data = {
        "delivery": [],
        "demand": flows | came,
        "active": {},
        "doors": {},
        "used": [],
        "judged": 0,
        "guardrails": [],
        "cost": COST | cost,
        "reliability": {"stacks": 1, "healthy": 1, "unhealthy": [], "objectives": objectives},
        "survey": {},
    }
    console = Console(width=140)
    with console.capture() as captured:
        console.print(insights(data))
    return captured.get()


def test_what_it_costs_with_what_that_leaves_out() -> None:
    said = page([])
    assert "7.10 USD so far, 35.90 at its end" in said
    assert "41.20 USD a month, without 2 things of no known price" in said
    assert "without" not in page([], unpriced=0)


def test_objectives_with_what_is_left_of_their_budgets() -> None:
    said = page([SPENT])
    for word in ("prod/orders", "availability", "99.9 % without a 5xx", "75.6 %", "spent 244 times"):
        assert word in said, said
    assert "Reliability" not in page([]), "nothing was measured"
