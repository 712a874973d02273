"""Promotion: whether the version that runs in one environment may move on to the next, and if not, why.

The rules are data on the environment: where it is fed from, how long a version must have been well there (`after`),
when one may arrive (`windows`). A pin holds until it is released, and a digest that failed is not tried again.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

from pave.model.deployment import Deployment
from pave.model.duration import duration
from pave.model.environment import Environment
from pave.model.names import Address
from pave.model.windows import closed


@dataclass(frozen=True)
class Facts:
    """What is known of the stack that a version would come from.

    `version` is what runs there with all of the traffic, None while nothing does; `since` is when it came to live.
    `status` and `reason` are its health; `failed` are the digests that failed where it would go.
    """

    source: Address
    version: Deployment | None
    since: datetime | None
    status: str
    reason: str = ""
    failed: AbstractSet[str] = frozenset()


@dataclass(frozen=True)
class Due:
    """It may move on now."""

    artifact: str


@dataclass(frozen=True)
class NotYet:
    """It may not, and why; `when` is set where only time is missing, `remedy` where somebody can do something."""

    reason: str
    when: datetime | None = None
    remedy: str = ""


def promotion(facts: Facts, environment: Environment, there: Deployment | None, now: datetime) -> Due | NotYet:
    """Whether the source's version may move to the stack of `environment` that is `there` now."""
    source, version = facts.source, facts.version
    if version is None or not version.artifact:
        return NotYet(f"nothing has arrived in {source.environment} yet", remedy=f"See: pave status {source}.")
    if there is not None and there.artifact == version.artifact:
        return NotYet("it has this version already")
    if there is not None and there.pin is not None:
        return NotYet(f"pinned: {there.pin}", remedy=f"Let it go on: pave release {there.address}.")
    if there is not None and there.rollout is not None:
        return NotYet(f"another version is on its way, at {there.rollout.weight} %", remedy="It ends by itself.")
    if version.artifact in facts.failed:
        return NotYet("this version failed there before", remedy="Push a commit that mends it.")
    if facts.status not in ("healthy", "progressing"):
        return NotYet(
            f"{source} is {facts.status}" + (f": {facts.reason}" if facts.reason else ""),
            remedy=f"See: pave logs {source}.",
        )
    if environment.deploy.after:
        ready = (facts.since or now) + duration(environment.deploy.after)
        if now < ready:
            return NotYet(f"it soaks in {source.environment} until {ready:%H:%M:%S} UTC", when=ready)
    shut = closed(environment.deploy.windows, now)
    if shut is not None:
        return NotYet(f"{environment.name} is {shut.reason}", when=shut.until)
    return Due(version.artifact)
