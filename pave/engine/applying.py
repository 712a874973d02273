"""The stages that act and look: `apply` and `observe`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

from pave.apply.retry import ApplyError, Stale, Terminal, Waiting
from pave.apply.run import ORDER, StepState
from pave.engine.forge.changes import PREVIEW
from pave.engine.planning import depends_on, only_checked, resolve
from pave.engine.work import Skipped, Work
from pave.engine.world import World
from pave.model.deployment import Deployment
from pave.model.diagnostics import Diagnostic, Refused, error
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.observe.drift import REMOVAL
from pave.observe.health import Health, Status, with_missing, worst
from pave.plan.change import Action, Plan
from pave.plan.stack import EMPTY, Stack
from pave.plan.wanted import owner_of
from pave.ports import Applied, EnginePlan, ResourceRecord
from pave.request.intent import Converge, RestoreResource


def apply(work: Work) -> dict[str, Any]:
    """Carry out exactly the stored plan of each stack; one that fails does not stop the others."""
    stacks = [Address.parse(one) for one in work.output("plan").get("stacks", ())]
    if not stacks:
        raise Skipped("No stack is touched")
    if only_checked(work.run.request.intent):
        raise Skipped("It was only checked")
    problems: list[Diagnostic] = []
    done: dict[str, Any] = {}
    for stack in stacks:
        work.check()
        step = work.steps.get(("apply", str(stack)))
        if step is not None and step.state is StepState.DONE:
            done[str(stack)] = step.output
            continue
        try:
            done[str(stack)] = _apply_stack(work, stack)
        except (Refused, ApplyError) as problem:
            if len(stacks) == 1 or isinstance(problem, Stale):
                raise
            problems += problem.diagnostics if isinstance(problem, Refused) else [problem.diagnostic]
    if problems:
        raise Refused(*problems)
    return {"stacks": done}


def _apply_stack(work: Work, stack: Address) -> dict[str, Any]:
    stored = work.world.plans.get(work.run.id, stack)
    if stored is None or work.interrupted("apply", str(stack)):
        raise Stale(error(f"What was done to {stack} is not known", remedy="It is planned again.", address=str(stack)))
    planned, engine_plan = stored
    snapshot = work.world.snapshots.current()
    _check_bindings(work, planned, snapshot)
    _check_dependencies(work, snapshot, stack)
    work.world.runs.journal(work.run, "apply", str(stack), StepState.RUNNING, position=_POSITION)
    work.world.reached(f"apply:{stack}:before")
    work.world.stacks.put(stack, phase="applying", run=work.run.id)
    work.emit("stack.applying", str(stack))
    try:
        output = _carry_out(work, planned, engine_plan, snapshot)
    except (Refused, ApplyError) as problem:
        _failed(work, planned, problem)
        raise
    work.world.reached(f"apply:{stack}:done")
    work.world.runs.journal(
        work.run, "apply", str(stack), StepState.DONE, position=_POSITION, output=output, detail=_told(planned)
    )
    return output


_POSITION = ORDER.index("apply")
"""The steps per stack stand where `apply` does."""


def _carry_out(work: Work, planned: Plan, engine_plan: EnginePlan, snapshot: Snapshot) -> dict[str, Any]:
    world, stack = work.world, planned.stack
    intent = work.run.request.intent
    if isinstance(intent, RestoreResource):
        _restore(work, intent)
    resolved = None if planned.destroy else resolve(world, snapshot, stack)
    root = resolved.root if resolved else EMPTY
    applied: Applied | None = None
    if not planned.empty:
        applied = world.engine.apply(stack, root, engine_plan, work.report, work.cancel)
        world.reached(f"apply:{stack}:applied")
    if resolved is None:
        world.engine.forget(stack)
        world.stacks.remove(stack)
        if _was_preview(work, stack):  # nobody misses its data, and a hundred previews would leave a hundred databases
            world.cloud.discard(stack)
        work.emit("stack.removed", str(stack))
        return {"removed": True}
    # From the state, not from this apply: an attempt that was cut off may have done all of it.
    world.stacks.put_resources(stack, _records(resolved, world.engine.outputs(stack)))
    _applied(work, planned, snapshot, snapshot.deployments[stack])
    return {"serial": applied.serial if applied else planned.serial}


def _was_preview(work: Work, stack: Address) -> bool:
    """Whether a stack that goes was in a preview: its environment may be gone already, so the plan noted its kind."""
    noted = work.run.result.get("environments", {}).get(stack.environment, {})
    return str(noted.get("kind", "")) == PREVIEW


def _restore(work: Work, intent: RestoreResource) -> None:
    """Bring back the copy that was the newest one when it was first tried: twice would swap it away again."""
    address, cloud = intent.address, work.world.cloud
    step = work.steps.get(("restore", str(address)))
    if step is not None and step.state is StepState.DONE:
        return
    kept = [str(one["removed_at"]) for one in cloud.trash() if one["address"] == str(address)]
    chosen = str(step.output["removed_at"]) if step else max(kept, default="")
    journal = partial(work.world.runs.journal, work.run, "restore", str(address), position=_POSITION)
    journal(StepState.RUNNING, output={"removed_at": chosen})
    if intent.backup:
        cloud.restore(address, datetime.fromisoformat(intent.backup))
    elif step is None or chosen in kept:
        cloud.restore(address)
    journal(StepState.DONE, output={"removed_at": chosen})


def _check_bindings(work: Work, planned: Plan, snapshot: Snapshot) -> None:
    """A plan is good only for what it was made from; raises `Stale` where any of it moved."""
    moved = [
        what
        for what, was, is_ in (
            ("the desired state", planned.inputs, snapshot.inputs.get(planned.stack, "")),
            ("the guardrails", planned.guardrails, snapshot.guardrails_digest),
            ("the engine's state", planned.serial, work.world.engine.serial(planned.stack)),
        )
        if was != is_
    ]
    if moved:
        raise Stale(
            error(
                f"{' and '.join(moved)} of {planned.stack} moved since the plan was made".capitalize(),
                remedy="It is planned and judged again.",
                address=str(planned.stack),
            )
        )


def _check_dependencies(work: Work, snapshot: Snapshot, stack: Address) -> None:
    """What a stack depends on has to be live. Raises `Waiting` while it may come to be, `Terminal` where it failed."""
    for other in depends_on(work.world, snapshot, stack):
        record = work.world.stacks.get(other)
        if record is not None and record.phase == "live":
            continue
        if other not in snapshot.deployments or (record is not None and record.phase == "failed"):
            how = "failed" if other in snapshot.deployments else "is not deployed there"
            remedy = f"Have that live first: pave status {other}, pave deploy {other}."
            raise Terminal(error(f"{stack} depends on {other}, which {how}", remedy=remedy, address=str(stack)))
        raise Waiting(
            error(f"{stack} depends on {other}, which is not live yet", remedy="It is waited for.", address=str(stack))
        )


def _records(resolved: Stack, outputs: Mapping[str, Mapping[str, Any]]) -> list[ResourceRecord]:
    return [
        ResourceRecord(
            address=part.address,
            type=part.need.type,
            module=part.module.name,
            module_version=part.module.version,
            stateful=part.module.stateful,
            inputs=part.inputs,
            outputs={
                name: value
                for name, value in outputs.get(part.need.name, {}).items()
                if name in part.module.outputs and not part.module.outputs[name].sensitive
            },
        )
        for part in resolved.parts
    ]


def _applied(work: Work, planned: Plan, snapshot: Snapshot, deployment: Deployment) -> None:
    work.world.stacks.put(
        planned.stack,
        phase="live",
        owner=str(owner_of(snapshot, planned.stack.component) or ""),
        inputs=planned.inputs,
        failed_inputs="",
        repository=deployment.repository,
        commit=deployment.commit,
        artifact=deployment.artifact,
        error=None,
        run=work.run.id,
        applied_at=work.world.clock.now(),
    )


def _failed(work: Work, planned: Plan, problem: Refused | ApplyError) -> None:
    diagnostic = problem.diagnostics[0] if isinstance(problem, Refused) else problem.diagnostic
    stack = planned.stack
    work.world.stacks.put(
        stack, phase="failed", failed_inputs=planned.inputs or REMOVAL, error=diagnostic.as_data(), run=work.run.id
    )
    work.emit("stack.failed", str(stack), error=diagnostic.as_data())


def not_converged(work: Work, phase: str, error: Mapping[str, Any] | None) -> None:
    """Say of a stack that Git's word for it was not carried out, whichever stage that ended in."""
    intent = work.run.request.intent
    if isinstance(intent, Converge):
        inputs = work.world.snapshots.current().inputs.get(intent.stack, "") or REMOVAL
        work.world.stacks.put(intent.stack, phase=phase, failed_inputs=inputs, error=error, run=work.run.id)
        work.emit(f"stack.{phase}", str(intent.stack), error=error)


