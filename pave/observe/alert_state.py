"""How an alert goes from one state to another; all transitions stand in one table.

Time in a state is counted by what was seen, not by the clock: a server that was away, or a clock that jumped, neither
fires an alert nor ends one. An alert that comes and goes has to be well for longer each time before it is over, so that
flapping is one message and not hundreds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from pave.model.names import Address
from pave.observe.alert_rules import Observed, Rule, Seen


class State(str, Enum):
    """Where an alert is. RECOVERING still counts as firing: it is well again, but not for long enough."""

    RESOLVED = "resolved"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"


TRANSITIONS: Mapping[tuple[State, Seen], tuple[State, str]] = {
    (State.RESOLVED, Seen.HOLDS): (State.PENDING, ""),
    (State.PENDING, Seen.HOLDS): (State.FIRING, "hold"),
    (State.PENDING, Seen.WELL): (State.RESOLVED, ""),
    (State.PENDING, Seen.UNKNOWN): (State.RESOLVED, ""),
    (State.PENDING, Seen.GONE): (State.RESOLVED, ""),
    (State.FIRING, Seen.WELL): (State.RECOVERING, ""),
    (State.FIRING, Seen.UNKNOWN): (State.RESOLVED, "stale"),
    (State.FIRING, Seen.GONE): (State.RESOLVED, ""),
    (State.RECOVERING, Seen.HOLDS): (State.FIRING, ""),
    (State.RECOVERING, Seen.WELL): (State.RESOLVED, "keep"),
    (State.RECOVERING, Seen.UNKNOWN): (State.RESOLVED, "stale"),
    (State.RECOVERING, Seen.GONE): (State.RESOLVED, ""),
}
"""State and what is seen → the next state, and how long it must have been so: at once, or for the rule's `hold` or
`keep`, or as long as unknown is borne (`stale`). Any other pair changes nothing."""

BROKEN = "alert-broken"
"""The rule whose alerts say that a rule is broken; their subject is `alert/<name>`."""
ON = (State.FIRING, State.RECOVERING)
LONGEST_LOOK = timedelta(seconds=30)
"""The most time that one look counts for, however long ago the last one was."""
STALE = timedelta(minutes=10)
"""How long a firing alert stays so while nothing is measured."""
FLAPPING = timedelta(hours=1)
"""An alert that fires again within this time of its end flaps."""
_MOST_FLAPS = 4


@dataclass(frozen=True)
class Instance:
    """One alert: what is kept of it between two looks. Times are the servers'; `held` is in seconds.

    `began_at` is when it became pending, `fired_at` and `resolved_at` are of its newest firing, `episode` counts them.
    `told` says whether people were told of this firing, `escalated` how many further steps were.
    """

    fingerprint: str
    rule: str
    subject: str
    severity: str
    title: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    state: State = State.RESOLVED
    held: float = 0.0
    seen: Seen = Seen.WELL
    seen_at: datetime | None = None
    began_at: datetime | None = None
    fired_at: datetime | None = None
    resolved_at: datetime | None = None
    episode: int = 0
    flaps: int = 0
    message: str = ""
    values: Mapping[str, float] = field(default_factory=dict)
    told: bool = False
    told_at: datetime | None = None
    escalated: int = 0
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    reason: str = ""
    context: Mapping[str, object] = field(default_factory=dict)

    @property
    def on(self) -> bool:
        """Whether it fires, also where it is just recovering."""
        return self.state in ON

    @property
    def stack(self) -> Address | None:
        """The stack that it is about; None for one about a rule."""
        return None if self.rule == BROKEN else Address.parse(self.subject)


def first(observed: Observed, rule: Rule) -> Instance:
    """An alert that was never seen before."""
    return Instance(
        observed.fingerprint, rule.name, str(observed.stack), observed.severity, rule.title, labels=observed.labels
    )


def step(one: Instance, seen: Seen, rule: Rule, now: datetime, observed: Observed | None = None) -> Instance:
    """The alert after one more look."""
    passed = min(max(now - one.seen_at, timedelta(0)), LONGEST_LOOK) if one.seen_at else timedelta(0)
    same = seen is one.seen
    one = replace(one, held=one.held + passed.total_seconds() if same else 0.0, seen=seen, seen_at=now)
    if observed is not None and seen is Seen.HOLDS:
        one = replace(one, message=observed.message, values=observed.values, severity=observed.severity)
    while (found := TRANSITIONS.get((one.state, seen))) is not None:
        target, needed = found
        if one.held < _needed(one, needed, rule).total_seconds():
            break
        one = _enter(one, target, now)
    return one


def _needed(one: Instance, what: str, rule: Rule) -> timedelta:
    match what:
        case "hold":
            return rule.hold
        case "keep":
            return rule.keep * (1 << min(one.flaps, _MOST_FLAPS))
        case "stale":
            return STALE
        case _:
            return timedelta(0)


def _enter(one: Instance, state: State, now: datetime) -> Instance:
    before, one = one, replace(one, state=state)
    match state:
        case State.PENDING:
            return replace(one, began_at=now)
        case State.FIRING if before.state is State.PENDING:
            again = before.resolved_at is not None and abs(now - before.resolved_at) < FLAPPING
            return replace(
                one,
                fired_at=now,
                resolved_at=None,
                episode=before.episode + 1,
                flaps=before.flaps + 1 if again else 0,
                told=False,
                told_at=None,
                escalated=0,
                acknowledged_by="",
                acknowledged_at=None,
                reason="",
                context={},
            )
        case State.RESOLVED if before.on:
            return replace(one, resolved_at=now)
        case _:
            return one
