"""Every operation of Pave, declared by noun. Doors are made from `OPERATIONS`; there is no other list."""

from __future__ import annotations

from typing import Any

from pave.engine.operations import Operation
from pave.engine.registry import (
    access,
    alert_rules,
    alerts,
    approvals,
    catalog,
    changes,
    components,
    costs,
    dashboards,
    delivery,
    dora,
    environments,
    feedback,
    guardrails,
    health,
    insights,
    logs,
    metrics,
    notifications,
    objectives,
    platform,
    resources,
    roadmap,
    runs,
    scorecards,
    stacks,
    teams,
    tokens,
)

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    *components.OPERATIONS,
    *metrics.OPERATIONS,  # before the stacks': a stack's path would take theirs in
    *stacks.OPERATIONS,
    *dashboards.OPERATIONS,
    *resources.OPERATIONS,
    *environments.OPERATIONS,
    *changes.OPERATIONS,
    *delivery.OPERATIONS,
    *dora.OPERATIONS,
    *runs.OPERATIONS,
    *logs.OPERATIONS,
    *catalog.OPERATIONS,
    *guardrails.OPERATIONS,
    *approvals.OPERATIONS,
    *scorecards.OPERATIONS,
    *insights.OPERATIONS,
    *feedback.OPERATIONS,
    *roadmap.OPERATIONS,
    *health.OPERATIONS,
    *access.OPERATIONS,
    *teams.OPERATIONS,
    *tokens.OPERATIONS,
    *costs.OPERATIONS,
    *alert_rules.OPERATIONS,  # before the others: a route with a name in it takes what comes after it
    *alerts.OPERATIONS,
    *objectives.OPERATIONS,
    *notifications.OPERATIONS,
    *platform.OPERATIONS,
)
