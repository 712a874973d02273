"""What a handler gets: the world, who asks, and the two things that nearly every handler does."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from pave.apply.run import Run, State
from pave.engine.operations import Call, Operation
from pave.engine.product.usage import Tally, note_missed
from pave.engine.rights import admit
from pave.engine.submit import preview, submit
from pave.engine.views import RunView, StepView
from pave.engine.world import World
from pave.model.diagnostics import Refused, Unknown, error
from pave.model.names import Address
from pave.observe.demand import TYPE
from pave.observe.logs import of_run
from pave.request.intent import Intent, Request, kind_of, subject_of


@dataclass(frozen=True)
class Context:
    """One call of one operation."""

    world: World
    call: Call
    tally: Tally | None = None

    def count(self, operation: Operation[Any, Any]) -> AbstractContextManager[None]:
        """Count what becomes of this call."""
        return self.tally.watch(operation, self.call) if self.tally else nullcontext()

    def admit(self, operation: Operation[Any, Any], given: BaseModel) -> None:
        """Raise `Forbidden` unless whoever asks may do this, by the judge of rights."""
        admit(self.world, self.call, operation, given)

    def ask(self, intent: Intent) -> RunView:
        """Submit the intent and show its run; with `dry_run`, show what would happen and leave nothing behind."""
        call = self.call
        request = Request(call.actor, call.door, intent, self.world.clock.now(), call.key, call.behalf)
        try:
            if not self.call.dry_run:
                return self.show(submit(self.world, request))
            found = preview(self.world, request)
        except Refused as refused:
            for wanted in {one.wanted for one in refused.diagnostics if one.wanted}:
                note_missed(self.world, TYPE, wanted, self.call.actor)
            raise
        denied = found.verdict.get("outcome") in ("denied", "needs-approval")
        return RunView(
            kind=kind_of(intent),
            subject=subject_of(intent),
            state=State.DENIED.value if denied else State.SUCCEEDED.value,
            actor=str(self.call.actor),
            door=self.call.door,
            verdict=dict(found.verdict) or None,
            plan={"title": found.title, "diffs": dict(found.diffs), **found.plan},
            remedy=_remedy(dict(found.verdict)),
        )

    def show(self, run: Run) -> RunView:
        """A run as every door shows it."""
        steps = self.world.runs.steps(run.id)
        planned = next((one.output for one in steps if one.name == "plan" and one.output), {})
        changes = [change for one in planned.get("plans", ()) for change in one["changes"]]
        now = datetime.now(UTC)
        return RunView(
            id=run.id,
            kind=run.kind,
            subject=run.subject,
            state=run.state.value,
            actor=str(run.request.actor),
            door=run.request.door,
            created_at=run.created_at,
            started_at=run.started_at,
            finished_at=run.finished_at,
            seconds=((run.finished_at or now) - run.created_at).total_seconds() if run.created_at else None,
            verdict=run.verdict,
            plan=_planned(planned, changes),
            steps=[
                StepView(
                    name=one.name,
                    subject=one.subject,
                    state=one.state.value,
                    seconds=((one.finished_at or now) - one.started_at).total_seconds() if one.started_at else None,
                    detail=one.detail,
                )
                for one in steps
            ],
            error=run.error if run.state is not State.SUCCEEDED else None,
            result=run.result,
            remedy=_remedy(run.verdict or {}) or str((run.error or {}).get("remedy", "")),
            logs=of_run(run.id).command,
        )

    def run(self, run_id: str) -> Run:
        """A run by its id. Raises `Unknown`."""
        found = self.world.runs.get(run_id)
        if found is None:
            raise Unknown(error(f"There is no run {run_id!r}", remedy="See the newest ones: pave runs."))
        return found


def address_of(text: str) -> Address:
    """A stack's address. Raises `Refused`, also for one of a resource."""
    address = Address.parse(text)
    if address.resource:
        raise Refused(
            error(f"{text} is a resource, not a stack", remedy=f"Its stack is {address.stack}.", address=text)
        )
    return address


def _planned(planned: dict[str, Any], changes: list[dict[str, Any]]) -> dict[str, Any] | None:
    if not planned:
        return None
    shown = {"title": planned["title"], "stacks": planned["stacks"], "changes": changes}
    return shown | ({"cost": planned["cost"]} if "cost" in planned else {})


def _remedy(verdict: dict[str, Any]) -> str:
    return next((str(one["remedy"]) for one in verdict.get("findings", ()) if one.get("remedy")), "")
