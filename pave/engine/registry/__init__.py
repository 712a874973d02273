"""Every operation of Pave, declared by noun. Doors are made from `OPERATIONS`; there is no other list."""

from __future__ import annotations

from typing import Any

from pave.engine.operations import Operation
from pave.engine.registry import (
    approvals,
    catalog,
    changes,
    components,
    dashboards,
    delivery,
    dora,
    environments,
    guardrails,
    metrics,
    platform,
    resources,
    runs,
    stacks,
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
    *catalog.OPERATIONS,
    *guardrails.OPERATIONS,
    *approvals.OPERATIONS,
    *platform.OPERATIONS,
)
