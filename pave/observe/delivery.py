"""How delivery goes: DORA's five metrics, computed from the record of deliveries and from nothing else.

Source of the definitions: dora.dev/guides/dora-metrics (2026-01-05), as in the reports of 2024 and 2025. What each
word means here, exactly:

- A *deployment* is a delivery to a production environment that ended: it came to live, failed or was rolled back. It
  counts at the moment when it came to live, or else when it failed. What was superseded on its way, cancelled or is
  still open is none. One version in two production environments is two deployments.
- A *change* is a deployment that is not a way back (`cause` rollback).
- **Deployment frequency**: changes that came to live, per day of the period.
- **Change lead time**: from `committed_at`, the oldest commit that was not live there before, to `live_at`; the median
  over changes that came to live. Its *segments* are told in `SEGMENTS`.
- **Change fail rate**: the share of changes that needed immediate intervention: they failed, or were rolled back.
- **Failed deployment recovery time**: from when such a change failed to when the delivery that made it good was live;
  the median over those that recovered. How many have not yet is told beside it.
- **Deployment rework rate**: the share of deployments that nobody planned: ways back, and those that made a failed one
  good (`recovers`).

What there is nothing to compute from is None, never zero. Medians of a team or of all are those of their deployments,
not of their services' medians. There are no levels (elite, high, …): the report of 2025 has none any more, and those of
2024 were not monotonic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Protocol

from pave.model.names import Address

SEGMENTS = ("waiting", "queue", "checks", "build", "deploy")
"""What a lead time is made of; together they are it, to the second.

