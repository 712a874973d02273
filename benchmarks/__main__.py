"""`python -m benchmarks [NAME]`: prints one JSON line per figure; NAME chooses by the beginning of its name."""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks import alerting, delivery, figures, guardrails, logs, mismatch, observing


@dataclass(frozen=True)
class Figure:
    """A figure: what is measured, its unit, its goal (at most, or with `at_least` no less), how often it is taken."""

    name: str
    unit: str
    goal: float
    measure: Callable[[int], Iterator[tuple[float, float | None]]]
    runs: int = 5
    at_least: bool = False


FIGURES: Sequence[Figure] = (
    Figure("up.empty", "s", 6.0, figures.up_empty),
    Figure("up.existing", "s", 3.0, figures.up_existing),
    Figure("memory.idle", "MB", 300.0, figures.memory_idle),
    Figure("provision.8", "s", 3.0, figures.provision_8),
    Figure("provision.8.vs_terraform", "ratio", 0.5, figures.provision_8_against_terraform),
    Figure("environment.ready", "s", 5.0, figures.environment_ready),
    Figure("resync.1000", "s", 2.0, figures.resync_1000),
    Figure("push.overhead", "s", 1.0, delivery.push_overhead),
    Figure("push.first_line", "s", 0.3, delivery.push_first_line),
    Figure("rollback.live", "s", 2.0, delivery.rollback_live, 3),
    Figure("deploy.failed_requests", "requests", 0.0, delivery.deploy_failed_requests, 1),
    Figure("preview.ready", "s", 6.0, delivery.preview_ready, 3),
    Figure("preview.leftovers", "things", 0.0, delivery.preview_leftovers, 1),
    Figure("push.50.fairness", "times", 1.5, delivery.push_fairness, 1),
    Figure("verdict.50_rules", "ms", 5.0, guardrails.verdict_50_rules, 50),
    Figure("dryrun.1", "s", 0.4, partial(guardrails.dry_run, 1)),
    Figure("dryrun.8", "s", 0.8, partial(guardrails.dry_run, 8)),
    Figure("rejudge.1000", "s", 5.0, guardrails.rejudge_1000, 3),
    Figure("logs.rate", "lines/s", 5000.0, logs.rate, 3, at_least=True),
    Figure("logs.tail", "s", 0.5, logs.tail, 10),
    Figure("logs.search", "s", 2.0, logs.search, 3),
    Figure("metrics.cpu", "%", 20.0, observing.metrics_cpu, 2),
    Figure("metrics.disk", "MB", 500.0, observing.metrics_disk, 1),
    Figure("dashboard.server", "ms", 150.0, observing.dashboard_server),
    Figure("dora.mismatch", "differences", 0.0, mismatch.dora_mismatch, 1),
    Figure("alert.delay", "s", 15.0, alerting.alert_delay, 3),
)


def main() -> int:
    """Measure what was asked for; 1 where a goal was missed."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    chosen = [one for one in FIGURES if one.name == wanted] or [one for one in FIGURES if one.name.startswith(wanted)]
    missed = 0
    for one in chosen:
        pairs = list(one.measure(one.runs))
        value = statistics.median(value for value, _ in pairs)
        references = [reference for _, reference in pairs if reference is not None]
        reference = statistics.median(references) if references else None
        line = {
            "name": one.name,
            "value": round(value, 3),
            "unit": one.unit,
            "goal": one.goal,
            "reference": round(reference, 3) if reference is not None else None,
            "ratio": round(statistics.median(a / b for a, b in pairs if b), 3) if references else None,
            "runs": len(pairs),
        }
        if one.unit == "ratio":
            line["value"] = line["ratio"]
        print(json.dumps(line), flush=True)
        missed += line["value"] < one.goal if one.at_least else line["value"] > one.goal
    return 1 if missed else 0


sys.exit(main())
