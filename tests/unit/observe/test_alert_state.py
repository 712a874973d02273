"""An alert's way: pending, firing, recovering, over; and what must not make it fire or end."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pave.model.names import Address
from pave.observe.alert_rules import Observed, Rule, Seen
from pave.observe.alert_state import LONGEST_LOOK, STALE, TRANSITIONS, Instance, State, first, step

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
RULE = Rule("r", "R", "warning", None, hold=timedelta(seconds=10), keep=timedelta(seconds=20))
SEEN = Observed("r", Address("dev", "orders"), "warning", Seen.HOLDS, "bad", {}, {"x": 1.0})
FIVE = timedelta(seconds=5)


def walk(words: str, rule: Rule = RULE, each: timedelta = FIVE) -> list[State]:
    """States after each look: h(olds), w(ell), u(nknown), g(one)."""
    return [one.state for one in instances(words, rule, each)]


def instances(words: str, rule: Rule = RULE, each: timedelta = FIVE) -> list[Instance]:
    seen = {"h": Seen.HOLDS, "w": Seen.WELL, "u": Seen.UNKNOWN, "g": Seen.GONE}
    one, found = first(SEEN, rule), []
    for number, word in enumerate(words):
        one = step(one, seen[word], rule, NOW + each * number, SEEN)
        found.append(one)
    return found


P, F, R, O = State.PENDING, State.FIRING, State.RECOVERING, State.RESOLVED  # noqa: E741 — over


def test_it_fires_once_it_has_held_long_enough_and_is_over_once_well_for_long_enough() -> None:
    assert walk("hhhwwwww") == [P, P, F, R, R, R, R, O]


def test_without_a_time_it_fires_at_once() -> None:
    at_once = Rule("r", "R", "critical", None, timedelta(0), timedelta(0))
    assert walk("hw", at_once) == [F, O]
    assert instances("h", at_once)[0].episode == 1


def test_a_moment_is_nothing() -> None:
    assert walk("hwhwhw") == [P, O, P, O, P, O]


def test_flapping_is_one_firing() -> None:
    """Bad input of the issue: flapping."""
    found = instances("hhh" + "wh" * 50)
    assert {one.episode for one in found[2:]} == {1}
    assert {one.state for one in found[2:]} == {F, R}


def test_what_comes_again_must_be_well_for_longer_each_time() -> None:
    slow = "hhh" + "wwwww"
    found = instances(slow * 3 + "wwwwwwwwwwwwwwwwwwwww")
    ends = [number for number, (a, b) in enumerate(itertools.pairwise(found)) if a.on and not b.on]
    assert found[-1].episode == 2, "the third time it came before it was over"
    assert found[-1].flaps == 1
    assert len(ends) == 2
    starts = [number for number, (a, b) in enumerate(itertools.pairwise(found)) if b.episode > a.episode]
    assert ends[1] - starts[1] > ends[0] - starts[0]


def test_nothing_measured_neither_fires_nor_ends() -> None:
    assert walk("hu") == [P, O]
    assert walk("hhh" + "u" * 20) == [P, P, F] + [F] * 20
    count = int(STALE / FIVE)
    assert walk("hhh" + "u" * (count + 1))[-1] is O, "but not for ever"


def test_what_is_gone_is_over() -> None:
    assert walk("hhhg") == [P, P, F, O]
    assert walk("hhhwg") == [P, P, F, R, O]


def test_a_clock_that_jumps_neither_fires_nor_ends_an_alert() -> None:
    """Bad input of the issue: clock skew."""
    slow = Rule("r", "R", "warning", None, hold=timedelta(minutes=5), keep=timedelta(minutes=5))
    one = step(first(SEEN, slow), Seen.HOLDS, slow, NOW, SEEN)
    ahead = step(one, Seen.HOLDS, slow, NOW + timedelta(days=1), SEEN)
    assert ahead.state is P, "a day later by the clock is one look later"
    assert ahead.held == LONGEST_LOOK.total_seconds()
    back = step(ahead, Seen.HOLDS, slow, NOW - timedelta(days=1), SEEN)
    assert (back.state, back.held) == (P, ahead.held)
    again = step(back, Seen.HOLDS, slow, NOW - timedelta(days=1) + FIVE, SEEN)
    assert again.held == ahead.held + 5, "and it goes on from there"


def test_a_server_that_was_away_fires_nothing_by_that() -> None:
    one = step(first(SEEN, RULE), Seen.WELL, RULE, NOW, SEEN)
    assert step(one, Seen.HOLDS, RULE, NOW + timedelta(hours=8), SEEN).state is P


def test_a_new_firing_is_nobodys_yet() -> None:
    one = instances("hhhwwwww")[-1]
    again = replace(one, acknowledged_by="user:default/dana", told=True, context={"rollback": "run_1"})
    for number in range(4):
        again = step(again, Seen.HOLDS, RULE, NOW + timedelta(minutes=1) + FIVE * number, SEEN)
    assert (again.state, again.episode, again.flaps) == (F, 2, 1)
    assert (again.acknowledged_by, again.told, again.context) == ("", False, {})


@given(st.text("hwug", min_size=1, max_size=60))
def test_every_way_goes_by_the_table(words: str) -> None:
    found = instances(words)
    for before, after in itertools.pairwise(found):
        if before.state is not after.state:
            reached = {before.state}
            for _ in range(3):
                reached |= {TRANSITIONS[one, after.seen][0] for one in reached if (one, after.seen) in TRANSITIONS}
            assert after.state in reached
        assert after.episode >= before.episode
    assert all(one.fired_at is not None for one in found if one.on)
