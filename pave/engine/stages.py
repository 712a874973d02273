"""The way of a request, in one ordered list. This is the run of the system.

A stage is a function of the work at hand. What it returns is recorded in the journal; a later attempt
finds it there and goes on behind it. A stage that has nothing to do says why and is skipped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pave.engine.applying import apply, observe
from pave.engine.delivery.checking import check, provenance, sbom, verify
from pave.engine.delivery.following import follow
from pave.engine.delivery.making import build, source
from pave.engine.delivery.rollouts import bake, smoke
from pave.engine.forge.changes import seed
from pave.engine.judging import judge
from pave.engine.planning import plan, record
from pave.engine.work import Work
from pave.request.intent import (
    Advance,
    CheckChange,
    CreateComponent,
    Deploy,
    ImportComponent,
    Intent,
    MergeChange,
    Promote,
    Rollback,
    RollbackAll,
)

_MAKE = (CreateComponent, ImportComponent, Deploy, CheckChange)
_VERSION = (*_MAKE, Promote, Advance, Rollback, RollbackAll)


@dataclass(frozen=True)
class Stage:
    """A named step. `of` are the intents that have it (none named: all); `again` is done anew with a stale plan."""

    name: str
    carry_out: Callable[[Work], dict[str, Any]]
    of: tuple[type[Any], ...] = ()
    again: bool = False

    def concerns(self, intent: Intent) -> bool:
        """Whether a run of `intent` has this step."""
        return not self.of or isinstance(intent, self.of)


STAGES: tuple[Stage, ...] = (
    # A template rendered, a repository mirrored, a branch merged, a revision resolved: there is a commit now.
    Stage("source", source, of=(*_MAKE, MergeChange)),
    # Where the commit comes from: a branch of its repository, by whom, since when.
    Stage("verify", verify, of=_MAKE),
    # Dependencies are installed; tests and scans run side by side, in the sandbox.
    Stage("check", check, of=_MAKE),
    # The commit becomes an immutable artifact, in the sandbox, once.
    Stage("build", build, of=_MAKE),
    # What is in it.
    Stage("sbom", sbom, of=_MAKE),
    # Where it comes from, signed by the control plane, outside the sandbox.
    Stage("provenance", provenance, of=_MAKE),
    # What was seen of a version on its way decides about its next step.
    Stage("bake", bake, of=(Advance,)),
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
    # A new preview gets its data.
    Stage("seed", seed, of=(CheckChange,)),
    # It is asked for something, as a client would.
    Stage("smoke", smoke, of=_VERSION),
    # What comes next by itself: the next share of the traffic, a merge, a promotion.
    Stage("follow", follow, of=(*_VERSION, MergeChange)),
)
"""The order is that of `pave.apply.run.ORDER`."""
