"""Reads Terraform's plan: what changes, in which module call, and what the plan is bound to.

Values stay here. What leaves is which attributes change, and a digest over all of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

from pave.adapters.terraform.diagnosis import sensitive_texts
from pave.ports import EngineChange

_CALL = re.compile(r"^module\.([A-Za-z0-9_-]+)")


def changes(shown: Mapping[str, Any]) -> tuple[EngineChange, ...]:
    """The changes in `terraform show -json` of a plan, sorted by address; data that is only read is left away."""
    drifted = {one["address"] for one in shown.get("resource_drift") or ()}
    found = []
    for one in shown.get("resource_changes") or ():
        if one.get("mode") == "data":
            continue
        call = _CALL.match(one["address"])
        change = one["change"]
        found.append(
            EngineChange(
                call=call[1] if call else "",
                address=one["address"],
                actions=tuple(change["actions"]),
                attributes=_attributes(change),
                drifted=one["address"] in drifted,
            )
        )
    return tuple(sorted(found, key=lambda one: one.address))


def _attributes(change: Mapping[str, Any]) -> tuple[str, ...]:
    before, after = change.get("before"), change.get("after")
    if not isinstance(before, Mapping) or not isinstance(after, Mapping):
        return ()
    unknown = change.get("after_unknown") or {}
    names = {*before, *after, *unknown}
    return tuple(sorted(name for name in names if before.get(name) != after.get(name) or unknown.get(name)))


def digest(shown: Mapping[str, Any]) -> str:
    """SHA-256 over what the plan would do; the same changes to the same state always have the same digest."""
    parts = {
        name: shown.get(name) or None
        for name in ("resource_changes", "resource_drift", "output_changes", "deferred_changes", "action_invocations")
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def serial(file: bytes) -> int:
    """The serial of the state that a plan file was made from."""
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        return int(json.loads(archive.read("tfstate"))["serial"])


def secrets(shown: Mapping[str, Any]) -> Iterator[str]:
    """Every text in the plan that Terraform marks as sensitive."""
    for one in (*(shown.get("resource_changes") or ()), *(shown.get("resource_drift") or ())):
        change = one["change"]
        yield from sensitive_texts(change.get("before"), change.get("before_sensitive"))
        yield from sensitive_texts(change.get("after"), change.get("after_sensitive"))


def state_secrets(state: Mapping[str, Any]) -> Iterator[str]:
    """Every text in a state (version 4) that Terraform marks as sensitive."""
    for resource in state.get("resources") or ():
        for instance in resource.get("instances") or ():
            for path in instance.get("sensitive_attributes") or ():
                value: Any = instance.get("attributes")
                for step in path:
                    value = _step(value, step.get("value"))
                yield from sensitive_texts(value, marks=True)


def _step(value: Any, key: Any) -> Any:
    if isinstance(key, Mapping):  # an index is written as {"value", "type"}
        key = key.get("value")
    try:
        return value[key]
    except (LookupError, TypeError):
        return None
