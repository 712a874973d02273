from __future__ import annotations

import threading
import time
from datetime import UTC, datetime

import pytest
from sqlalchemy import Engine

from pave.adapters.postgres.events import PostgresEvents
from pave.adapters.postgres.queue import PostgresQueue
from pave.adapters.postgres.runs import PostgresRuns
from pave.apply.retry import Stale
from pave.apply.run import State, StepState
from pave.model.names import Address, Ref
from pave.request.intent import AddResource, Request

DANA = Ref.parse("user:dana")


def wish(key: str = "", name: str = "db") -> Request:
    return Request(DANA, "test", AddResource(Address("dev", "orders", name), "postgres"), datetime.now(UTC), key)


def add(runs: PostgresRuns, key: str = "") -> object:
    return runs.add(wish(key), "resource.add", "dev/orders")[0]


def test_the_same_key_is_the_same_run(records: Engine) -> None:
    runs = PostgresRuns(records)
    first, new = runs.add(wish("k1"), "resource.add", "dev/orders")
    again, anew = runs.add(wish("k1"), "resource.add", "dev/orders")
    assert new
    assert not anew
    assert first == again
    assert runs.add(wish(), "resource.add", "dev/orders")[0].id != first.id
    assert first.request.intent == AddResource(Address("dev", "orders", "db"), "postgres")


def test_a_hundred_at_once_with_one_key_make_one_run(records: Engine) -> None:
    runs = PostgresRuns(records)
    made: list[str] = []
    threads = [
        threading.Thread(target=lambda: made.append(runs.add(wish("k"), "resource.add", "d/o")[0].id))
        for _ in range(100)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 100
    assert len(set(made)) == 1


def test_one_holder_at_a_time_and_the_loser_of_a_lease_can_write_nothing(records: Engine) -> None:
    runs = PostgresRuns(records)
    run = add(runs)
    held = runs.claim(run.id, "one", 0.05)
    assert held is not None
    assert runs.claim(run.id, "two", 5) is None
    time.sleep(0.06)
    taken = runs.claim(run.id, "two", 5)
    assert taken is not None
    assert taken.epoch == held.epoch + 1
    assert not runs.renew(held, 5)
    with pytest.raises(Stale):
        runs.move(held, State.SUCCEEDED)
    with pytest.raises(Stale):
        runs.journal(held, "plan", "dev/orders", StepState.DONE)
    assert runs.move(taken, State.SUCCEEDED).state is State.SUCCEEDED
    with pytest.raises(Stale):
        runs.move(taken, State.FAILED)


def test_the_journal_keeps_order_and_output_and_forgets_on_request(records: Engine) -> None:
    runs = PostgresRuns(records)
    held = runs.claim(add(runs).id, "one", 5)
    runs.journal(held, "plan", "", StepState.RUNNING, position=1)
    runs.journal(held, "plan", "", StepState.DONE, position=1, output={"stacks": ["dev/orders"]}, detail="1 to create")
    runs.journal(held, "build", "", StepState.SKIPPED, position=0, detail="nothing to build")
    assert [step.name for step in runs.steps(held.id)] == ["build", "plan"]
    assert runs.steps(held.id)[1].output == {"stacks": ["dev/orders"]}
    assert runs.steps(held.id)[1].finished_at >= runs.steps(held.id)[1].started_at
    runs.forget_steps(held, ["plan"])
    assert [step.name for step in runs.steps(held.id)] == ["build"]


def test_cancelling_ends_what_waits_and_asks_what_runs(records: Engine) -> None:
    runs = PostgresRuns(records)
    waiting, running = add(runs), add(runs)
    held = runs.claim(running.id, "one", 5)
    assert runs.ask_cancel(waiting.id).state is State.CANCELLED
    asked = runs.ask_cancel(running.id)
    assert asked.state is State.RUNNING
    assert asked.cancel_asked
    runs.move(held, State.CANCELLED)
    assert runs.abandoned() == ()


def test_the_sweep_finds_what_nobody_holds(records: Engine) -> None:
    runs = PostgresRuns(records)
    lost, held = add(runs), add(runs)
    runs.claim(held.id, "host:1:", 60)
    assert [run.id for run in runs.abandoned()] == [lost.id]
    assert runs.free("host:1:") == 1
    assert [run.id for run in runs.abandoned()] == [lost.id, held.id]


def test_events_come_in_order_and_wake_who_waits(records: Engine) -> None:
    events = PostgresEvents(records)
    assert not events.wait(0, 0.05)
    seen: list[bool] = []
    waiter = threading.Thread(target=lambda: seen.append(events.wait(0, 5)))
    waiter.start()
    time.sleep(0.1)
    began = time.monotonic()
    events.emit("run.started", "dev/orders", run="run_1", actor="user:default/dana", step="plan")
    waiter.join()
    assert seen == [True]
    assert time.monotonic() - began < 2
    (event,) = events.read(0, subject="dev")
    assert (event.type, event.data, event.run) == ("run.started", {"step": "plan"}, "run_1")
    assert events.read(event.id) == ()


def test_the_queue_runs_each_once_and_one_subject_in_order(records: Engine) -> None:
    queue = PostgresQueue(records)
    queue.open()
    done: list[str] = []
    ended = threading.Event()

    def carry_out(run: str) -> None:
        if run == "run_0":
            time.sleep(0.2)
        done.append(run)
        if len(done) == 3:
            ended.set()

    queue.push("run_0", "dev/orders")
    queue.push("run_0", "dev/orders")
    queue.push("run_1", "dev/orders")
    queue.push("run_2", "dev/ledger")
    queue.work(carry_out, threads=3)
    assert ended.wait(10)
    queue.close()
    assert done == ["run_2", "run_0", "run_1"]
