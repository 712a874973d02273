"""What the platform's owners and users look at: demand, delivery, adoption, guardrails; each a fold over records.

Figures that nothing was recorded for are None, never zero, and nobody is ranked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from pave.apply.run import TERMINAL, Run, State
from pave.engine.judgement.trying import lately
from pave.engine.world import World
from pave.observe.delivery import Figures, Period, dora
from pave.observe.demand import DENIED, NEED, Ended, Missed, Newcomers, Wish, newcomers, rank
from pave.ports import Approval, ApprovalState

_MOST_RUNS = 20_000
_MOST_SAID = 1_000
_PEOPLE = ("user", "agent")
_FEWEST_ANSWERS = 3
"""Answers of a month from which on their mean is shown: fewer would say who gave them."""


def ended_runs(world: World, since: datetime) -> tuple[Ended, ...]:
    """Runs of people and agents that ended, with how long somebody was waited for."""
    waited = _waited(world.approvals.find(limit=_MOST_RUNS))
    runs = world.runs.find(states=[state for state in State if state in TERMINAL], limit=_MOST_RUNS)
    return tuple(
        Ended(
            kind=one.kind,
            actor=str(one.request.actor),
            succeeded=one.state is State.SUCCEEDED,
            asked_at=one.created_at,
            ended_at=one.finished_at,
            waited=waited.get(one.id, 0.0),
            approved=one.id in waited,
        )
        for one in runs
        if one.request.actor.kind in _PEOPLE and one.created_at and one.finished_at and one.created_at >= since
    )


def _waited(approvals: Iterable[Approval]) -> Mapping[str, float]:
    """Seconds that people took to answer, by run."""
    found: defaultdict[str, float] = defaultdict(float)
    for one in approvals:
        if one.decided_at is not None:
            found[one.run] += (one.decided_at - one.asked_at).total_seconds()
    return found


def wishes(world: World, since: datetime) -> tuple[Wish, ...]:
    """What was asked for and not had, what most people want first."""
    said = (one for one in world.feedback.find(kind=NEED, limit=_MOST_SAID) if one.at >= since)
    needs = [Missed(NEED, " ".join(one.text.split()).lower()[:80], str(one.author)) for one in said]
    states = [State.DENIED]
    denied = [
        Missed(DENIED, f"{one.kind}: {rule}", str(one.request.actor))
        for one in world.runs.find(states=states, limit=_MOST_RUNS)
        if one.created_at and one.created_at >= since and one.request.actor.kind in _PEOPLE
        for rule in _rules_of(one)
    ]
    return rank([*world.usage.missed(since.date()), *needs, *denied])


def _rules_of(run: Run) -> Sequence[str]:
    findings = (run.verdict or {}).get("findings", ())
    return sorted({str(one["guardrail"]) for one in findings if one.get("level") == "hard" and not one.get("waiver")})


def arrivals(world: World, since: datetime) -> Newcomers:
    """How people who came in the period got on."""
    came = {actor: at for actor, at in world.usage.first_seen().items() if at >= since and actor.startswith("user:")}
    return newcomers(came, ended_runs(world, since))


@dataclass(frozen=True)
class RuleUse:
    """How a guardrail did: changes it found something in, denied or were waived, and seconds that people took."""

    guardrail: str
    found: int
    waived: int
    denied: int
    waited: float


def rule_use(world: World) -> tuple[int, tuple[RuleUse, ...]]:
    """How many changes were judged in the last 30 days, and what each rule that found something did with them."""
    found: Counter[str] = Counter()
    waived: Counter[str] = Counter()
    denied: Counter[str] = Counter()
    judged = 0
    for judgement in lately(world):
        if not judgement.run:
            continue
        judged += 1
        for one in judgement.verdict.get("findings", ()):
            name = str(one["guardrail"])
            (waived if one.get("waiver") else found)[name] += 1
            denied[name] += one.get("level") == "hard" and not one.get("waiver")
    waited: defaultdict[str, float] = defaultdict(float)
    for approval in world.approvals.find(limit=_MOST_RUNS):
        if approval.decided_at is not None and approval.state is not ApprovalState.EXPIRED:
            for finding in approval.findings:
                waited[str(finding["guardrail"])] += (approval.decided_at - approval.asked_at).total_seconds()
    names = sorted({*found, *waived}, key=lambda name: (-found[name], name))
    return judged, tuple(RuleUse(one, found[one], waived[one], denied[one], waited[one]) for one in names)


def weeks_of_delivery(world: World, weeks: int) -> tuple[tuple[date, Figures], ...]:
    """The five metrics of all services together, week by week: the day on which each begins, the oldest first."""
    now, snapshot = world.clock.now(), world.snapshots.current()
    production = {name for name, one in snapshot.environments.items() if one.kind == "production"}
    records = world.deliveries.find(limit=_MOST_RUNS)
    monday = (now - timedelta(days=now.weekday())).replace(hour=0, minute=0, second=0, microsecond=0)
    found = []
    for back in range(weeks - 1, -1, -1):
        begins = monday - timedelta(weeks=back)
        period = Period(begins, min(begins + timedelta(weeks=1), now), production)
        found.append((begins.date(), dora(records, period, lambda _: "all").get("all", Figures())))
    return tuple(found)


def survey_means(world: World, since: date) -> Mapping[str, Mapping[date, float]]:
    """The mean answer by question and month, where enough people answered that nobody can be told apart."""
    return {
        question: {
            month: sum(answer * count for answer, count in counts.items()) / sum(counts.values())
            for month, counts in months.items()
            if sum(counts.values()) >= _FEWEST_ANSWERS
        }
        for question, months in world.surveys.results(since).items()
    }
