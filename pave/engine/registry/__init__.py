"""Every operation of Pave, declared by noun. Doors are made from `OPERATIONS`; there is no other list."""

from __future__ import annotations

from typing import Any

from pave.engine.operations import Operation
from pave.engine.registry import (
    alert_rules,
    alerts,
    approvals,
    catalog,
    changes,
    components,
    delivery,
    dora,
    environments,
    guardrails,
    notifications,
    objectives,
    platform,
    resources,
    runs,
    stacks,
)

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    *components.OPERATIONS,
    *stacks.OPERATIONS,
    *resources.OPERATIONS,
    *environments.OPERATIONS,
    *changes.OPERATIONS,
    *delivery.OPERATIONS,
    *dora.OPERATIONS,
    *runs.OPERATIONS,
    *catalog.OPERATIONS,
    *guardrails.OPERATIONS,
    *approvals.OPERATIONS,
    *alert_rules.OPERATIONS,  # before the others: a route with a name in it takes what comes after it
    *alerts.OPERATIONS,
    *objectives.OPERATIONS,
    *notifications.OPERATIONS,
    *platform.OPERATIONS,
)