`waiting`: for a review, a merge or a push, and between environments for soak time, windows and approvals. `queue`:
asked for, and no worker had it yet. `checks`: where it comes from, tests and scans. `build`. `deploy`: evidence, plan,
verdict, apply and rollout, in every environment on the way.
"""

_CAME, _NEEDED_HELP = "live", ("failed", "rolled-back")
_WAY_BACK = "rollback"


class Delivered(Protocol):
    """A record of delivery as far as it is needed here; `pave.ports.Delivery` is one."""

    @property
    def stack(self) -> Address: ...  # noqa: D102 — named for the fields of `pave.ports.Delivery`
    @property
    def run(self) -> str: ...  # noqa: D102
    @property
    def cause(self) -> str: ...  # noqa: D102
    @property
    def commit(self) -> str: ...  # noqa: D102
    @property
    def source(self) -> str: ...  # noqa: D102
    @property
    def outcome(self) -> str: ...  # noqa: D102
    @property
    def recovers(self) -> str: ...  # noqa: D102
    @property
    def committed_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def asked_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def checked_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def built_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def live_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def failed_at(self) -> datetime | None: ...  # noqa: D102
    @property
    def recovered_at(self) -> datetime | None: ...  # noqa: D102


@dataclass(frozen=True)
class Period:
    """What is looked at: deployments from `since` up to, and without, `until`, to the `production` environments.

    `started` says when each run began to be worked on; of a run that is not in it the queue is not told apart.
    """

    since: datetime
    until: datetime
    production: Collection[str]
    started: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def days(self) -> float:
        """How long it is."""
        return (self.until - self.since) / timedelta(days=1)


@dataclass(frozen=True)
class Figures:
    """The five metrics. Times are seconds, rates are shares from 0 to 1; None where there is nothing to compute from.

    `deployments` are those that came to live, without ways back; `unrecovered` failed and were not made good yet.
    """

    deployments: int = 0
    per_day: float = 0.0
    lead_time: float | None = None
    segments: Mapping[str, float] = field(default_factory=dict)
    change_fail_rate: float | None = None
    recovery_time: float | None = None
    unrecovered: int = 0
    rework_rate: float | None = None


def dora(records: Iterable[Delivered], period: Period, group_of: Callable[[str], str]) -> Mapping[str, Figures]:
    """The figures of each group that deployed to production in the period, sorted by name.

    `group_of` names the group of a component: itself, its team, or one for all. `records` are all that there are, also
    those of other environments: a lead time passes through them.
    """
    known = tuple(records)
    groups: defaultdict[str, list[Delivered]] = defaultdict(list)
    for one in known:
        if _counts(one, period):
            groups[group_of(one.stack.component)].append(one)
    before = _by_place(known)
    return {name: _figures(groups[name], period, before) for name in sorted(groups)}


def _counts(one: Delivered, period: Period) -> bool:
    at = one.live_at or one.failed_at
    ended = one.outcome in (_CAME, *_NEEDED_HELP) and at is not None
    return ended and one.stack.environment in period.production and at is not None and period.since <= at < period.until


def _figures(ended: Collection[Delivered], period: Period, before: _Places) -> Figures:
    changes = [one for one in ended if one.cause != _WAY_BACK]
    arrived = [one for one in changes if one.live_at is not None]
    failed = [one for one in changes if one.outcome in _NEEDED_HELP]
    recovered = [seconds for one in failed if (seconds := _seconds(one.failed_at, one.recovered_at)) is not None]
    unplanned = [one for one in ended if one.cause == _WAY_BACK or one.recovers]
    parts = [found for one in arrived if (found := segments(one, before, period.started))]
    return Figures(
        deployments=len(arrived),
        per_day=len(arrived) / period.days if period.days > 0 else 0.0,
        lead_time=_median(
            seconds for one in arrived if (seconds := _seconds(one.committed_at, one.live_at)) is not None
        ),
        segments={name: median(found[name] for found in parts) for name in SEGMENTS} if parts else {},
        change_fail_rate=len(failed) / len(changes) if changes else None,
        recovery_time=_median(recovered),
        unrecovered=sum(one.recovered_at is None for one in failed),
        rework_rate=len(unplanned) / len(ended) if ended else None,
    )


_Places = Mapping[tuple[str, str, str], list[Delivered]]
"""Deliveries that came to live, by environment, component and commit."""


def _by_place(records: Iterable[Delivered]) -> _Places:
    found: defaultdict[tuple[str, str, str], list[Delivered]] = defaultdict(list)
    for one in records:
        if one.live_at is not None:
            found[one.stack.environment, one.stack.component, one.commit].append(one)
    return found


def segments(one: Delivered, before: _Places, started: Mapping[str, datetime]) -> Mapping[str, float]:
    """The segments of one lead time in seconds; empty where the way of the commit is not on record.

    Times that run backwards (a commit's clock is its author's) count as no time: each is at least the one before it
    and at most the end, so the segments together are the lead time.
    """
    way = _way(one, before)
    if not way or one.committed_at is None or one.live_at is None:
        return {}
    spent = dict.fromkeys(SEGMENTS, 0.0)
    at, end = min(one.committed_at, one.live_at), one.live_at
    for step in way:
        ends = (
            ("waiting", step.asked_at),
            ("queue", started.get(step.run)),
            ("checks", step.checked_at),
            ("build", step.built_at),
            ("deploy", step.live_at),
        )
        for name, moment in ends:
            until = min(max(moment, at), end) if moment is not None else at
            spent[name] += (until - at).total_seconds()
            at = until
    return spent


def _way(one: Delivered, before: _Places) -> list[Delivered]:
    """The deliveries by which a commit came here, the oldest first; empty where one of them is missing."""
    way = [one]
    seen = {one.stack.environment}
    while way[0].source:
        last = way[0]
        place = (last.source, last.stack.component, last.commit)
        asked = last.asked_at
        # The first time that it came there: what was rolled out again later is not how long it took.
        first = min(
            ((at, number) for number, found in enumerate(before.get(place, ())) if (at := found.live_at) is not None),
            default=None,
        )
        if first is None or asked is None or first[0] > asked or last.source in seen:
            return []
        seen.add(last.source)
        way.insert(0, before[place][first[1]])
    return way


def _seconds(begin: datetime | None, end: datetime | None) -> float | None:
    return max(0.0, (end - begin).total_seconds()) if begin is not None and end is not None else None


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return median(found) if found else None
