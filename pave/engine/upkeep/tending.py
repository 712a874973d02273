"""What is done without being asked, round by round.

Pushes nobody saw the end of, promotions that are due, rollouts that stand still, environments and resources whose time
is over, stacks that nobody uses: each looks at how things are and asks for the difference through `submit`; asking
again is harmless.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime, timedelta

from pave.engine.delivery.following import ask, promote_what_is_due
from pave.engine.forge.changes import PREVIEW, preview_name
from pave.engine.forge.pushes import process
from pave.engine.forge.reviews import remove
from pave.engine.world import World
from pave.model.diagnostics import Refused
from pave.model.duration import idle_time, instant
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.plan.wanted import owner_of
from pave.ports import PLATFORM_REPOSITORY
from pave.request.access import PLATFORM
from pave.request.intent import Advance, RemoveResource, Sleep

_WARNING = timedelta(hours=24)
"""How long before its end the owner of an environment or a resource is told."""
_log = logging.getLogger(__name__)


def tend(world: World, snapshot: Snapshot, busy: Collection[str]) -> datetime | None:
    """One round; when the next one is due at the latest, if something only waits for its time."""
    find_pushes(world)
    advance(world, snapshot, busy)
    times = (
        promote_what_is_due(world, snapshot),
        reap(world, snapshot),
        reap_resources(world, snapshot, busy),
        put_to_sleep(world, snapshot, busy),
    )
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
            ended = environment.until if until is not None and until <= now else ""
            remove(world, name, f"reap/{name}/{environment.until}", ended)
        elif until is not None:
            coming.append(until if until - now <= _WARNING else until - _WARNING)
            if until - now <= _WARNING:
                remedy = f"pave env extend {name} --by 3d"
                _warn(world, f"environment/{name}", "environment.ends", environment.until, environment.owner, remedy)
    return min(coming, default=None)


def reap_resources(world: World, snapshot: Snapshot, busy: Collection[str]) -> datetime | None:
    """Remove resources whose time is over. What a person does not let go is asked for again the next day."""
    now, coming = world.clock.now(), []
    for stack, deployment in sorted(snapshot.deployments.items()):
        for name, end in sorted(deployment.ends.items()):
            address, until = stack.at(name), instant(end)
            if until <= now:
                if str(stack) not in busy:
                    ask(world, RemoveResource(address, end), f"reap/{address}/{end}/{now:%Y-%m-%d}")
                continue
            coming.append(until if until - now <= _WARNING else until - _WARNING)
            if until - now <= _WARNING:
                owner = owner_of(snapshot, stack.component) or PLATFORM
                _warn(world, str(address), "resource.ends", end, owner, f"pave extend {address} --by 3d")
    return min(coming, default=None)


def _warn(world: World, subject: str, type_: str, until: str, owner: Ref, remedy: str) -> None:
    """Tell the owner once that something ends soon, and how it may go on."""
    told = (one.data.get("until") for one in world.events.read(0, subject=subject) if one.type == type_)
    if until not in told:
        world.events.emit(type_, subject, until=until, owner=str(owner), remedy=remedy)


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
