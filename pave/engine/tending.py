"""What is done without being asked, round by round.

Pushes nobody saw the end of, promotions that are due, rollouts that stand still, environments whose time is over,
stacks that nobody uses: each looks at how things are and asks for the difference through `submit`; asking again is
harmless.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from pave.engine.changes import PREVIEW, preview_name
from pave.engine.following import ask, promote_what_is_due
from pave.engine.pushes import process
from pave.engine.reviews import remove
from pave.engine.world import World
from pave.model.diagnostics import Refused
from pave.model.duration import idle_time, instant
from pave.model.environment import Environment
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.ports import PLATFORM_REPOSITORY
from pave.request.intent import Advance, Sleep

_WARNING = timedelta(hours=24)
"""How long before its end the owner of an environment is told."""
_log = logging.getLogger(__name__)


def tend(world: World, snapshot: Snapshot, busy: Collection[str]) -> datetime | None:
    """One round; when the next one is due at the latest, if something only waits for its time."""
    find_pushes(world)
    advance(world, snapshot, busy)
    times = (promote_what_is_due(world, snapshot), reap(world, snapshot), put_to_sleep(world, snapshot, busy))
    return min((one for one in times if one is not None), default=None)


def find_pushes(world: World) -> None:
    """Act on every branch that moved and was not acted on: the server may have died, or a mirror been fetched."""
    for repository in (PLATFORM_REPOSITORY, *world.repositories.names()):
        try:
            process(world, repository)
        except Refused as refused:
            _log.warning("Pushes to %s: %s", repository, refused)


def advance(world: World, snapshot: Snapshot, busy: Collection[str]) -> None:
    """Let a version on its way go on where no run is about to."""
    for stack, one in sorted(snapshot.deployments.items()):
        record = world.stacks.get(stack) if one.rollout is not None else None
        if one.rollout is None or record is None or str(stack) in busy or record.artifact != one.artifact:
            continue
        key = f"advance/{stack}/{one.commit}/{one.rollout.weight}/{record.run}"
        ask(world, Advance(stack, one.commit, one.rollout.weight), key)


def reap(world: World, snapshot: Snapshot) -> datetime | None:
    """Remove environments whose time is over, and previews whose change request is not open any more."""
    wanted = {preview_name(one.repository, one.number) for one in world.changes.find(state="open", limit=10_000)}
    now, coming = world.clock.now(), []
    for name, environment in snapshot.environments.items():
        until = instant(environment.until) if environment.until else None
        orphan = environment.kind == PREVIEW and not environment.is_pattern and name not in wanted
        if orphan or (until is not None and until <= now):
            remove(world, name, f"reap/{name}/{environment.until}")
        elif until is not None:
            coming.append(until if until - now <= _WARNING else until - _WARNING)
            if until - now <= _WARNING:
                _warn(world, environment)
    return min(coming, default=None)


def _warn(world: World, environment: Environment) -> None:
    """Tell the owner once that an environment ends soon, and how it may go on."""
    subject = f"environment/{environment.name}"
    told = (one.data.get("until") for one in world.events.read(0, subject=subject) if one.type == "environment.ends")
    if environment.until not in told:
        remedy = f"pave env extend {environment.name} --by 3d"
        world.events.emit(
            "environment.ends", subject, until=environment.until, owner=str(environment.owner), remedy=remedy
        )


def put_to_sleep(world: World, snapshot: Snapshot, busy: Collection[str]) -> datetime | None:
    """Put stacks to sleep that nobody asked for anything for as long as their environment says."""
    coming = []
    for stack, one in sorted(snapshot.deployments.items()):
        environment = snapshot.environments.get(stack.environment)
        if environment is None or not environment.sleep or one.asleep or str(stack) in busy:
            continue
        used = _used(world, stack)
        if used is None:
            continue
        due = used + idle_time(environment.sleep)
        if due <= world.clock.now():
            ask(world, Sleep(stack), f"sleep/{stack}/{used.isoformat()}")
        else:
            coming.append(due)
    return min(coming, default=None)


def _used(world: World, stack: Address) -> datetime | None:
    """When a stack was last used or changed; None for one that answers nobody, which cannot be idle."""
    record = world.stacks.get(stack)
    if record is None or not record.urls or record.applied_at is None:
        return None
    asked = world.cloud.last_request(stack)
    return max(asked, record.applied_at) if asked else record.applied_at
