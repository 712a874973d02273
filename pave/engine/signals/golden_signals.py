"""How components did over the last day, as their router saw it: two questions for all of them at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from pave.engine.world import World
from pave.model.diagnostics import Refused
from pave.observe.scorecard import UNKNOWN
from pave.observe.series import Aggregation, Line, Question

PERIOD = timedelta(days=1)
NOTHING_MEASURED: Mapping[str, float] = {
    "requests_per_minute": UNKNOWN,
    "error_rate": UNKNOWN,
    "p95_seconds": UNKNOWN,
}
_MINUTES = PERIOD / timedelta(minutes=1)


def signals_of(world: World, now: datetime) -> Mapping[str, Mapping[str, float]]:
    """The signals of each component of which something was measured, in all its environments together.

    `requests_per_minute` is over the whole day, `error_rate` the share of answers that were a 5xx. What cannot be said
    is `UNKNOWN`, also where the metrics have no answer: a score must not fail because of that.
    """
    total: defaultdict[str, float] = defaultdict(float)
    bad: defaultdict[str, float] = defaultdict(float)
    for line in _asked(world, now, "http_requests_total", Aggregation.INCREASE, ("component", "code")):
        if line.last is not None:
            total[line.labels["component"]] += line.last
            bad[line.labels["component"]] += line.last if line.labels.get("code", "").startswith("5") else 0.0
    slow = {
        line.labels["component"]: line.last
        for line in _asked(world, now, "http_request_duration_seconds_bucket", Aggregation.P95, ("component",))
        if line.last is not None
    }
    return {
        name: {
            "requests_per_minute": count / _MINUTES,
            "error_rate": bad[name] / count if count else UNKNOWN,
            "p95_seconds": slow.get(name, UNKNOWN),
        }
        for name, count in total.items()
    }


def _asked(world: World, now: datetime, metric: str, aggregation: Aggregation, by: tuple[str, ...]) -> Iterable[Line]:
    try:
        found = world.metrics.ask(Question(metric, aggregation, now - PERIOD, now, PERIOD, by=by))
    except Refused:
        return ()
    return [line for line in found if line.labels.get("component")]
