"""Alerts, round by round: each rule looked at, each alert moved on, and what that means for people said as events.

One server does it at a time, the one that holds the lease; what it knows lies in the store, so another one goes on
where it stopped. An event is emitted before the state is kept that says so: a server that dies between the two says it
twice to the record, and once to people, because a message is unique by its firing.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from pave.engine.delivery.following import ask
from pave.engine.signals.watching import ROLLBACK, RUNBOOK, Look, Watch
from pave.engine.world import World
from pave.model.alert import SEVERITIES, Target
from pave.model.duration import duration
from pave.model.names import Address, Ref
from pave.model.notifications import Step
from pave.model.snapshot import Snapshot
from pave.observe.alert_rules import Observed, Rule, Seen, fingerprint
from pave.observe.alert_state import BROKEN, Instance, State, first, step
from pave.ports import Silence
from pave.request.access import PLATFORM
from pave.request.intent import Rollback

ROUND_SECONDS = 5.0
MEMORY = timedelta(days=30)
"""For how long alerts that ended are kept."""
_LEASE_SECONDS = 20.0
_TOGETHER = timedelta(seconds=30)
"""After people were told of a stack, further alerts of it that are no worse wait this long and come together."""
_ESCALATE = timedelta(minutes=15)
_BAKE = "15m"
_SLOW_ROUNDS = 120
_BLIND_ROUNDS = 12
_CHANGES = timedelta(hours=24)
_MENDED = timedelta(minutes=1)
_log = logging.getLogger(__name__)


@dataclass
class Round:
    """What one round works on: the alerts `before` and `after`, and what is around them."""

    world: World
    snapshot: Snapshot
    now: datetime
    look: Look
    silences: Sequence[Silence]
    before: Mapping[str, Instance]
    after: dict[str, Instance] = field(default_factory=dict)

    def silenced(self, one: Instance) -> bool:
        """Whether nobody is to be told of it."""
        return any(silence.covers(one.rule, one.subject) for silence in self.silences)

    def target(self, one: Instance) -> Target | None:
        """The stack that it is about."""
        stack = one.stack
        return self.look.targets.get(stack) if stack else None

    def owner(self, one: Instance) -> Ref:
        """Who is to act on it: who owns the stack, or who owns the rule that is broken."""
        target = self.target(one)
        if target is not None and target.owner is not None:
            return target.owner
        return self._rule_owner(one.subject.partition("/")[2]) or PLATFORM

    def _rule_owner(self, name: str) -> Ref | None:
        said = self.snapshot.alerts.get(name) or self.snapshot.slos.get(name)
        return said.owner if said else None


class Alerting:
    """Looks every `seconds`."""

    def __init__(self, world: World, seconds: float = ROUND_SECONDS) -> None:
        self._world = world
        self._seconds = seconds
        self._watch = Watch(world)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._rounds, name="pave-alerting", daemon=True)
        self._failed = 0

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """Stop after the round that is on."""
        self._stop.set()
        self._thread.join(timeout=30)

    def look(self) -> bool:
        """One round; whether it was this server's to do."""
        world = self._world
        if not world.alerts.lead(world.holder, _LEASE_SECONDS):
            return False
        now, snapshot = world.clock.now(), world.snapshots.current()
        look = self._watch.look(snapshot, now)
        before = {one.fingerprint: one for one in world.alerts.all()}
        this = Round(world, snapshot, now, look, world.alerts.silences(now), before)
        move(this)
        roll_back(this)
        tell(this)
        escalate(this)
        world.alerts.save(one for key, one in sorted(this.after.items()) if one != before.get(key))
        return True

    def _rounds(self) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                with self._world.pulse.beat("alerting", self._world.clock.now):
                    self.look()
                self._failed = 0
                if number % _SLOW_ROUNDS == 0:
                    now = self._world.clock.now()
                    self._watch.tidy(now)
                    self._world.alerts.forget(now - MEMORY)
            except Exception as problem:  # noqa: BLE001 — one bad round must not end all later ones
                self._failed += 1
                _log.exception("A round of alerting failed; the next one looks again")
                self._blind(problem)
            number += 1
            self._stop.wait(self._seconds)

    def _blind(self, problem: Exception) -> None:
        """After a minute without a look people are told that nobody watches."""
        if self._failed == _BLIND_ROUNDS:
            said = {"problem": f"{type(problem).__name__}: {problem}"[:300], "owner": str(PLATFORM)}
            try:
                self._world.events.emit("alert.blind", "alert/all", **said)
            except Exception:  # noqa: BLE001 — without a store there is nobody to tell
                _log.exception("Nobody can be told of it")


