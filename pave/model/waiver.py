"""A waiver: an exception from one guardrail, for one place, by somebody, with a reason and an end."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import lru_cache
from itertools import combinations

from pave.model.diagnostics import Diagnostic, Source, warning
from pave.model.names import Address, Ref
from pave.model.schema import nearest

LONGEST = timedelta(days=366)


@dataclass(frozen=True)
class Waiver:
    """`scope` is an address or the beginning of one, with `*` for any part: `prod/orders/db`, `prod`, `*/orders`.

    `until` is the end, an aware UTC time; a day in the file means the end of that day.
    """

    name: str
    guardrail: str
    scope: str
    reason: str
    by: Ref
    until: datetime
    source: Source = field(default_factory=Source, compare=False)

    def covers(self, guardrail: str, address: Address) -> bool:
        """Whether it is about what this guardrail says of this address."""
        wanted, given = self.scope.split("/"), str(address).split("/")
        return (
            guardrail == self.guardrail
            and len(wanted) <= len(given)
            and all(fnmatchcase(part, pattern) for pattern, part in zip(wanted, given, strict=False))
        )

    def meets(self, other: Waiver) -> bool:
        """Whether there can be a place that both are about."""
        mine, theirs = self.scope.split("/"), other.scope.split("/")
        both = zip(mine, theirs, strict=False)
        return self.guardrail == other.guardrail and all(_have_one_in_common(one, another) for one, another in both)


@lru_cache(maxsize=4096)
def _have_one_in_common(one: str, another: str) -> bool:
    """Whether some text fits both patterns, in which only `*` is special."""
    if not one or not another:
        return not (one + another).strip("*")
    if one[0] == "*":
        return _have_one_in_common(one[1:], another) or _have_one_in_common(one, another[1:])
    if another[0] == "*":
        return _have_one_in_common(another, one)
    return one[0] == another[0] and _have_one_in_common(one[1:], another[1:])


def contradictions(waivers: Iterable[Waiver], guardrails: Collection[str]) -> Iterator[Diagnostic]:
    """What is wrong with waivers beside one another: rules that are not there, and two that speak of one place."""
    by_rule: dict[str, list[Waiver]] = {}
    for one in waivers:
        by_rule.setdefault(one.guardrail, []).append(one)
        if one.guardrail not in guardrails:
            yield warning(
                f"the waiver {one.name} is about the guardrail {one.guardrail}, which is not there",
                detail="It excuses nothing.",
                remedy=nearest(one.guardrail, list(guardrails)) or "Remove it.",
                source=one.source,
            )
    for group in by_rule.values():
        for pair in combinations(group, 2):
            if pair[0].meets(pair[1]):
                yield _contradiction(*pair)


def _contradiction(one: Waiver, another: Waiver) -> Diagnostic:
    """Of two the one that ends first counts: whoever writes a shorter one means it."""
    first, later = sorted((one, another), key=lambda waiver: (waiver.until, waiver.name))
    same = first.scope == later.scope
    where = f"for {first.scope}" if same else f"for what {first.scope} and {later.scope} have in common"
    if first.until == later.until:
        detail = f"Both end on {_day(first)}."
    else:
        detail = (
            f"{first.name} ends on {_day(first)} and {later.name} on {_day(later)}: there the first end counts, "
            f"and after it neither excuses anything."
        )
    return warning(
        f"the waivers {first.name} and {later.name} are both {where}, from {first.guardrail}",
        detail=detail,
        remedy="Remove one of them." if same else "Give them scopes that do not meet, or remove one.",
        source=later.source,
    )


def _day(waiver: Waiver) -> str:
    return f"{waiver.until:%Y-%m-%d}"
