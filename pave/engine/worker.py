"""Carries out runs: claims one, walks the stages, journals each, and lets the error's type decide what follows.

A worker may die at any point. The next one claims the run under a higher epoch, finds what the journal
has, and goes on; what the dead one might still write is refused by the epoch.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from pave.apply.retry import MOST_ATTEMPTS, ApplyError, Cancelled, Later, Stale, Transient, Waiting, delay
from pave.apply.run import ORDER, Run, State, StepState
from pave.engine.applying import not_converged
from pave.engine.delivery.following import ended
from pave.engine.delivery.making import clean_up
from pave.engine.stages import STAGES, Stage
from pave.engine.work import Asked, Denied, Skipped, Work, hold
from pave.engine.world import World
from pave.model.diagnostics import Diagnostic, Refused, error

LEASE_SECONDS = 30.0
_MOST_REPLANS = 3
_FLUSH_SECONDS = 0.1
_log = logging.getLogger(__name__)


class Worker:
    """Carries out runs of one world; safe to be used by many threads."""

    def __init__(self, world: World) -> None:
        self._world = world

    def carry_out(self, run_id: str) -> None:
        """Take the run, if nobody has it, as far as it goes. Never raises: the outcome is in the run."""
        run = self._world.runs.claim(run_id, self._world.holder, LEASE_SECONDS)
        if run is None:
            return
        hold(run)
        work = Work(self._world, run)
        work.emit("run.started", attempt=run.attempt)
        with self._lease(work), contextlib.suppress(Stale):  # Stale out of here: another worker has it now
            try:
                self._walk_until_fresh(work)
            finally:
                work.flush()

    def _walk_until_fresh(self, work: Work) -> None:
        for replan in range(_MOST_REPLANS + 1):
            try:
                result = self._walk(work)
            except Stale as stale:
                if work.lost.is_set():
                    return
                if replan == _MOST_REPLANS:
                    self._end(work, State.FAILED, stale.diagnostic)
                    return
                work.report(f"{stale.diagnostic.summary}; planning again")
                self._world.runs.forget_steps(work.run, [one.name for one in STAGES if one.again])
            except Exception as problem:  # noqa: BLE001 — the run must end and say so, whatever happened
                self._stopped(work, problem)
                return
            else:
                self._world.runs.move(work.run, State.SUCCEEDED, result=result)
                self._world.plans.drop(work.run.id)
                work.emit("run.finished", state=State.SUCCEEDED)
                return

    def _stopped(self, work: Work, problem: Exception) -> None:
        """What becomes of a run that could not go on: the error's type decides."""
        match problem:
            case Denied():
                why = [error(problem.why, remedy="Change the request, then ask again.")] if problem.why else []
                self._end(work, State.DENIED, *why, verdict=problem.verdict.as_data())
            case Asked():
                self._wait_for_somebody(work, problem)
            case Cancelled():
                self._end(work, State.CANCELLED, problem.diagnostic)
            case Refused():
                self._end(work, State.FAILED, *problem.diagnostics)
            case Waiting() | Transient():
                self._again_later(work, problem)
            case Later():
                self._rest(work, problem.seconds)
            case ApplyError():
                self._end(work, State.FAILED, problem.diagnostic)
            case _:
                _log.error("Run %s failed unexpectedly", work.run.id, exc_info=problem)
                self._end(work, State.FAILED, _unexpected(work.run, problem))

    def _walk(self, work: Work) -> dict[str, object]:
        work.steps = {(one.name, one.subject): one for one in self._world.runs.steps(work.run.id)}
        result: dict[str, object] = {}
        for stage in STAGES:
            if not stage.concerns(work.run.request.intent):
                continue
            work.check()
            step = work.steps.get((stage.name, ""))
            if step is None or step.state not in (StepState.DONE, StepState.SKIPPED):
                self._do(work, stage, ORDER.index(stage.name))
            result |= {key: value for key, value in work.output(stage.name).items() if key in _SHOWN}
        return result

    def _do(self, work: Work, stage: Stage, position: int) -> None:
        runs, reached = self._world.runs, self._world.reached
        reached(f"{stage.name}:before")
        runs.journal(work.run, stage.name, "", StepState.RUNNING, position=position)
        work.emit("step.started", step=stage.name)
        try:
            output = stage.carry_out(work)
        except Skipped as skipped:
            runs.journal(work.run, stage.name, "", StepState.SKIPPED, position=position, detail=str(skipped))
        except (Stale, Later):
            raise
        except Asked as asked:
            runs.journal(work.run, stage.name, "", StepState.RUNNING, position=position, detail=str(asked))
            raise
        except Exception as problem:
            work.flush()
            runs.journal(work.run, stage.name, "", StepState.FAILED, position=position, detail=_line(problem))
            work.emit("step.finished", step=stage.name, state=StepState.FAILED)
            raise
        else:
            reached(f"{stage.name}:done")
            runs.journal(work.run, stage.name, "", StepState.DONE, position=position, output=output)
        work.flush()
        work.steps = {(one.name, one.subject): one for one in runs.steps(work.run.id)}
        work.emit("step.finished", step=stage.name, state=work.steps[(stage.name, "")].state)
        reached(f"{stage.name}:after")

    def _end(self, work: Work, state: State, *diagnostics: Diagnostic, verdict: object = None) -> None:
        """End a run that did not succeed: half-made things are taken away first, then it is said why."""
        try:
            clean_up(work)
        except (Refused, ApplyError) as problem:
            _log.warning("Cleaning up after run %s: %s", work.run.id, problem)
        why: dict[str, Any] = {"error": _told(diagnostics)} if diagnostics else {}
        changes = dict(why)
        if verdict is not None:
            changes["verdict"] = verdict
        following = ended(work, state, diagnostics[0] if diagnostics else None)
        if following:
            changes["result"] = {**work.run.result, "next": following}
        if state in (State.FAILED, State.DENIED):
            not_converged(work, state.value, changes.get("error") or changes.get("verdict"))
        self._world.runs.move(work.run, state, **changes)
        self._world.plans.drop(work.run.id)
        work.emit("run.finished", state=state, **why)

    def _rest(self, work: Work, seconds: float) -> None:
        """Let the run wait for its time; meanwhile others may work on the same stack."""
        at = self._world.clock.now() + timedelta(seconds=seconds)
        self._world.runs.move(work.run, State.WAITING, not_before=at)
        self._world.queue.push(work.run.id, work.run.subject, seconds)

    def _wait_for_somebody(self, work: Work, asked: Asked) -> None:
        """Let the run wait until somebody decided, or until nobody did in time; it holds nothing meanwhile."""
        at = self._world.clock.now() + timedelta(seconds=max(asked.seconds, 0))
        result = {**work.run.result, "approval": asked.approval}
        self._world.runs.move(work.run, State.WAITING, not_before=at, result=result)
        work.emit("run.waiting", seconds=asked.seconds, approval=asked.approval)

    def _again_later(self, work: Work, later: Waiting | Transient) -> None:
        if work.run.attempt >= MOST_ATTEMPTS:
            self._end(work, State.FAILED, later.diagnostic)
            return
        seconds = delay(work.run.attempt)
        run = work.run
        at = self._world.clock.now() + timedelta(seconds=seconds)
        self._world.runs.move(run, State.WAITING, not_before=at, error=later.diagnostic.as_data())
        self._world.queue.push(run.id, run.subject, seconds)
        work.emit("run.waiting", seconds=seconds, error=later.diagnostic.as_data())

    @contextlib.contextmanager
    def _lease(self, work: Work) -> Iterator[None]:
        """Renew the lease until the work is done, and send its lines; losing the lease makes `work.cancel` true."""
        over = threading.Event()

        def renew() -> None:
            due = time.monotonic() + LEASE_SECONDS / 3
            while not over.wait(_FLUSH_SECONDS):
                work.flush()  # whoever watches sees a line at once, not when there are fifty
                if time.monotonic() < due:
                    continue
                due = time.monotonic() + LEASE_SECONDS / 3
                if not self._world.runs.renew(work.run, LEASE_SECONDS):
                    work.lost.set()
                    return

        thread = threading.Thread(target=renew, name=f"lease-{work.run.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


_SHOWN = frozenset(
    {
        *("repository", "commit", "artifact", "stacks", "urls", "health", "links", "title", "remarks"),
        *("checks", "signature", "provenance", "change", "decision", "next", "trials", "approved_by"),
    }
)
"""What of the stages' outputs a finished run shows as its result."""


def _told(diagnostics: tuple[Diagnostic, ...]) -> dict[str, object]:
    first, *others = diagnostics
    return first.as_data() | ({"others": [one.as_data() for one in others]} if others else {})


def _unexpected(run: Run, problem: Exception) -> Diagnostic:
    return error(
        f"{run.kind} of {run.subject} met an error that Pave did not expect: {type(problem).__name__}",
        detail="The server's log has the whole story.",
        remedy="Try it again; if it stays, tell the platform's owners with the run's id.",
        address=run.subject,
    )


def _line(problem: Exception) -> str:
    return str(problem).strip().split("\n", 1)[0][:300] or type(problem).__name__