def move(this: Round) -> None:
    """Move every alert on by what was seen, also those that nothing was seen of."""
    look, now = this.look, this.now
    for observed in look.observed:
        rule, key = look.rules[observed.rule], observed.fingerprint
        known = this.before.get(key)
        if known is None and observed.seen is not Seen.HOLDS:
            continue
        _after(this, step(known or first(observed, rule), observed.seen, rule, now, observed))
    for name, problem in look.broken.items():
        rule = _broken_rule(name)
        observed = Observed(BROKEN, Address("alert", name), rule.severity, Seen.HOLDS, f"{name}: {problem}.")
        known = this.before.get(observed.fingerprint)
        _after(this, step(known or first(observed, rule), Seen.HOLDS, rule, now, observed))
    for key, one in this.before.items():
        if key not in this.after and one.state is not State.RESOLVED:
            seen, rule = _unseen(this, one)
            _after(this, step(one, seen, rule, now))


def _after(this: Round, one: Instance) -> None:
    known = this.before.get(one.fingerprint)
    if one.state is State.RESOLVED and (known is None or known.state is State.RESOLVED):
        return  # it was well and is well: nothing to keep
    this.after[one.fingerprint] = one


def _unseen(this: Round, one: Instance) -> tuple[Seen, Rule]:
    """What it means that nothing was seen of an alert: its rule is broken, or there is nothing to be seen any more."""
    if one.rule == BROKEN:
        return Seen.WELL, _broken_rule(one.subject.partition("/")[2])
    rule = this.look.rules.get(one.rule)
    bare = Rule(one.rule, one.title, one.severity, None, timedelta(0), timedelta(minutes=1))
    if rule is None:
        return (Seen.UNKNOWN if one.rule in this.look.broken else Seen.GONE), bare
    return (Seen.UNKNOWN if this.target(one) is not None else Seen.GONE), rule


def _broken_rule(name: str) -> Rule:
    return Rule(BROKEN, f"The alert rule {name} is broken", "warning", None, timedelta(0), _MENDED)


def broken_fingerprint(name: str) -> str:
    """The alert that says that a rule is broken."""
    return fingerprint(BROKEN, f"alert/{name}", {})


def tell(this: Round) -> None:
    """Say what began and what ended, one event a stack."""
    begun: defaultdict[str, list[Instance]] = defaultdict(list)
    for one in list(this.after.values()):
        before = this.before.get(one.fingerprint)
        new = one.on and (before is None or before.episode != one.episode)
        if one.on and not one.told and not this.silenced(one):
            begun[one.subject].append(one)
        elif new:
            _emit(this, "alert.firing", [one], silenced=True)
        if one.state is State.RESOLVED and before is not None and before.on:
            begun.pop(one.subject, None)
            _emit(this, "alert.resolved", [one], silenced=not one.told)
    for subject, news in begun.items():
        if _may_come(this, subject, news):
            told = [replace(one, told=True, told_at=this.now, context=_context(this, one)) for one in news]
            broken = all(one.rule == BROKEN for one in told)
            _emit(this, "alert.broken" if broken else "alert.firing", told, silenced=False)
            this.after.update({one.fingerprint: one for one in told})


def _may_come(this: Round, subject: str, news: Iterable[Instance]) -> bool:
    """Whether it is told now, or a little later with what else comes of the same stack."""
    lately = [
        SEVERITIES.index(one.severity)
        for one in this.before.values()
        if one.subject == subject and one.on and one.told_at and timedelta(0) <= this.now - one.told_at < _TOGETHER
    ]
    return not lately or max(SEVERITIES.index(one.severity) for one in news) > max(lately)


