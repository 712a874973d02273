"""What scorecards know of how components did over the last day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from pave.engine.product.scoring import Known
from pave.engine.signals.golden_signals import NOTHING_MEASURED, signals_of
from pave.model.diagnostics import Refused, error
from pave.model.snapshot import Snapshot
from pave.observe.series import Aggregation, Line, Question

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Metrics:
    """Answers with what was counted; `asked` is every question."""

    def __init__(self, requests: dict[tuple[str, str], float | None], p95: dict[str, float]) -> None:
        self.requests, self.p95 = requests, p95
        self.asked: list[Question] = []

    def ask(self, question: Question) -> list[Line]:
        self.asked.append(question)
        if question.aggregation is Aggregation.P95:
            return [Line({"component": name}, ((NOW, value),)) for name, value in self.p95.items()]
        rows = self.requests.items()
        return [Line({"component": name, "code": code}, ((NOW, value),)) for (name, code), value in rows]


def world(metrics: Any) -> Any:
    return SimpleNamespace(metrics=metrics)


def test_requests_errors_and_latency_of_a_day() -> None:
    metrics = Metrics({("orders", "200"): 1425.0, ("orders", "503"): 15.0, ("mail", "200"): 0.0}, {"orders": 0.12})
    found = signals_of(world(metrics), NOW)
    assert found["orders"] == {"requests_per_minute": 1.0, "error_rate": 15 / 1440, "p95_seconds": 0.12}
    assert found["mail"] == {"requests_per_minute": 0.0, "error_rate": -1.0, "p95_seconds": -1.0}
    assert {one.until - one.since for one in metrics.asked} == {timedelta(days=1)}


def test_what_was_not_measured_is_unknown() -> None:
    assert signals_of(world(Metrics({("orders", "200"): None}, {})), NOW) == {}
    assert set(NOTHING_MEASURED.values()) == {-1.0}


def test_metrics_that_do_not_answer_leave_scores_without_signals() -> None:
    def ask(_: Question) -> list[Line]:
        raise Refused(error("it does not answer"))

    assert signals_of(world(SimpleNamespace(ask=ask)), NOW) == {}


def test_the_metrics_are_asked_twice_however_many_components_there_are() -> None:
    metrics = Metrics({("orders", "200"): 10.0}, {})
    known = Known(world(metrics), Snapshot("c1"), NOW)
    for _ in range(3):
        assert known._signals["orders"]["error_rate"] == 0.0
    assert len(metrics.asked) == 2
