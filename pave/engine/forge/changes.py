"""Change requests, as the stages of a run see them: what is previewed, seeded and merged.

What happens to a change request before and after its runs is in `pave.engine.forge.reviews`.
"""

from __future__ import annotations

from typing import Any

from pave.engine.work import Skipped, Work
from pave.engine.world import World
from pave.model.diagnostics import Unknown, error
from pave.model.duration import duration, in_words
from pave.model.environment import Environment
from pave.model.names import Address, suggest_name
from pave.model.snapshot import Snapshot
from pave.plan.wanted import Preview, owner_of
from pave.ports import PLATFORM_REPOSITORY, ChangeRequest
from pave.request.intent import CheckChange, MergeChange

PREVIEW = "preview"
"""The environment that is the pattern of previews, their kind, and what their names begin with."""
_DEFAULT_LIFETIME = "3d"


def of(world: World, repository: str, number: int) -> ChangeRequest:
    """A change request. Raises `Unknown`."""
    found = world.changes.get(repository, number)
    if found is None:
        raise Unknown(error(f"There is no change request {repository}/{number}", remedy="See: pave change list."))
    return found


def preview_name(repository: str, number: int) -> str:
    """What the preview of a change request is called."""
    return suggest_name(f"{PREVIEW}-{repository}-{number}")


def preview_of(world: World, snapshot: Snapshot, intent: CheckChange) -> Preview | None:
    """The preview environment that a checked change gets; None where there is no pattern for one."""
    pattern = snapshot.environments.get(PREVIEW)
    if pattern is None or not pattern.is_pattern:
        return None
    name = preview_name(intent.repository, intent.number)
    lifetime = duration(pattern.lifetime or _DEFAULT_LIFETIME)
    until = in_words(world.clock.now() + lifetime)
    owner = owner_of(snapshot, intent.repository) or pattern.owner
    like = next(
        (
            deployment
            for stack, deployment in sorted(snapshot.deployments.items())
            if stack.component == intent.repository and stack.environment == pattern.inherits
        ),
        None,
    )
    environment = Environment(name, PREVIEW, owner, inherits=PREVIEW, until=until, drift="")
    return Preview(Address(name, intent.repository), snapshot.environments.get(name) or environment, like)


def seed(work: Work) -> dict[str, Any]:
    """Run the environment's seed command once in a preview that is new."""
    intent = work.run.request.intent
    assert isinstance(intent, CheckChange)
    snapshot = work.world.snapshots.current()
    change = of(work.world, intent.repository, intent.number)
    stack = next((one for one in map(Address.parse, work.run.stacks) if one in snapshot.deployments), None)
    environment = snapshot.environments.get(stack.environment) if stack else None
    if intent.repository == PLATFORM_REPOSITORY or stack is None or environment is None:
        raise Skipped("There is no preview")
    if change.environment == environment.name:
        raise Skipped("The preview has its data already")
    if environment.seed:
        work.report(f"$ {environment.seed}")
        work.world.cloud.execute(stack, environment.seed, work.report, work.cancel)
    work.world.changes.update(change.repository, change.number, environment=environment.name)
    if not environment.seed:
        raise Skipped(f"{environment.name} has no seed")
    return {"seed": environment.seed}


def merge_source(work: Work, intent: MergeChange) -> dict[str, Any]:
    """Merge a service's branch into its target; a change of the platform is merged by the commit that records it."""
    if intent.repository == PLATFORM_REPOSITORY:
        raise Skipped("The commit to main is the merge")
    change = of(work.world, intent.repository, intent.number)
    message = f"Merge {change.id}: {change.title}\n\nPave-Actor: {work.run.request.actor}\nPave-Change: {work.run.id}\n"
    author = work.run.request.actor.short
    commit = work.world.repositories.merge(intent.repository, intent.commit, change.target, message, author)
    return {"repository": intent.repository, "merged": commit, "workload": ""}
