"""Runs: what was asked for, how far it is, what came of it."""

from __future__ import annotations

import time
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.apply.run import TERMINAL
from pave.engine.context import Context
from pave.engine.operations import Operation
from pave.engine.views import RunView

_POLL_SECONDS = 0.05


class RunFilter(BaseModel):
    """Which runs."""

    model_config = ConfigDict(extra="forbid")

    subject: str = Field("", description="Only of this stack or environment.")
    limit: int = Field(20, ge=1, le=500, description="How many, newest first.")


class OneRun(BaseModel):
    """Names a run."""

    model_config = ConfigDict(extra="forbid")

    run: str = Field(description="The run's id.")


class ShownRun(OneRun):
    """A run, now or when it has ended."""

    wait: float = Field(0, ge=0, le=60, description="Seconds to wait for its end before answering.")


class RunList(BaseModel):
    """Runs, newest first."""

    runs: list[RunView]


def _list(context: Context, given: RunFilter) -> RunList:
    found = context.world.runs.find(subject=given.subject, limit=given.limit)
    return RunList(runs=[context.show(one) for one in found])


def _show(context: Context, given: ShownRun) -> RunView:
    deadline = time.monotonic() + given.wait
    run = context.run(given.run)
    while run.state not in TERMINAL and (left := deadline - time.monotonic()) > 0:
        time.sleep(min(_POLL_SECONDS, left))
        run = context.run(given.run)
    return context.show(run)


def _cancel(context: Context, given: OneRun) -> RunView:
    run = context.run(given.run)
    return context.show(context.world.runs.ask_cancel(run.id) or run)


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="run.list",
        summary="What was asked for lately, and what came of it",
        rest="GET /runs",
        cli="runs",
        input=RunFilter,
        output=RunList,
        handler=_list,
        scopes=("run:read",),
        read_only=True,
    ),
    Operation(
        name="run.show",
        summary="One run: steps, plan, verdict, result",
        rest="GET /runs/{run}",
        cli="run {run}",
        input=ShownRun,
        output=RunView,
        handler=_show,
        scopes=("run:read",),
        read_only=True,
    ),
    Operation(
        name="run.cancel",
        summary="Stop a run cleanly",
        rest="POST /runs/{run}/cancel",
        cli="cancel {run}",
        input=OneRun,
        output=RunView,
        handler=_cancel,
        scopes=("run:write",),
    ),
)
