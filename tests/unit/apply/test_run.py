from __future__ import annotations

from pave.apply.retry import FIRST_DELAY, LONGEST_DELAY, delay
from pave.apply.run import TERMINAL, TRANSITIONS, State, sources


def test_every_state_is_in_the_table_and_can_be_left_or_is_terminal() -> None:
    assert set(TRANSITIONS) == set(State)
    assert {State.SUCCEEDED, State.FAILED, State.DENIED, State.CANCELLED} == TERMINAL
    reachable = {State.PENDING} | {state for following in TRANSITIONS.values() for state in following}
    assert reachable == set(State)


def test_nothing_leads_out_of_an_end() -> None:
    for state in State:
        assert not TERMINAL & set(sources(state))


def test_delays_double_and_are_bounded() -> None:
    assert [delay(attempt) for attempt in (1, 2, 3)] == [FIRST_DELAY, FIRST_DELAY * 2, FIRST_DELAY * 4]
    assert delay(50) == LONGEST_DELAY
