"""What the doors show: the answers of operations that more than one door renders, as Pydantic models.

REST answers with them, the CLI and the portal draw them, agents read their schemas. They hold no
secret: a sensitive output is wired by the engine and never reaches a view.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, Field

RunState = Literal["pending", "running", "waiting", "succeeded", "failed", "denied", "cancelled"]
TERMINAL_STATES = frozenset({"succeeded", "failed", "denied", "cancelled"})


class StepView(BaseModel):
    """One journaled step of a run."""

    name: str = Field(description="What is done, such as `plan` or `apply`.")
    subject: str = Field("", description="The address it is done to.")
    state: Literal["running", "done", "skipped", "failed"]
    seconds: float | None = Field(None, description="How long it took, or takes so far.")
    detail: str = Field("", description="One line: what came of it, or why it was skipped.")


class RunView(BaseModel):
    """A run: one request being carried out, the same at every door."""

    id: str = Field("", description="Names the run; empty for a dry run, which leaves nothing behind.")
    kind: str = Field(description="What was asked for, such as `resource.add`.")
    subject: str = Field(description="The address that it is about, such as `dev/orders`.")
    state: RunState
    actor: str = Field(description="Who asked, as an entity reference.")
    door: str = Field(description="Where they asked: rest, cli, portal, mcp, git or engine.")
    created_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    seconds: float | None = Field(None, description="From asked to ended, or until now.")
    verdict: dict[str, Any] | None = Field(None, description="What the guardrails say: outcome and findings.")
    plan: dict[str, Any] | None = Field(None, description="What would change, or changed: a change per resource.")
    steps: list[StepView] = Field(default_factory=list)
    error: dict[str, Any] | None = Field(None, description="Why it failed: summary, detail, remedy, file, line.")
    result: dict[str, Any] = Field(default_factory=dict, description="What came of it: commit, urls and the like.")
    remedy: str = Field("", description="What to do next, as a command where there is one.")
    logs: str = Field("", description="The command that shows what the run said.")

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in TERMINAL_STATES


class ResourceView(BaseModel):
    """One resource of a stack."""

    address: str
    type: str
    module: str = ""
    version: str = Field("", description="The module's version.")
    status: str = Field("unknown", description="healthy, progressing, unknown, degraded or missing.")
    reason: str = Field("", description="Why it is not healthy, in one sentence.")
    outputs: dict[str, Any] = Field(default_factory=dict, description="Without the sensitive ones.")
    until: str = Field("", description="When it ends and is removed; empty where it stays.")


class StackView(BaseModel):
    """One component in one environment: what runs, where, since which commit, and how it is."""

    address: str = Field(description="environment/component.")
    environment: str
    component: str
    phase: str = Field("", description="What Pave is doing with it, such as `ready` or `applying`.")
    status: str = Field("unknown", description="healthy, progressing, unknown, degraded or missing.")
    reason: str = Field("", description="Why it is not healthy, in one sentence.")
    owner: str = Field("", description="Who answers for it, as an entity reference.")
    repository: str = ""
    commit: str = Field("", description="The commit that is live.")
    artifact: str = Field("", description="The digest of what runs.")
    built_with: str = Field(
        "", description="What made it; and why not its Dockerfile, where it has one that is unused."
    )
    urls: dict[str, str] = Field(default_factory=dict, description="Where it answers, by route.")
    resources: list[ResourceView] = Field(default_factory=list)
    pin: str | None = Field(None, description="The reason for which automatic deployment waits.")
    run: str = Field("", description="The last run that changed it.")
    applied_at: datetime | None = None
    checked_at: datetime | None = Field(None, description="When its health was last looked at.")
    error: dict[str, Any] | None = None


class EnvironmentView(BaseModel):
    """An environment in the overview."""

    name: str
    title: str = ""
    kind: str = "development"
    owner: str = ""
    until: str = Field("", description="When it ends and is taken away; empty where it stays.")


class Overview(BaseModel):
    """Everything on one page: environments, the stacks in them and the newest runs."""

    environments: list[EnvironmentView] = Field(default_factory=list)
    stacks: list[StackView] = Field(default_factory=list)
    runs: list[RunView] = Field(default_factory=list)
    last_event: int = Field(0, description="The newest event that this already contains.")


class Mark(NamedTuple):
    """How a state is shown: a glyph, a tone (ok, busy, warn, bad) and a word; never by colour alone."""

    glyph: str
    tone: str
    word: str


_MARKS = {
    "healthy": Mark("●", "ok", "Healthy"),
    "progressing": Mark("◐", "busy", "Starting"),
    "unknown": Mark("◐", "busy", "Not looked at yet"),
    "degraded": Mark("▲", "warn", "Degraded"),
    "missing": Mark("■", "bad", "Missing"),
    "pending": Mark("◐", "busy", "Queued"),
    "running": Mark("◐", "busy", "Running"),
    "waiting": Mark("◐", "busy", "Waiting"),
    "succeeded": Mark("●", "ok", "Done"),
    "done": Mark("●", "ok", "Done"),
    "skipped": Mark("●", "ok", "Skipped"),
    "failed": Mark("■", "bad", "Failed"),
    "denied": Mark("■", "bad", "Denied"),
    "cancelled": Mark("▲", "warn", "Cancelled"),
    "allowed": Mark("●", "ok", "Allowed"),
    "live": Mark("●", "ok", "Live"),
    "included": Mark("●", "ok", "Included"),
    "arriving": Mark("◐", "busy", "On its way"),
    "absent": Mark("○", "warn", "Not there"),
    "unaffected": Mark("○", "ok", "Not concerned"),
    "open": Mark("◐", "busy", "Open"),
    "merged": Mark("●", "ok", "Merged"),
    "closed": Mark("○", "warn", "Closed"),
    "rolled-back": Mark("■", "bad", "Rolled back"),
    "superseded": Mark("○", "warn", "Superseded"),
    "passed": Mark("●", "ok", "Passed"),
    "not-scanned": Mark("▲", "warn", "Not scanned"),
    "not-applicable": Mark("○", "ok", "Nothing to do"),
    "allowed-with-warnings": Mark("▲", "warn", "Allowed, with warnings"),
    "firing": Mark("■", "bad", "Firing"),
    "recovering": Mark("▲", "warn", "Recovering"),
    "resolved": Mark("●", "ok", "Over"),
    "broken": Mark("■", "bad", "Broken"),
    "in-force": Mark("●", "ok", "In force"),
    "off": Mark("○", "warn", "Off"),
    "kept": Mark("●", "ok", "Kept"),
    "burning": Mark("▲", "warn", "Burning"),
    "spent": Mark("■", "bad", "Spent"),
    "sent": Mark("●", "ok", "Sent"),
    "given-up": Mark("■", "bad", "Given up"),
    "needs-approval": Mark("▲", "warn", "Needs an approval"),
    "free": Mark("●", "ok", "Free"),
    "full": Mark("▲", "warn", "Full"),
}


def mark(state: str) -> Mark:
    """How a health status, a run's or step's state, or a verdict's outcome is shown."""
    return _MARKS.get(state) or Mark("▲", "warn", state.replace("-", " ").capitalize())


def duration(seconds: float | None) -> str:
    """How long something took, as people say it: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds is None:
        return ""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ago(at: datetime | None, now: datetime) -> str:
    """How long ago, coarse: `just now`, `4 min ago`, `3 h ago`, `2 days ago`."""
    if at is None:
        return ""
    seconds = (now - at).total_seconds()
    for size, unit in ((86400, "day"), (3600, "h"), (60, "min")):
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''} ago"
    return "just now"
