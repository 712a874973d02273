"""The stages `plan` and `record`: what would change, and the commit that says so once the verdict allows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pave.apply.retry import Cancelled
from pave.engine.delivery.delivering import recorded
from pave.engine.delivery.making import made_of
from pave.engine.forge.changes import PREVIEW
from pave.engine.judgement.spending import Bill
from pave.engine.work import Skipped, Work
from pave.engine.world import World
from pave.model.deployment_file import path_of
from pave.model.diagnostics import Refused, error
from pave.model.environment import Environment
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.plan.change import Action, Change, Plan
from pave.plan.desired import desired
from pave.plan.stack import EMPTY, Stack, Surroundings, build
from pave.plan.terraform import RootModule
from pave.plan.wanted import Desired, environment_path, owner_of
from pave.plan.waves import needed, waves
from pave.ports import Cancel, EngineChange, EnginePlan
from pave.request.access import PLATFORM_REPOSITORY
from pave.request.intent import CheckChange, Converge, Intent, MergeChange

RECORDED_BY = "Pave-Change"
"""The trailer that names the run in the commit that it made."""


@dataclass(frozen=True)
class Candidate:
    """The repository as it is (`base`), as it would be (`snapshot`), and what the intent edits."""

    base: Snapshot
    snapshot: Snapshot
    desired: Desired
    edits: Mapping[str, bytes | None]

    def environment(self, name: str) -> Environment | None:
        """An environment as it would be, or as it was if it is to go."""
        return self.snapshot.environments.get(name) or self.base.environments.get(name)

    @property
    def stacks(self) -> tuple[Address, ...]:
        """The stacks that the intent is about, and those that its edits reach (through an environment)."""
        before, after = self.base.inputs, self.snapshot.inputs
        reached = {stack for stack in {*before, *after} if before.get(stack) != after.get(stack)}
        return tuple(sorted({*self.desired.stacks, *reached}))


def candidate(world: World, intent: Intent, wanted: Any) -> Candidate:
    """Lay what `intent` wants over the repository. Raises `Refused` where that cannot be read."""
    base = world.snapshots.current()
    granted = desired(intent, base, wanted)
    edits = world.snapshots.changes(base, granted.edits)
    after = world.snapshots.with_edits(base, edits)
    known = {str(one) for one in base.findings}
    caused = [one for one in after.findings if one.source.file in edits and str(one) not in known]
    if any(one.severity == "error" for one in caused):
        raise Refused(*caused)
    return Candidate(base, after, granted, edits)


def candidate_of(work: Work) -> Candidate:
    """What the run wants. Once its commit is made, Git says it: computed again, "remove it" would find nothing."""
    recorded = work.output("record")
    if not recorded.get("commit"):
        return candidate(work.world, work.run.request.intent, made_of(work))
    now = work.world.snapshots.current()
    return Candidate(now, now, Desired(str(recorded.get("title", "")), tuple(map(Address.parse, work.run.stacks))), {})


def plan(work: Work) -> dict[str, Any]:
    """Ask the engine what would change in each stack that the intent reaches, and keep its answer."""
    world = work.world
    found = candidate_of(work)
    # A run that was interrupted after its commit finds no edits any more, but its stacks are known.
    addresses = {*found.stacks, *map(Address.parse, work.run.stacks)}
    plans = []
    for address in in_order(world, found.snapshot, addresses):
        work.check()
        work.report(f"Planning {address}")
        engine_plan, planned = plan_stack(world, found.snapshot, address, work.cancel)
        world.plans.put(work.run.id, planned, engine_plan)
        plans.append(planned)
    places = {one.stack.environment: found.environment(one.stack.environment) for one in plans}
    known = {name: {"kind": one.kind, "owner": str(one.owner)} for name, one in places.items() if one}
    noted = {**known, **work.run.result.get("environments", {})}
    work.run = world.runs.note(work.run, stacks=tuple(str(one.stack) for one in plans), result={"environments": noted})
    return {
        "title": found.desired.title,
        "base": found.base.commit,
        "stacks": [str(one.stack) for one in plans],
        "plans": [{"stack": str(one.stack), "digest": one.digest, **summary(one)} for one in plans],
        "cost": Bill(world, found.base, found.snapshot, plans, work.run.id).as_data(),
        "edits": sorted(found.edits),
    }


def in_order(world: World, snapshot: Snapshot, addresses: Iterable[Address]) -> tuple[Address, ...]:
    """The stacks so that each comes after what it depends on; those that are to go the other way round, and first."""
    wanted = set(addresses)
    going = {one for one in wanted if one not in snapshot.deployments}
    edges = {one: depends_on(world, snapshot, one) for one in wanted - going}
    return (*sorted(going, reverse=True), *waves(wanted - going, edges))


def depends_on(world: World, snapshot: Snapshot, address: Address) -> tuple[Address, ...]:
    """The stacks of the same environment that a stack says it depends on; a preview has one component only."""
    deployment, environment = snapshot.deployments.get(address), snapshot.environments.get(address.environment)
    if deployment is None or (environment is not None and environment.kind == PREVIEW):
        return ()
    entities = [one for ref, one in snapshot.entities.items() if ref.name == address.component]
    workload = None
    if deployment.commit:
        inspection = world.snapshots.inspection(deployment.repository, deployment.commit)
        entities, workload = [*entities, *inspection.entities], inspection.workload
    return tuple(Address(address.environment, one) for one in needed(address.component, entities, workload))


def plan_stack(world: World, snapshot: Snapshot, address: Address, cancel: Cancel) -> tuple[EnginePlan, Plan]:
    """One stack's plan; a stack that the repository does not have any more is planned away."""
    stack = resolve(world, snapshot, address)
    root: RootModule = stack.root if stack else EMPTY
    engine_plan = world.engine.plan(address, root, cancel)
    planned = Plan(
        stack=address,
        changes=_changes(world, address, stack, engine_plan.changes),
        inputs=snapshot.inputs.get(address, ""),
        serial=engine_plan.serial,
        guardrails=snapshot.guardrails_digest,
        engine_digest=engine_plan.digest,
        destroy=stack is None,
        resources=engine_plan.resources,
    )
    return engine_plan, planned


