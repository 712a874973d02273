"""What people ask of the platform, and how soon they have it: what to automate next, and what needs no human any more.

Everything is a fold over records that are kept anyway; nobody is ranked, and figures about people are medians of all.

- A *wish* is something that was asked for and not had: a search without a result, a resource type that nothing serves,
  a plan that a guardrail denied, a form or dry run that nobody went on with, a request in words. Wishes are ranked by
  how many people had them, then by how often.
- *Request to ready* is from when a run was asked for to when it had succeeded, whatever it waited for.
- A run *needed no human* where nobody had to approve it; its share is that of all that succeeded ("tickets avoided").
- A newcomer's *time to first deployment* is from when they were first seen to their first deployment that succeeded,
  and their *tenth change* likewise.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from statistics import median

SEARCH, TYPE, DENIED, LEFT, NEED = "search", "type", "denied", "left", "need"
"""Kinds of wishes: a search without a result, a type that nothing serves, denied, left half-way, said in words."""
_DEPLOYS = frozenset({"stack.deploy", "component.create", "component.import", "stack.promote", "change.merge"})
_TENTH = 10


@dataclass(frozen=True)
class Missed:
    """Something asked for and not had, `count` times by one person on one day; `actor` is empty where unnamed."""

    kind: str
    what: str
    actor: str = ""
    count: int = 1


@dataclass(frozen=True)
class Wish:
    """What several people wanted: how many, and how often. An unnamed one counts as one person."""

    kind: str
    what: str
    people: int
    asked: int


def rank(missed: Iterable[Missed]) -> tuple[Wish, ...]:
    """All wishes, those of most people first."""
    people: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    asked: defaultdict[tuple[str, str], int] = defaultdict(int)
    for one in missed:
        key = one.kind, one.what
        people[key].add(one.actor)
        asked[key] += one.count
    wishes = (Wish(kind, what, len(people[kind, what]), count) for (kind, what), count in asked.items())
    return tuple(sorted(wishes, key=lambda one: (-one.people, -one.asked, one.kind, one.what)))


@dataclass(frozen=True)
class Ended:
    """A run that has ended, as far as it is needed here. `waited` are the seconds that people took to approve it."""

    kind: str
    actor: str
    succeeded: bool
    asked_at: datetime
    ended_at: datetime
    waited: float = 0.0
    approved: bool = False


@dataclass(frozen=True)
class Flow:
    """How one operation does. Times are seconds, None where nothing succeeded; `share` is without a human, 0 to 1."""

    operation: str
    asked: int
    succeeded: int
    p50: float | None
    p95: float | None
    share: float | None
    waited: float


def flows(runs: Iterable[Ended]) -> tuple[Flow, ...]:
    """How each operation does, the most used first, and all together under an empty name."""
    by_kind: defaultdict[str, list[Ended]] = defaultdict(list)
    for one in runs:
        by_kind[one.kind].append(one)
        by_kind[""].append(one)
    found = (_flow(kind, each) for kind, each in by_kind.items())
    return tuple(sorted(found, key=lambda one: (one.operation != "", -one.asked, one.operation)))


def _flow(kind: str, runs: Sequence[Ended]) -> Flow:
    ready = sorted((one.ended_at - one.asked_at).total_seconds() for one in runs if one.succeeded)
    alone = sum(one.succeeded and not one.approved for one in runs)
    return Flow(
        operation=kind,
        asked=len(runs),
        succeeded=len(ready),
        p50=quantile(ready, 0.5),
        p95=quantile(ready, 0.95),
        share=alone / len(ready) if ready else None,
        waited=sum(one.waited for one in runs),
    )


def quantile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank quantile of sorted values; None of nothing."""
    return values[max(ceil(share * len(values)) - 1, 0)] if values else None


@dataclass(frozen=True)
class Newcomers:
    """Medians in seconds over people first seen in the period; None where nobody came so far."""

    people: int
    first_deployment: float | None
    tenth_change: float | None


def newcomers(first_seen: Mapping[str, datetime], runs: Iterable[Ended]) -> Newcomers:
    """How soon people who came in the period had something running, and felt at home. `runs` are all of theirs."""
    deployed: dict[str, datetime] = {}
    changes: defaultdict[str, list[datetime]] = defaultdict(list)
    for one in runs:
        if one.actor not in first_seen or not one.succeeded:
            continue
        changes[one.actor].append(one.ended_at)
        if one.kind in _DEPLOYS:
            deployed[one.actor] = min(deployed.get(one.actor, one.ended_at), one.ended_at)
    tenth = {actor: sorted(times)[_TENTH - 1] for actor, times in changes.items() if len(times) >= _TENTH}
    return Newcomers(len(first_seen), _median(first_seen, deployed), _median(first_seen, tenth))


def _median(since: Mapping[str, datetime], until: Mapping[str, datetime]) -> float | None:
    took = [max((at - since[actor]).total_seconds(), 0.0) for actor, at in until.items()]
    return median(took) if took else None
