"""Reads Terraform's plan: what changes, in which module call, and what the plan is bound to.

What leaves to be shown is which attributes change, and a digest over all of it. Values leave for policies only, without
those that Terraform marks as sensitive.
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

SENSITIVE = "(sensitive)"
_KEPT = ("address", "module_address", "mode", "type", "name", "index", "provider_name", "action_reason")
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


def resources(shown: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """`resource_changes` as they are, but for what Terraform marks as sensitive."""
    found = []
    for one in shown.get("resource_changes") or ():
        if one.get("mode") == "data":
            continue
        change = one["change"]
        values = {name: without(change.get(name), change.get(f"{name}_sensitive")) for name in ("before", "after")}
        kept = {key: change[key] for key in ("actions", "after_unknown", "replace_paths") if key in change}
        found.append({**{key: one[key] for key in _KEPT if key in one}, "change": {**kept, **values}})
    return tuple(sorted(found, key=lambda one: str(one["address"])))


def without(value: Any, marks: Any) -> Any:
    """A value with `(sensitive)` wherever `marks`, which has its shape, says true."""
    if marks is True:
        return SENSITIVE
    if isinstance(value, Mapping) and isinstance(marks, Mapping):
        return {key: without(one, marks.get(key)) for key, one in value.items()}
    if isinstance(value, list) and isinstance(marks, list):
        return [without(one, marks[at] if at < len(marks) else None) for at, one in enumerate(value)]
    return value


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
