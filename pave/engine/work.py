"""One attempt at a run, as its stages see it: the world, the journal so far, and a way to report."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from pave.apply.retry import Cancelled
from pave.apply.run import Run, Step, StepState
from pave.engine.world import World
from pave.model.diagnostics import error
from pave.model.names import Address
from pave.ports import Holder
from pave.verdict.finding import Verdict

_LINES_TOGETHER = 50
_MOST_LINES = 20_000
_MOST_CHARACTERS = 4_000_000
_HOLDER: ContextVar[Holder | None] = ContextVar("holder", default=None)


def holder_of_the_moment(_stack: Address) -> Holder:
    """Who works in this thread: the run with its epoch, or somebody who only looks."""
    return _HOLDER.get() or Holder(f"look-{threading.get_ident()}")


def hold(run: Run) -> None:
    """Say that this thread works on `run` from now on."""
    _HOLDER.set(Holder(run.id, run.epoch))


class Skipped(Exception):
    """A stage that has nothing to do for this run; the reason stands in the journal."""


class Denied(Exception):
    """The verdict does not let the run go on; `why` says it where a person decided."""

    def __init__(self, verdict: Verdict, why: str = "") -> None:
        self.verdict = verdict
        self.why = why
        super().__init__(why or verdict.outcome.value)


class Asked(Exception):
    """The verdict lets the run go on once a person approved it; it waits for that, `seconds` at most."""

    def __init__(self, verdict: Verdict, approval: str, seconds: float) -> None:
        self.verdict, self.approval, self.seconds = verdict, approval, seconds
        super().__init__(f"It waits for the approval {approval}")


@dataclass
class Work:
    """What a stage gets. `outputs` has what earlier stages recorded, by stage and subject."""

    world: World
    run: Run
    lost: threading.Event = field(default_factory=threading.Event)
    steps: dict[tuple[str, str], Step] = field(default_factory=dict)
    _lines: list[str] = field(default_factory=list)
    _said: int = 0
    _characters: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def output(self, stage: str, subject: str = "") -> Mapping[str, Any]:
        """What a stage recorded; empty where it was skipped or has not run."""
        step = self.steps.get((stage, subject))
        return step.output if step and step.state is StepState.DONE else {}

    def interrupted(self, stage: str, subject: str) -> bool:
        """Whether an earlier attempt began this step and did not record its end."""
        step = self.steps.get((stage, subject))
        return step is not None and step.state in (StepState.RUNNING, StepState.FAILED)

    def cancel(self) -> bool:
        """Whether to stop: somebody asked, or another worker has the run."""
        if self.lost.is_set() or not self.run.id:
            return self.lost.is_set()
        now = self.world.runs.get(self.run.id)
        return now is None or now.cancel_asked

    def check(self) -> None:
        """Raise `Cancelled` if it is time to stop."""
        if self.cancel():
            raise Cancelled(error(f"Run {self.run.id} was cancelled", address=self.run.subject))

    def report(self, line: str) -> None:
        """One line of progress for whoever watches; lines are sent together, a full batch at once."""
        if not self.run.id:
            return  # only looking: nobody can watch a run that is not recorded
        with self._lock:
            kept = self._said <= _MOST_LINES and self._characters <= _MOST_CHARACTERS
            self._said += 1
            self._characters += len(line)
            if self._said <= _MOST_LINES and self._characters <= _MOST_CHARACTERS:
                self._lines.append(line)
            elif kept:
                self._lines.append("It said too much: what follows is not kept")
            full = len(self._lines) >= _LINES_TOGETHER
        if full:
            self.flush()

    def flush(self) -> None:
        """Send the lines that were kept."""
        with self._lock:
            lines, self._lines = self._lines, []
        if lines:
            self.emit("run.log", lines=lines)

    def emit(self, type_: str, subject: str = "", **data: Any) -> None:
        """An event of this run."""
        self.world.events.emit(
            type_, subject or self.run.subject, run=self.run.id, actor=str(self.run.request.actor), **data
        )
