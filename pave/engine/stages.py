"""The way of a request, in one ordered list. This is the run of the system.

A stage is a function of the work at hand. What it returns is recorded in the journal; a later attempt
finds it there and goes on behind it. A stage that has nothing to do says why and is skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pave.engine.applying import apply, observe
from pave.engine.making import build, source
from pave.engine.planning import judge, plan, record
from pave.engine.work import Work


@dataclass(frozen=True)
class Stage:
    """A named step of every run. `again` says that it is done anew when the plan has become stale."""

    name: str
    carry_out: Callable[[Work], dict[str, Any]]
    again: bool = False


STAGES: tuple[Stage, ...] = (
    # A template is rendered, a repository mirrored, a revision resolved: from here on there is a commit.
    Stage("source", source),
    # The commit becomes an immutable artifact, in the sandbox, once.
    Stage("build", build),
    # Desired state is laid over the platform repository, and the engine asked what would change.
    Stage("plan", plan, again=True),
    # One verdict over all of it. What does not pass ends here, and nothing was touched.
    Stage("judge", judge, again=True),
    # The change becomes a commit. Git says so now.
    Stage("record", record),
    # Exactly the stored plan is carried out, stack by stack.
    Stage("apply", apply, again=True),
    # What is live is looked at and recorded.
    Stage("observe", observe, again=True),
)
