"""What ends: when something that is asked for a time goes, how it gets more, and when its end has moved meanwhile."""

from __future__ import annotations

from dataclasses import replace

from pave.model.diagnostics import Refused, error
from pave.model.duration import in_words, instant, later
from pave.model.snapshot import Snapshot
from pave.plan.wanted import Desired, Made, deployment_of, written
from pave.request.intent import ExtendResource


def end_of(lifetime: str, made: Made) -> str:
    """When something ends that was asked for `lifetime` (`3d`). Raises `Refused` for what is no duration."""
    assert made.asked_at is not None
    return in_words(later(made.asked_at, lifetime))


def extend(intent: ExtendResource, snapshot: Snapshot) -> Desired:
    """Another end for a resource that has one. Raises `Refused` where it has none, or is not there."""
    stack, name = intent.address.stack, intent.address.resource
    deployment = deployment_of(snapshot, stack)
    if name not in deployment.ends:
        there = ", ".join(f"{stack.at(one)} ({end[:16]})" for one, end in sorted(deployment.ends.items())) or "nothing"
        raise Refused(
            error(
                f"{intent.address} has no end",
                detail=f"With an end in {stack}: {there}.",
                remedy="There is nothing to extend.",
                address=str(intent.address),
            )
        )
    until = in_words(instant(intent.until))
    title = f"Extend {intent.address} until {until}"
    return written(title, replace(deployment, ends={**deployment.ends, name: until}))


def unless_extended(address: str, ended: str, until: str) -> None:
    """Raise `Refused` where what was to go because it `ended` has another end by now, or none."""
    if until != ended:
        raise Refused(
            error(
                f"{address} was to go because its time was over, and was given more since",
                detail=f"It was to end on {ended}, and " + (f"ends on {until}." if until else "has no end now."),
                remedy="It stays; nothing is to be done.",
                address=address,
            )
        )
