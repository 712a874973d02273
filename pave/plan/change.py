"""The plan as a value: what would change, per resource, and everything that it depends on.

A plan holds no secret and no engine's file; those stay with the engine's own record, which the plan
names by digest. Apply carries out exactly this plan or plans again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from pave.model.names import Address


class Action(str, Enum):
    """What happens to a resource. REPLACE deletes and creates anew."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    NONE = "none"


@dataclass(frozen=True)
class Change:
    """What happens to one resource of a stack. `attributes` names what differs, never the values of secrets."""

    address: Address
    action: Action
    type: str
    module: str = ""
    module_version: str = ""
    stateful: bool = False
    inputs: Mapping[str, Any] = field(default_factory=dict)
    attributes: tuple[str, ...] = ()
    drifted: bool = False

    def as_data(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "address": str(self.address),
            "action": self.action.value,
            "type": self.type,
            "module": self.module,
            "module_version": self.module_version,
            "stateful": self.stateful,
            "inputs": dict(self.inputs),
            "attributes": list(self.attributes),
            "drifted": self.drifted,
        }


@dataclass(frozen=True)
class Plan:
    """What would change in one stack.

    Bound to: `inputs` (the desired state's change detector), `serial` (of the engine's state),
    `guardrails` (digest of the rule set) and `engine_digest` (SHA-256 of the engine's own plan).
    """

    stack: Address
    changes: tuple[Change, ...]
    inputs: str
    serial: int
    guardrails: str
    engine_digest: str
    destroy: bool = False
    resources: tuple[Mapping[str, Any], ...] | None = field(default=None, compare=False, repr=False)
    """What the engine would do to its own resources, in the shape of `resource_changes` of `terraform show -json`,
    without what it marks as sensitive; None where it was not asked. For policies only: `engine_digest` covers it."""

    @property
    def digest(self) -> str:
        """SHA-256 over all of it; the same plan always has the same digest."""
        data = {
            "stack": str(self.stack),
            "changes": [one.as_data() for one in self.changes],
            "inputs": self.inputs,
            "serial": self.serial,
            "guardrails": self.guardrails,
            "engine": self.engine_digest,
            "destroy": self.destroy,
        }
        return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return all(one.action is Action.NONE for one in self.changes)

    def count(self, action: Action) -> int:
        """How many resources have this action."""
        return sum(one.action is action for one in self.changes)
