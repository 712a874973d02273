"""Where a team or a person is reached, and when: `notifications/<group or user>/<name>.yaml`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pave.model import own_format, windows
from pave.model.diagnostics import Refused
from pave.model.document import show
from pave.model.duration import duration
from pave.model.names import Ref

TYPES = ("slack", "webhook", "mail")
TOPICS = ("alert", "approval", "delivery", "environment", "feedback")
"""What there may be to say: alerts; questions and their answers; what failed or was rolled back; what ends; answers."""


@dataclass(frozen=True)
class Channel:
    """One way to reach somebody.

    `address` is an e-mail address, an https address at a host that is allowed, or the name under which the operators
    keep one: an address that holds a secret does not belong into Git.
    """

    name: str
    type: str
    address: str
    topics: tuple[str, ...] = TOPICS
    severity: str = "info"


@dataclass(frozen=True)
class Step:
    """Who hears of an alert that nobody acknowledged `after` it fired: channels by name, or teams and people."""

    after: timedelta
    channels: tuple[str, ...] = ()
    refs: tuple[Ref, ...] = ()


@dataclass(frozen=True)
class Notifications:
    """How `who` wants to be told.

    What is not urgent comes within `hours` only (see `pave.model.windows`), and what comes less often than each
    `digest` comes together. Alerts that are critical in production are urgent.
    """

    who: Ref
    channels: tuple[Channel, ...] = ()
    hours: tuple[str, ...] = ()
    digest: timedelta = timedelta(0)
    escalate: tuple[Step, ...] = ()

    def due(self, now: datetime, *, urgent: bool) -> datetime:
        """When something that is to be said now may come."""
        if urgent:
            return now
        at = now
        if self.digest:
            seconds = self.digest.total_seconds()
            at += timedelta(seconds=seconds - now.timestamp() % seconds)
        shut = windows.closed([{"allow": one} for one in self.hours], at) if self.hours else None
        return (shut.until or at) if shut else at


def read_notifications(data: bytes, file: str) -> Notifications:
    """One file. Raises `Refused` with all that is wrong."""
    document = own_format.read(data, file, "Notifications")
    spec = document.data["spec"]
    who = own_format.reference(document, ("spec", "for"), "group")
    hours: Sequence[str] = spec.get("hours", ())
    for number, one in enumerate(hours):
        at = ("spec", "hours", number)
        try:
            windows.check({"allow": one})
        except Refused as refused:
            raise own_format.place(refused, document.source(at), show(at)) from None
    channels = tuple(
        Channel(
            one["name"],
            one["type"],
            one["address"],
            tuple(one.get("topics", TOPICS)),
            one.get("severity", "info"),
        )
        for one in spec.get("channels", ())
    )
    names = {one.name for one in channels}
    steps = []
    for number, one in enumerate(spec.get("escalate", ())):
        to = one["to"]
        for index, name in enumerate(to):
            if name not in names and ":" not in name:
                raise Refused(
                    document.error(
                        ("spec", "escalate", number, "to", index),
                        f"there is no channel {name!r} here",
                        remedy=f"Name one of {', '.join(sorted(names)) or 'the channels'}, or a team: group:platform.",
                    )
                )
        refs = tuple(Ref.parse(name) for name in to if ":" in name)
        steps.append(Step(duration(one["after"]), tuple(name for name in to if name in names), refs))
    return Notifications(
        who=who,
        channels=channels,
        hours=tuple(hours),
        digest=duration(spec["digest"]) if "digest" in spec else timedelta(0),
        escalate=tuple(sorted(steps, key=lambda one: one.after)),
    )
