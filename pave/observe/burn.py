"""Objectives: how fast an error budget burns, when that wakes somebody, and what is left of it.

Windows and factors are those of Google's Site Reliability Workbook, chapter 5 ("Multiwindow, Multi-Burn-Rate
Alerts"), for 30 days: 14.4 over 1 h and 5 min, 6 over 6 h and 30 min wake somebody; 3 over a day and 2 h, 1 over 3 days
and 6 h wait for the morning. Before them stands a `fast` pair, of a minute and 20 seconds, for a release that breaks at
once: it needs no hour of history. Each of the others speaks only once more than a quarter of its long window was seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

from pave.model.alert import SLO, Target
from pave.model.alert_file import in_words as bucket
from pave.model.alert_file import share, threshold_of
from pave.model.diagnostics import Refused, error
from pave.model.names import Address
from pave.observe.alert_rules import PLACE, Answers, Broken, Observed, Query, Rule, Seen
from pave.observe.series import Aggregation

ANNOTATION = "pave.dev/objective"
FEWEST_BAD = 5
"""Bad requests in the long window from which on a share is looked at: fewer may be chance."""
MOST_SHARE = 0.5
"""A share of bad requests that is always too much: a lenient objective must not make an outage unseen."""
_QUARTERS = 4
_MONTH = timedelta(days=30)
_KEEP = timedelta(minutes=1)


@dataclass(frozen=True)
class Window:
    """A pair of windows: both have to burn at `burn` times the rate that just spends the budget."""

    name: str
    long: timedelta
    short: timedelta
    burn: float
    severity: str


WINDOWS = (
    Window("fast", timedelta(minutes=1), timedelta(seconds=20), 100.0, "critical"),
    Window("1h", timedelta(hours=1), timedelta(minutes=5), 14.4, "critical"),
    Window("6h", timedelta(hours=6), timedelta(minutes=30), 6.0, "critical"),
    Window("1d", timedelta(days=1), timedelta(hours=2), 3.0, "warning"),
    Window("3d", timedelta(days=3), timedelta(hours=6), 1.0, "warning"),
)
SUFFIXES: Mapping[str, str] = {"critical": "burn", "warning": "slow-burn"}
"""What the two alerts of an objective are called: `availability-burn`, `availability-slow-burn`."""


@dataclass(frozen=True)
class Requests:
    """What was counted in a window; `covered` is how many of its parts have data."""

    all: float = 0.0
    bad: float = 0.0
    covered: int = 0

    @property
    def share(self) -> float:
        """Share of bad requests."""
        return min(self.bad / self.all, 1.0) if self.all > 0 else 0.0


@dataclass(frozen=True)
class Budget:
    """An objective over its own window: `left` is 1 for an untouched budget, 0 for a spent one, and below for more."""

    requests: float
    bad: float
    good: float
    left: float


def rules(slo: SLO) -> tuple[Rule, ...]:
    """The two alerts of an objective."""
    return tuple(
        Rule(
            name=f"{slo.name}-{suffix}",
            title=f"{slo.title}: the error budget burns{'' if severity == 'critical' else ' slowly'}",
            severity=severity,
            owner=slo.owner,
            hold=timedelta(0),
            keep=_KEEP,
            runbook=slo.runbook,
            labels=slo.labels,
            file=slo.file,
        )
        for severity, suffix in SUFFIXES.items()
    )


def of(slo: SLO, target: Target) -> SLO:
    """The objective as it is for one component: its annotation may say other numbers.

    `pave.dev/objective: "availability=99.5 %, latency=250ms 95 %"`. Raises `Refused` for what cannot be understood.
    """
    said = dict(_said(target))
    text = said.get(slo.name, "")
    for word in text.replace(" %", "%").split():
        if word.endswith("%"):
            slo = replace(slo, objective=_objective(target, word))
        elif (threshold := threshold_of(word)) is not None:
            slo = replace(slo, threshold=threshold)
        else:
            raise _wrong(target, word)
    return slo


def queries(slo: SLO, window: timedelta, steps: int = 1) -> tuple[Query, ...]:
    """What has to be answered for one window."""
    if slo.indicator == "availability":
        return (Query("http_requests_total", Aggregation.INCREASE, window, by=("code",), steps=steps),)
    metric, borders = "http_request_duration_seconds_bucket", (*_written(slo.threshold), "+Inf")
    return (Query(metric, Aggregation.INCREASE, window, where=(("le", borders),), by=("le",), steps=steps),)


def all_queries(slo: SLO) -> Iterator[Query]:
    """What has to be answered to know whether the budget burns."""
    for window in WINDOWS:
        yield from (*queries(slo, window.long, steps_of(window)), *queries(slo, window.short))


def counted(slo: SLO, window: timedelta, answers: Answers, steps: int = 1) -> Mapping[Address, Requests]:
    """The requests of each stack in one window."""
    found: dict[Address, Requests] = {}
    (query,) = queries(slo, window, steps)
    for line in answers.get(query, ()):
        stack = Address(*(line.labels.get(one, "") for one in PLACE))
        values = [value for _, value in line.points if value is not None]
        if not values:
            continue
        total, before = sum(values), found.get(stack, Requests())
        if slo.indicator == "availability":
            bad, all_ = (total if line.labels.get("code", "").startswith("5") else 0.0), total
        elif line.labels.get("le") == "+Inf":
            bad, all_ = total, total
        else:
            bad, all_ = -total, 0.0  # all, less those that were in time
        found[stack] = Requests(before.all + all_, before.bad + bad, max(before.covered, len(values)))
    return {stack: replace(one, bad=max(one.bad, 0.0)) for stack, one in found.items()}


def look(slo: SLO, targets: Iterable[Target], answers: Answers) -> Iterator[Observed | Broken]:
    """Whether the budget burns, on each stack: an observation for each of the two alerts."""
    known: dict[tuple[float, timedelta, int], Mapping[Address, Requests]] = {}

    def requests(one: SLO, window: timedelta, steps: int, stack: Address) -> Requests | None:
        key = (one.threshold, window, steps)
        if key not in known:
            known[key] = counted(one, window, answers, steps)
        return known[key].get(stack)

    for target in targets:
        if not slo.applies.to(target):
            continue
        try:
            mine = of(slo, target)
        except Refused as refused:
            yield Broken(slo.name, str(refused))
            mine = slo
        for severity, suffix in SUFFIXES.items():
            rows = []
            for window in (one for one in WINDOWS if one.severity == severity):
                long = requests(mine, window.long, steps_of(window), target.address)
                rows.append((window, long, requests(mine, window.short, 1, target.address)))
            yield _observed(f"{slo.name}-{suffix}", mine, target.address, severity, rows)


def burning(slo: SLO, window: Window, long: Requests, short: Requests) -> bool:
    """Whether both windows burn too fast."""
    too_much = long.bad >= FEWEST_BAD and min(long.share, short.share) >= allowed(slo, window)
    return enough(window, long) and too_much


def enough(window: Window, long: Requests) -> bool:
    """Whether enough of the long window was measured to say anything of it."""
    return long.covered >= min(2, steps_of(window))


def allowed(slo: SLO, window: Window) -> float:
    """The share of bad requests from which on a budget burns too fast."""
    return min(window.burn * (slo.window / _MONTH) * (1 - slo.objective), MOST_SHARE)


def burn_rate(slo: SLO, requests: Requests) -> float:
    """How many times faster the budget goes than it may."""
    return requests.share / (1 - slo.objective)


def budget(slo: SLO, requests: Requests) -> Budget:
    """What is left of the error budget of `slo.window`, of whose requests these are."""
    return Budget(requests.all, requests.bad, 1 - requests.share, 1 - burn_rate(slo, requests))


def percent(share_: float) -> str:
    """A share as people write it: `99.95 %`."""
    return f"{share_ * 100:.4f}".rstrip("0").rstrip(".") + " %"


def steps_of(window: Window) -> int:
    """In how many parts its long window is asked."""
    return _QUARTERS if window.long >= timedelta(hours=1) else 1


def _observed(
    rule: str, slo: SLO, stack: Address, severity: str, rows: list[tuple[Window, Requests | None, Requests | None]]
) -> Observed:
    if all(long is None and short is None for _, long, short in rows):
        return Observed(rule, stack, severity, Seen.UNKNOWN)
    for window, long, short in rows:
        if long is not None and burning(slo, window, long, short or Requests()):
            rate = burn_rate(slo, long)
            what = "failed" if slo.indicator == "availability" else f"took longer than {bucket(slo.threshold)}"
            message = (
                f"{long.bad:,.0f} of {long.all:,.0f} requests to {stack} {what} in {time_in_words(window.long)} "
                f"({percent(round(long.share, 3))}; the objective allows {percent(1 - slo.objective)}): at this rate "
                f"the budget of "
                f"{time_in_words(slo.window)} is gone in {time_in_words(slo.window / rate)}"
            )
            values = {"share": long.share, "burn": rate, "requests": long.all}
            return Observed(rule, stack, severity, Seen.HOLDS, message, {}, values)
    return Observed(rule, stack, severity, Seen.WELL)


def _said(target: Target) -> Iterator[tuple[str, str]]:
    for part in target.annotations.get(ANNOTATION, "").split(","):
        if not part.strip():
            continue
        name, equals, value = part.partition("=")
        if not equals:
            raise _wrong(target, part.strip())
        yield name.strip(), value.strip()


def _objective(target: Target, word: str) -> float:
    try:
        found = share(word)
    except ValueError:
        raise _wrong(target, word) from None
    if not 0 < found < 1:
        raise _wrong(target, word)
    return found


def _wrong(target: Target, word: str) -> Refused:
    return Refused(
        error(
            f"{ANNOTATION} of {target.address.component} cannot say {word!r}",
            remedy="Write it like: availability=99.5 %, latency=250ms 95 %.",
            address=str(target.address),
        )
    )


def _written(seconds: float) -> tuple[str, ...]:
    """A border of the histogram as programs write it: `1` and `1.0`."""
    return tuple(dict.fromkeys((f"{seconds:g}", str(seconds))))


def problems(slos: Iterable[SLO], target: Target) -> Iterator[str]:
    """Objectives in a component's annotation that there are none of."""
    names = {one.name for one in slos}
    try:
        said = Counter(name for name, _ in _said(target))
    except Refused:
        return  # said by `of`
    for name in said:
        if name not in names:
            yield f"{ANNOTATION} of {target.address.component} names {name!r}, and there is no such objective"


def time_in_words(time: timedelta) -> str:
    """A time as people say it: `20 seconds`, `an hour`, `3 days`."""
    seconds = time.total_seconds()
    for size, one, more in ((86400, "a day", "days"), (3600, "an hour", "hours"), (60, "a minute", "minutes")):
        if seconds >= size:
            count = seconds / size
            return one if count < 1.05 else f"{count:.2g} {more}"
    return f"{seconds:.0f} seconds"
