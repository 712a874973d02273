"""Error budgets: when they burn too fast, over which windows, and what is left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from metrics_for_tests import MemoryMetrics

from pave.model.alert import SLO, Target
from pave.model.alert_file import built_in_slos
from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.observe import burn
from pave.observe.alert_rules import Broken, Seen
from pave.observe.series import Kind, Sample

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HERE = {"environment": "prod", "component": "orders"}
TARGET = Target(Address("prod", "orders"), "production", types=frozenset({"route"}))
AVAILABILITY, LATENCY = built_in_slos()["availability"], built_in_slos()["latency"]
TEN = timedelta(seconds=10)


def traffic(*phases: tuple[timedelta, float, float], slow: bool = False) -> MemoryMetrics:
    """Requests every ten seconds up to now: each phase has a length, requests a reading, a share of bad ones."""
    metrics, good, bad = MemoryMetrics(), 0.0, 0.0
    at = NOW - sum((one for one, _, _ in phases), timedelta(0))
    for lasts, each, share in phases:
        for _ in range(int(lasts / TEN)):
            at += TEN
            good, bad = good + each * (1 - share), bad + each * share
            if slow:
                pairs = (("0.25", good), ("0.5", good), ("+Inf", good + bad))
                samples = [("http_request_duration_seconds_bucket", {"le": le}, value) for le, value in pairs]
            else:
                samples = [
                    ("http_requests_total", {"code": "2xx"}, good),
                    ("http_requests_total", {"code": "5xx"}, bad),
                ]
            metrics.write(at, "x", [Sample(name, HERE | more, value, Kind.COUNTER) for name, more, value in samples])
    return metrics


def look(slo: SLO, metrics: MemoryMetrics, target: Target = TARGET) -> dict[str, Seen]:
    answers = {query: metrics.ask(query.at(NOW)) for query in burn.all_queries(burn.of(slo, target))}
    answers |= {query: metrics.ask(query.at(NOW)) for query in burn.all_queries(slo)}
    return {one.rule: one.seen for one in burn.look(slo, [target], answers)}


def test_a_release_that_breaks_is_seen_within_seconds_after_minutes_of_life() -> None:
    """The fast pair: an hour of history is not needed, and six seconds of errors of a steady stream are enough."""
    metrics = traffic((timedelta(minutes=3), 50, 0.0), (TEN, 50, 1.0))
    found = look(AVAILABILITY, metrics)
    assert found == {"availability-burn": Seen.HOLDS, "availability-slow-burn": Seen.WELL}


def test_it_is_over_soon_after_it_is_well_again() -> None:
    metrics = traffic((timedelta(minutes=3), 50, 0.0), (TEN, 50, 1.0), (timedelta(seconds=30), 50, 0.0))
    assert look(AVAILABILITY, metrics)["availability-burn"] is Seen.WELL


def test_a_few_failed_requests_wake_nobody() -> None:
    assert look(AVAILABILITY, traffic((TEN * 3, 1, 1.0)))["availability-burn"] is Seen.WELL


@pytest.mark.parametrize(
    ("share", "lasts", "rule"),
    [
        (0.02, timedelta(minutes=59), "availability-burn"),  # 20 times over an hour: 14.4 are too much
        (0.007, timedelta(hours=6), "availability-burn"),  # 7 times over six hours: 6 are
        (0.004, timedelta(hours=24), "availability-slow-burn"),  # 4 times over a day: 3 are
        (0.002, timedelta(hours=70), "availability-slow-burn"),  # twice over three days: 1 is
    ],
)
def test_what_burns_slower_is_seen_over_longer_windows(share: float, lasts: timedelta, rule: str) -> None:
    calm = timedelta(hours=1)
    found = look(AVAILABILITY, traffic((calm, 100, 0.0), (lasts, 100, share)))
    assert found[rule] is Seen.HOLDS
    assert look(AVAILABILITY, traffic((calm, 100, 0.0), (lasts, 100, 0.0005)))[rule] is Seen.WELL


def test_a_long_window_says_nothing_of_a_short_life() -> None:
    """Five bad minutes at the beginning are not three days of them."""
    metrics = traffic((timedelta(minutes=5), 100, 0.05))
    assert look(AVAILABILITY, metrics)["availability-slow-burn"] is Seen.WELL


def test_latency_counts_what_took_longer_than_the_threshold() -> None:
    slow = traffic((timedelta(minutes=2), 50, 0.0), (TEN * 6, 50, 1.0), slow=True)
    assert look(LATENCY, slow)["latency-burn"] is Seen.HOLDS
    assert look(LATENCY, traffic((timedelta(minutes=2), 50, 0.0), slow=True))["latency-burn"] is Seen.WELL


def test_without_requests_nothing_is_known() -> None:
    assert set(look(AVAILABILITY, MemoryMetrics()).values()) == {Seen.UNKNOWN}


def test_a_lenient_objective_still_sees_an_outage() -> None:
    lenient = Target(
        TARGET.address, "production", types=TARGET.types, annotations={burn.ANNOTATION: "availability=80 %"}
    )
    metrics = traffic((timedelta(minutes=3), 50, 0.0), (TEN * 6, 50, 1.0))
    assert look(AVAILABILITY, metrics, lenient)["availability-burn"] is Seen.HOLDS


def test_a_component_may_say_other_numbers() -> None:
    said = Target(TARGET.address, "production", annotations={burn.ANNOTATION: "availability=99.5 %, latency=250ms 95%"})
    assert burn.of(AVAILABILITY, said).objective == 0.995
    assert (burn.of(LATENCY, said).threshold, burn.of(LATENCY, said).objective) == (0.25, 0.95)
    assert burn.of(LATENCY, TARGET) == LATENCY


@pytest.mark.parametrize("text", ["availability=fast", "availability=120 %", "availability", "latency=333ms"])
def test_an_annotation_that_is_wrong_is_broken_and_the_objective_holds(text: str) -> None:
    """Bad input of the issue: never silently off."""
    wrong = Target(TARGET.address, "production", types=TARGET.types, annotations={burn.ANNOTATION: text})
    slo = LATENCY if text.startswith("latency") else AVAILABILITY
    with pytest.raises(Refused, match=r"pave.dev/objective of orders cannot say"):
        burn.of(slo, wrong)
    found = list(burn.look(slo, [wrong], {}))
    assert [type(one) for one in found if isinstance(one, Broken)] == [Broken]
    assert len(found) == 3


def test_an_objective_that_nobody_knows_is_said() -> None:
    said = Target(TARGET.address, "production", annotations={burn.ANNOTATION: "speed=99 %"})
    assert list(burn.problems([AVAILABILITY], said)) == [
        "pave.dev/objective of orders names 'speed', and there is no such objective"
    ]


def test_what_is_left_of_a_budget() -> None:
    left = burn.budget(AVAILABILITY, burn.Requests(all=100_000, bad=25))
    assert (round(left.left, 3), round(left.good, 5)) == (0.75, 0.99975)
    assert round(burn.budget(AVAILABILITY, burn.Requests(all=1000, bad=3)).left, 3) == -2.0
    assert burn.percent(0.9995) == "99.95 %"


def test_windows_scale_with_that_of_the_objective() -> None:
    week = SLO("x", "X", "availability", 0.999, timedelta(days=7))
    hour = burn.WINDOWS[1]
    assert burn.allowed(AVAILABILITY, hour) == pytest.approx(0.0144)
    assert burn.allowed(week, hour) == pytest.approx(0.0144 * 7 / 30)
