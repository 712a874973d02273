"""The last of a budget can be taken once, whoever asks at the same time; it is given back when its run ends."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text

from pave.adapters.postgres import database
from pave.adapters.postgres.budgets import PostgresBudgets
from pave.adapters.postgres.runs import PostgresRuns
from pave.apply.retry import Stale
from pave.apply.run import Run, State, StepState
from pave.model.names import Address, Ref
from pave.ports import Wish
from pave.request.intent import AddResource, Request

DEV = "environment/dev"
TEAM = "team/group:default/payments"
LIMIT = Decimal(100)


@pytest.fixture
def other(records: Engine) -> Iterator[Engine]:
    """Connections of another server's."""
    engine = database.connect(records.url.render_as_string(hide_password=False), size=2)
    yield engine
    engine.dispose()


def begun(records: Engine, seconds: float = 60) -> Run:
    runs = PostgresRuns(records)
    intent = AddResource(Address("dev", "orders", "db"), "postgres")
    request = Request(Ref.parse("user:dana"), "test", intent, datetime.now(UTC))
    run = runs.claim(runs.add(request, "resource.add", "dev/orders")[0].id, "one", seconds)
    assert run is not None
    return run


def wish(budgets: PostgresBudgets, run: Run, amount: str, scope: str = DEV) -> Wish:
    return Wish(scope, "dev/orders", Decimal(amount), "USD", budgets.look([scope], run.id)[scope].version)


def reserved(budgets: PostgresBudgets, scope: str = DEV) -> Decimal:
    return budgets.look([scope])[scope].amount


def test_two_runs_side_by_side_cannot_both_spend_the_last_of_a_budget(records: Engine, other: Engine) -> None:
    """Two transactions on connections of their own, both open at once: the second one has to look again."""
    first, second = PostgresBudgets(records), PostgresBudgets(other)
    mine, yours = begun(records), begun(records)
    both_looked, ended = threading.Barrier(2), list[tuple[str, int]]()

    def spend(budgets: PostgresBudgets, run: Run) -> None:
        for attempt in range(1, 5):
            seen = budgets.look([DEV], run.id)[DEV]
            if attempt == 1:
                both_looked.wait(10)
            if seen.amount + 60 > LIMIT:  # what the judge says to it
                ended.append(("denied", attempt))
                return
            if budgets.reserve(run, [Wish(DEV, "dev/orders", Decimal(60), "USD", seen.version)]):
                ended.append(("spent", attempt))
                return

    threads = [threading.Thread(target=spend, args=one) for one in ((first, mine), (second, yours))]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    assert sorted(ended) == [("denied", 2), ("spent", 1)]
    assert reserved(first) == 60


def test_a_transaction_that_is_not_over_holds_the_other_one_up(records: Engine, other: Engine) -> None:
    first, second = PostgresBudgets(records), PostgresBudgets(other)
    run, later = begun(records), wish(second, begun(records), "60")
    done, answers = threading.Event(), list[bool]()
    waiting = begun(records)
    with records.begin() as held:
        held.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:scope, 7283))"), {"scope": DEV})
        thread = threading.Thread(target=lambda: (answers.append(second.reserve(waiting, [later])), done.set()))
        thread.start()
        assert not done.wait(0.5), "it does not wait for the budget"
        held.execute(
            text(
                "INSERT INTO reservations (run, scope, stack, amount, currency) VALUES (:run, :scope, 's', 60, 'USD')"
            ),
            {"run": run.id, "scope": DEV},
        )
    thread.join(10)
    assert answers == [False]
    assert reserved(first) == 60


def test_many_at_once_take_no_more_than_there_is(records: Engine) -> None:
    budgets, spent = PostgresBudgets(records), list[str]()
    runs = [begun(records) for _ in range(8)]

    def spend(run: Run) -> None:
        while True:
            seen = budgets.look([DEV, TEAM], run.id)
            if seen[DEV].amount + 30 > LIMIT:
                return
            scopes = (TEAM, DEV) if run.id > runs[3].id else (DEV, TEAM)  # in either order: nobody waits for ever
            if budgets.reserve(run, [Wish(one, "dev/orders", Decimal(30), "USD", seen[one].version) for one in scopes]):
                spent.append(run.id)
                return

    threads = [threading.Thread(target=spend, args=(one,)) for one in runs]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    assert len(spent) == 3
    assert reserved(budgets) == reserved(budgets, TEAM) == 90


@pytest.mark.parametrize(
    ("state", "word"), [(State.SUCCEEDED, "settled"), (State.FAILED, "released"), (State.DENIED, "released")]
)
def test_a_reservation_ends_in_the_transaction_that_ends_its_run(records: Engine, state: State, word: str) -> None:
    budgets, run = PostgresBudgets(records), begun(records)
    assert budgets.reserve(run, [wish(budgets, run, "40")])
    PostgresRuns(records).move(run, state)
    assert reserved(budgets) == 0
    with records.connect() as connection:
        assert connection.execute(text("SELECT state, ended_at IS NOT NULL FROM reservations")).all() == [(word, True)]
    assert budgets.forget(datetime.now(UTC) + timedelta(minutes=1)) == 1


def test_a_run_that_is_cancelled_while_it_waits_gives_back_what_it_had(records: Engine) -> None:
    budgets, runs, run = PostgresBudgets(records), PostgresRuns(records), begun(records)
    assert budgets.reserve(run, [wish(budgets, run, "40")])
    runs.move(run, State.WAITING)
    assert reserved(budgets) == 40, "it may go on"
    runs.ask_cancel(run.id)
    assert reserved(budgets) == 0


def test_whoever_lost_the_run_reserves_nothing(records: Engine) -> None:
    budgets, run = PostgresBudgets(records), begun(records, seconds=0)
    taken = PostgresRuns(records).claim(run.id, "two", 60)
    assert taken is not None
    with pytest.raises(Stale):
        budgets.reserve(run, [wish(budgets, run, "40")])
    assert budgets.reserve(taken, [wish(budgets, taken, "40")])
    assert budgets.reserve(taken, [wish(budgets, taken, "30")]), "planned again, it takes its own place"
    assert reserved(budgets) == 30
    assert budgets.look([DEV], taken.id)[DEV].amount == 0, "one's own does not stand in one's way"
    assert budgets.reserve(taken, [])
    assert reserved(budgets) == 0


def test_a_stack_that_is_applied_is_settled_with_the_step_that_says_so(records: Engine) -> None:
    budgets, runs, run = PostgresBudgets(records), PostgresRuns(records), begun(records)
    first, second = wish(budgets, run, "40"), Wish(DEV, "dev/ledger", Decimal(5), "USD", 0)
    assert budgets.reserve(run, [first, second])
    runs.journal(run, "apply", "dev/orders", StepState.RUNNING)
    assert reserved(budgets) == 45
    runs.journal(run, "apply", "dev/orders", StepState.DONE)
    assert reserved(budgets) == 5
    runs.journal(run, "apply", "", StepState.DONE)
    assert reserved(budgets) == 0
