"""A wish that was denied, with what its findings offer laid over it: what would pass, ready to be asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from pave.model.diagnostics import Refused, error
from pave.request.intent import AddResource, AddResources, Intent, kind_of


def mended(intent: Intent, findings: Iterable[Mapping[str, Any]]) -> Intent:
    """The smallest change of `intent` that every finding (in its JSON form) which stands in the way asks for.

    Raises `Refused` where one of them offers nothing that can be laid over a wish, or two offer different values.
    """
    stands = [one for one in findings if one.get("level") != "advisory" and not one.get("waiver")]
    if not stands:
        raise Refused(error("No guardrail stands in the way", remedy="There is nothing to fix; ask again."))
    by_hand = [one for one in stands if set(one.get("patch") or {}) != {"inputs"}]
    if by_hand:
        raise Refused(
            *(
                error(f"{one['message']} This cannot be fixed by itself", remedy=str(one.get("remedy", "")))
                for one in by_hand
            )
        )
    match intent:
        case AddResource():
            return _laid(intent, stands)
        case AddResources():
            return replace(intent, resources=tuple(_laid(one, stands) for one in intent.resources))
        case _:
            raise Refused(
                error(
                    f"What {kind_of(intent)} asks for is written in a file, so it is mended there",
                    remedy="; ".join(dict.fromkeys(str(one.get("remedy", "")) for one in stands)),
                )
            )


def _laid(wish: AddResource, findings: Iterable[Mapping[str, Any]]) -> AddResource:
    laid: dict[str, tuple[Any, str]] = {}
    for one in findings:
        if one.get("address") != str(wish.address):
            continue
        for name, value in one["patch"]["inputs"].items():
            known = laid.setdefault(name, (value, str(one["guardrail"])))
            if known[0] != value:
                raise Refused(
                    error(
                        f"{known[1]} wants {name} to be {known[0]}, and {one['guardrail']} wants {value}",
                        remedy="Choose a value that both take, or have one of them changed.",
                        address=str(wish.address),
                    )
                )
    return replace(wish, inputs={**wish.inputs, **{name: value for name, (value, _) in laid.items()}})