def _told(planned: Plan) -> str:
    told = [f"{planned.count(action)} {word}" for action, word in _WORDS if planned.count(action)]
    return ", ".join(told) or "nothing to do"


_WORDS = (
    (Action.CREATE, "created"),
    (Action.UPDATE, "changed"),
    (Action.REPLACE, "replaced"),
    (Action.DELETE, "removed"),
)


def observe(work: Work) -> dict[str, Any]:
    """Look at what was applied, and say where it answers."""
    stacks = [Address.parse(one) for one in work.output("plan").get("stacks", ())]
    # Before the run ends: who asked finds what was made in the catalog, not a minute later.
    work.world.projection.refresh(work.world.snapshots.current())
    there = [stack for stack in stacks if work.world.stacks.get(stack) is not None]
    if not there or only_checked(work.run.request.intent):
        raise Skipped("Nothing is left to look at")
    seen: dict[str, Any] = {}
    urls: dict[str, str] = {}
    for stack in there:
        seen[str(stack)] = look(work, stack)
        urls |= work.world.cloud.urls(stack)
    return {"health": seen, "urls": urls}


def health_of(world: World, stack: Address) -> dict[Address, Health]:
    """The health of each resource of a stack: as the cloud tells it, and missing where it should tell and does not."""
    return with_missing(world.cloud.health(stack), world.stacks.resources(stack), world.cloud.kinds)


def look(work: Work, stack: Address) -> str:
    """Record a stack's health and where it answers; returns the health's word."""
    health = worst(health_of(work.world, stack).values())
    work.world.stacks.put(
        stack,
        health=health.status.value,
        reason=health.reason,
        urls=work.world.cloud.urls(stack),
        checked_at=work.world.clock.now(),
    )
    work.emit("stack.live" if health.status is Status.HEALTHY else "stack.unwell", str(stack), health=health.status)
    return health.status.value
