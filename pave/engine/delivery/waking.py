"""Waking: a stack that sleeps runs again because somebody asked it for something."""

from __future__ import annotations

import time

from pave.apply.run import TERMINAL, State
from pave.engine.submit import submit
from pave.engine.world import World
from pave.model.names import Address
from pave.request.access import SYSTEM
from pave.request.intent import Request, Wake

_PATIENCE = 30.0
_POLL_SECONDS = 0.05


def wake(world: World, stack: Address) -> str:
    """Have a stack running, and wait for it; an empty text, or why it is not.

    Whoever asks at the same time waits for the same run.
    """
    record = world.stacks.get(stack)
    deployment = world.snapshots.current().deployments.get(stack)
    if record is None or deployment is None:
        return f"there is no stack {stack}"
    key = f"wake/{stack}/{record.run}"
    run = submit(world, Request(SYSTEM, "router", Wake(stack), world.clock.now(), key))
    until = time.monotonic() + _PATIENCE
    while run.state not in TERMINAL and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
        run = world.runs.get(run.id) or run
    if run.state is State.SUCCEEDED:
        return ""
    summary = str((run.error or {}).get("summary", "")) or run.state.value
    return f"{summary} (run {run.id})"
