"""DORA's five metrics once more, from Git and the audit alone, and by code that shares nothing with Pave's.

Of the platform repository only the first parents of `main`, the trailer that names the run, and the files below
`deployments/` are read; of the audit when a run was asked for, as what, and how it ended; of a service's repository
its commits. The definitions are those of dora.dev; docs/observability.md says them.
"""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

Shown = Mapping[str, Mapping[str, float | None]]
_FIELDS = (
    "deployments",
    "per_day",
    "lead_time",
    "change_fail_rate",
    "recovery_time",
    "unrecovered",
    "rework_rate",
)
_CLOSE = 1e-6


@dataclass
class Arrival:
    """One version that Git began to want somewhere; times are seconds since the epoch."""

    stack: str
    version: str
    way_back: bool
    wanted_at: float
    state: str
    ended_at: float
    lead: float | None = None
    live_at: float | None = None
    failed_at: float | None = None
    recovered_at: float | None = None
    trouble: bool = False

    @property
    def counts_at(self) -> float | None:
        """The moment at which it counts as a deployment; None where it never ended."""
        return self.live_at if self.live_at is not None else self.failed_at


def differences(shown: Shown, own: Shown) -> list[str]:
    """What is not the same, in words; a group that only one of them has is a difference."""
    found = [f"{group} is only in one" for group in set(shown) ^ set(own)]
    for group in set(shown) & set(own):
        for name in _FIELDS:
            one, other = shown[group][name], own[group][name]
            same = one == other if one is None or other is None else abs(one - other) <= _CLOSE
            found += [] if same else [f"{group}.{name}: shown {one}, recomputed {other}"]
    return sorted(found)


def recomputed(
    platform: Path,
    repositories: Path,
    audit: Iterable[Mapping[str, Any]],
    period: tuple[datetime, datetime],
    group_of: Callable[[str, str], str],
) -> Shown:
    """The figures of each group in a period; `group_of` (environment, component) is empty for what does not count.

    `audit` has, of each run, `run`, `type`, `kind`, `state` and `at`.
    """
    arrivals = _arrivals(platform, repositories, audit)
    since, until = (one.timestamp() for one in period)
    groups: defaultdict[str, list[Arrival]] = defaultdict(list)
    for stack, found in arrivals.items():
        group = group_of(*stack.split("/"))
        for one in found if group else ():
            if one.counts_at is not None and since <= one.counts_at < until:
                groups[group].append(one)
    days = (until - since) / 86400
    return {name: _figures(found, days) for name, found in groups.items()}


def _figures(found: list[Arrival], days: float) -> Mapping[str, float | None]:
    new = [one for one in found if not one.way_back]
    arrived = [one for one in new if one.live_at is not None]
    failed = [one for one in new if one.failed_at is not None]
    well = [max(one.recovered_at - one.failed_at, 0) for one in failed if one.failed_at and one.recovered_at]
    return {
        "deployments": len(arrived),
        "per_day": len(arrived) / days,
        "lead_time": _middle([max(one.lead, 0) for one in arrived if one.lead is not None]),
        "change_fail_rate": len(failed) / len(new) if new else None,
        "recovery_time": _middle(well),
        "unrecovered": len(failed) - len(well),
        "rework_rate": sum(one.way_back or one.trouble for one in found) / len(found) if found else None,
    }


def _middle(values: list[float]) -> float | None:
    ordered = sorted(values)
    half = len(ordered) // 2
    if not ordered:
        return None
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def _arrivals(platform: Path, repositories: Path, audit: Iterable[Mapping[str, Any]]) -> Mapping[str, list[Arrival]]:
    asked: dict[str, str] = {}
    ended: dict[str, tuple[str, float]] = {}
    for one in audit:
        if one["type"] == "run.created":
            asked[one["run"]] = one["kind"]
        elif one["type"] == "run.finished":
            ended[one["run"]] = (one["state"], datetime.fromisoformat(one["at"]).timestamp())
    histories: defaultdict[str, list[Arrival]] = defaultdict(list)
    commits: dict[str, _History] = {}
    for run, stack, version, at in _wanted(platform):
        history, component = histories[stack], stack.split("/")[1]
        if history and history[-1].version == version:
            continue
        state, end = ended.get(run, ("", 0.0))
        arrival = Arrival(stack, version, asked.get(run, "").endswith("rollback"), at, state, end)
        if component not in commits:
            commits[component] = _History(repositories / f"{component}.git")
        _follow(history, arrival, commits[component])
        history.append(arrival)
    return histories


def _follow(history: list[Arrival], one: Arrival, commits: _History) -> None:
    """What one more arrival means for itself and for those before it."""
    if one.way_back and history:
        last = history[-1]
        last.failed_at = last.failed_at or one.wanted_at
    # Nobody recovers twice: what was well again before has its time.
    ill = [past for past in history if past.failed_at is not None and past.recovered_at is None]
    one.trouble = bool(ill)
    serving = next((past for past in reversed(history) if past.live_at is not None and past.failed_at is None), None)
    one.lead = None
    if one.state == "succeeded":
        one.live_at = one.ended_at
        one.lead = one.live_at - commits.oldest(one.version, serving.version if serving else "")
        for past in ill:
            past.recovered_at = one.live_at
    elif one.state == "failed":
        one.failed_at = one.ended_at


def _wanted(platform: Path) -> Iterable[tuple[str, str, str, float]]:
    """(run, stack, version, when) of each deployment that a commit of `main` changed, the oldest first."""
    form = "%x01%ct%x00%(trailers:key=Pave-Change,valueonly,separator=%x2C)"
    log = _git(platform, "log", "--first-parent", "-m", "--reverse", "-p", "-U200", f"--format={form}", "main")
    for block in log.split("\x01")[1:]:
        head, _, diff = block.partition("\n")
        at, _, run = head.partition("\x00")
        for file in re.split(r"(?m)^diff --git ", diff)[1:]:
            stack = re.search(r"(?m)^\+\+\+ b/deployments/([^/\n]+)/([^/\n]+)\.yaml", file)
            version = re.search(r"(?m)^[+ ]\s+(?:source:.*\b)?commit: ['\"]?([0-9a-f]{40})", file)
            if stack and version:
                yield run, f"{stack[1]}/{stack[2]}", version[1], float(at)


class _History:
    """The commits of one repository: their times and parents."""

    def __init__(self, path: Path) -> None:
        rows = [line.split() for line in _git(path, "log", "--all", "--format=%H %ct %P").splitlines()]
        self._at = {one[0]: float(one[1]) for one in rows}
        self._parents = {one[0]: one[2:] for one in rows}

    def oldest(self, version: str, serving: str) -> float:
        """When the oldest commit was made that `version` has and `serving` has not; else when it was made itself."""
        if not serving:
            return self._at[version]
        new = self._reached(version) - self._reached(serving)
        return min((self._at[one] for one in new), default=self._at[version])

    def _reached(self, commit: str) -> set[str]:
        found, left = set[str](), [commit]
        while left:
            one = left.pop()
            if one not in found:
                found.add(one)
                left += self._parents[one]
        return found


def _git(path: Path, *arguments: str) -> str:
    argv = ["git", f"--git-dir={path}", "-c", f"safe.directory={path}", *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