def _context(this: Round, one: Instance) -> dict[str, object]:
    """What helps whoever is told: what was changed before it, newest first, and where to look."""
    stack, target, rule = one.stack, this.target(one), this.look.rules.get(one.rule)
    runbook = (target.annotations.get(RUNBOOK, "") if target else "") or (rule.runbook if rule else "")
    found: dict[str, object] = {**one.context, "runbook": runbook, "rule_labels": dict(rule.labels) if rule else {}}
    if stack is None:
        return found
    changes = []
    for delivery in this.world.deliveries.find(stack=stack, limit=5):
        at = delivery.recorded_at or delivery.asked_at
        if at is not None and this.now - at < _CHANGES:
            changes.append(
                {
                    "at": at.isoformat(),
                    "cause": delivery.cause,
                    "commit": delivery.commit[:12],
                    "actor": delivery.actor,
                    "outcome": delivery.outcome,
                    "run": delivery.run,
                }
            )
    return found | {"changes": changes}


def said(one: Instance) -> dict[str, Any]:
    """An alert as an event carries it."""
    return {
        "id": one.fingerprint,
        "rule": one.rule,
        "title": one.title,
        "severity": one.severity,
        "message": one.message,
        "labels": dict(one.labels),
        "episode": one.episode,
        "flaps": one.flaps,
        "fired_at": one.fired_at.isoformat() if one.fired_at else "",
        "resolved_at": one.resolved_at.isoformat() if one.resolved_at else "",
        **one.context,
    }


def _emit(this: Round, type_: str, alerts: Sequence[Instance], *, silenced: bool) -> None:
    worst = max((one.severity for one in alerts), key=SEVERITIES.index)
    target = this.target(alerts[0])
    this.world.events.emit(
        type_,
        alerts[0].subject,
        alerts=[said(one) for one in alerts],
        owner=str(this.owner(alerts[0])),
        severity=worst,
        urgent=worst == "critical" and target is not None and target.environment_kind == "production",
        silenced=silenced,
    )


def escalate(this: Round) -> None:
    """Tell the next ones of an alert that nobody acknowledged in time."""
    for key, one in list(this.after.items()):
        if not one.on or one.told_at is None or one.acknowledged_by or this.silenced(one):
            continue
        owner = this.owner(one)
        steps = steps_of(this.snapshot, owner, one.severity)
        if one.escalated >= len(steps) or this.now - one.told_at < steps[one.escalated].after:
            continue
        following = steps[one.escalated]
        this.world.events.emit(
            "alert.escalated",
            one.subject,
            alerts=[said(one)],
            owner=str(owner),
            severity=one.severity,
            urgent=True,
            step=one.escalated + 1,
            channels=list(following.channels),
            to=[str(ref) for ref in following.refs],
        )
        this.after[key] = replace(one, escalated=one.escalated + 1)


def steps_of(snapshot: Snapshot, owner: Ref, severity: str) -> tuple[Step, ...]:
    """Who hears of an alert next: as its owner says, else of a critical one the team above, or the platform's."""
    said_ = snapshot.notifications.get(owner)
    if said_ is not None and said_.escalate:
        return said_.escalate
    if severity != "critical":
        return ()
    entity = snapshot.entities.get(owner)
    parent = entity.spec.get("parent") if entity else None
    above = Ref.parse(str(parent), kind="group") if parent else PLATFORM
    return (Step(_ESCALATE, refs=(above,)),) if above != owner else ()


def roll_back(this: Round) -> None:
    """Ask for the way back where an alert that an environment or component subscribed to fires after a delivery."""
    for key, one in list(this.after.items()):
        target = this.target(one)
        if target is None or not one.on or "rollback" in one.context or this.silenced(one):
            continue
        deploy = this.snapshot.environments[target.address.environment].deploy
        wanted = {*deploy.rollback_on, *(text.strip() for text in target.annotations.get(ROLLBACK, "").split(","))}
        if one.rule not in wanted:
            continue
        newest = next(iter(this.world.deliveries.find(stack=target.address, limit=1)), None)
        if newest is None or newest.outcome != "live" or newest.cause == "rollback" or newest.recorded_at is None:
            continue
        within = duration(deploy.rollback_within or _BAKE)
        began = one.began_at or this.now
        if not newest.recorded_at <= began <= newest.recorded_at + within:
            continue  # it is not this version's fault, or too long ago to be sure
        reason = f"the alert {one.rule} fires: {one.message}"[:500]
        asked = ask(this.world, Rollback(target.address, automatic=True), f"alert/{key}/{newest.run}", reason=reason)
        run = asked[0] if asked else ""
        if run:
            this.world.events.emit("alert.rollback", one.subject, run=run, rule=one.rule, commit=newest.commit)
        this.after[key] = replace(one, context={**one.context, "rollback": run})