def resolve(world: World, snapshot: Snapshot, address: Address) -> Stack | None:
    """The stack as the repository says it; None where it does not. Raises `Refused` where it cannot be read."""
    if address in snapshot.unreadable:
        raise Refused(
            error(
                f"{address} cannot be read, so nothing is done to it",
                remedy=f"Mend {path_of(address)}; `pave findings` says what is wrong.",
                address=str(address),
            )
        )
    deployment = snapshot.deployments.get(address)
    if deployment is None:
        return None
    environment = snapshot.environments.get(address.environment)
    if environment is None:
        raise Refused(  # a slip in an environment's file must not look like the wish to remove all that is in it
            error(
                f"{address} is deployed to {address.environment}, which is not there or cannot be read",
                remedy=f"Mend {environment_path(address.environment)}; `pave findings` says what is wrong.",
                address=str(address),
            )
        )
    owner = owner_of(snapshot, address.component)
    around = Surroundings(environment, snapshot.modules, owner, world.domain)
    return build(deployment, world.snapshots.workload(deployment), around)


def _changes(
    world: World, address: Address, stack: Stack | None, changes: Iterable[EngineChange]
) -> tuple[Change, ...]:
    """The engine's changes, folded to one a resource; what the stack has and nothing happens to is told too."""
    by_call: dict[str, list[EngineChange]] = {part.need.name: [] for part in (stack.parts if stack else ())}
    for one in changes:
        by_call.setdefault(one.call, []).append(one)
    known = {one.address.resource: one for one in world.stacks.resources(address)}
    folded = []
    for call, parts in sorted(by_call.items()):
        part = stack.part(call) if stack else None
        record = known.get(call)
        folded.append(
            Change(
                address=address.at(call),
                action=_action([one.actions for one in parts]),
                type=part.need.type if part else record.type if record else "",
                module=part.module.name if part else record.module if record else "",
                module_version=part.module.version if part else record.module_version if record else "",
                stateful=part.module.stateful if part else bool(record and record.stateful),
                inputs=part.inputs if part else {},
                attributes=tuple(sorted({name for one in parts for name in one.attributes})),
                drifted=any(one.drifted for one in parts),
            )
        )
    return tuple(folded)


def _action(actions: list[tuple[str, ...]]) -> Action:
    """One action for a resource from those of its parts: what weighs most speaks."""
    flat = {one for parts in actions for one in parts} - {"no-op", "read"}
    if any({"create", "delete"} <= set(parts) for parts in actions):
        return Action.REPLACE
    if flat == {"create"}:
        return Action.CREATE
    if flat == {"delete"}:
        return Action.DELETE
    return Action.UPDATE if flat else Action.NONE


def record(work: Work) -> dict[str, Any]:
    """Commit the edits to the platform repository with the actor and the run as trailers."""
    world, run = work.world, work.run
    if isinstance(run.request.intent, Converge):
        raise Skipped("Git says so already")
    if only_checked(run.request.intent):
        raise Skipped("It was only checked; nothing is changed until it is merged")
    for commit in world.platform.log(limit=50):
        if commit.trailers.get(RECORDED_BY) == run.id:
            return {"commit": commit.id, "title": commit.message.split("\n", 1)[0]}
    found = candidate(world, run.request.intent, made_of(work))
    if not found.edits:
        raise Skipped("Git says so already")
    if work.cancel():
        raise Cancelled(error(f"Run {run.id} was cancelled", address=run.subject))
    message = f"{found.desired.title}\n\nPave-Actor: {run.request.actor}\n{RECORDED_BY}: {run.id}\n"
    intent = run.request.intent
    merged = intent.commit if isinstance(intent, MergeChange) and intent.repository == PLATFORM_REPOSITORY else ""
    commit_id = world.platform.commit(found.base.commit, found.edits, message, run.request.actor.short, merged)
    recorded(work, found.base, found.snapshot)
    work.emit("repository.changed", "platform", commit=commit_id, title=found.desired.title)
    return {"commit": commit_id, "title": found.desired.title}


def only_checked(intent: Intent) -> bool:
    """Whether a run ends with the verdict: a change of the platform repository that is checked."""
    return isinstance(intent, CheckChange) and intent.repository == PLATFORM_REPOSITORY


def summary(planned: Plan) -> dict[str, Any]:
    """A plan as doors show it."""
    return {
        "create": planned.count(Action.CREATE),
        "update": planned.count(Action.UPDATE),
        "replace": planned.count(Action.REPLACE),
        "delete": planned.count(Action.DELETE),
        "changes": [one.as_data() for one in planned.changes if one.action is not Action.NONE],
    }
