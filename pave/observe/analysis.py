"""Analysis of a version on its way: go on, or go back, from what the router saw of it and of the one before.

The rules are deliberately few. Errors count from a handful on, because a version that fails does so loudly; latency
counts only with enough requests on both sides, because a quantile of ten requests says nothing. Without traffic
nothing is known, and a version that its probes find well goes on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pave.observe.traffic import Traffic

FEWEST_ERRORS = 3
"""Failed requests from which on a share is looked at: fewer may be chance."""
TOLERATED_ERRORS = 0.01
"""Share of failed requests that is let pass whatever the version before did."""
TIMES_THE_ERRORS = 3.0
"""How many times the share of the version before is too much."""
FEWEST_REQUESTS = 50
"""Requests on each side from which on latencies are compared."""
TIMES_THE_LATENCY = 2.0
LATENCY_SLACK = 0.05
"""Seconds: twice as slow counts only where it is also this much slower."""


@dataclass(frozen=True)
class Forward:
    """The next share of the traffic, in percent."""

    weight: int
    reason: str = ""


@dataclass(frozen=True)
class Finished:
    """It has arrived."""

    reason: str = ""


@dataclass(frozen=True)
class Back:
    """The version before again, and why."""

    reason: str


Decision = Forward | Finished | Back


def decide(
    weight: int,
    shares: Sequence[int],
    stable: Traffic,
    candidate: Traffic,
    *,
    healthy: bool = True,
    probes_ok: bool = True,
) -> Decision:
    """What becomes of a version at `weight` percent, of the `shares` that it goes through."""
    problem = _problem(stable, candidate, healthy=healthy, probes_ok=probes_ok)
    if problem:
        return Back(problem)
    told = (
        f"{candidate.requests} requests, {candidate.errors} failed" if candidate.requests else "no requests were seen"
    )
    following = next((share for share in shares if share > weight), None)
    return Finished(told) if following is None else Forward(following, told)


def _problem(stable: Traffic, candidate: Traffic, *, healthy: bool, probes_ok: bool) -> str:
    if not healthy:
        return "its processes are not well"
    if not probes_ok:
        return "it does not answer its probes"
    tolerated = max(TOLERATED_ERRORS, TIMES_THE_ERRORS * stable.error_rate)
    if candidate.errors >= FEWEST_ERRORS and candidate.error_rate > tolerated:
        return (
            f"{candidate.errors} of {candidate.requests} requests failed ({candidate.error_rate:.0%}; "
            f"tolerated are {tolerated:.0%})"
        )
    enough = min(stable.requests, candidate.requests) >= FEWEST_REQUESTS
    slow = candidate.p95 > max(TIMES_THE_LATENCY * stable.p95, stable.p95 + LATENCY_SLACK)
    if enough and slow:
        return f"its slowest requests take {candidate.p95:.2f} s, those before {stable.p95:.2f} s (95th percentile)"
    return ""
