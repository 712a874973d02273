"""The ports: how the engine sees the world. Each has a conformance suite that every adapter passes.

Conventions: times are aware UTC datetimes, sizes are bytes, durations are seconds. Adapters raise the
errors of `pave.apply.retry` (they decide what happens next) or `Refused` (someone must change the input).
"""

from __future__ import annotations

from pave.ports.alerting import (
    Alerts,
    Silence,
)
from pave.ports.approving import (
    Approval,
    Approvals,
    ApprovalState,
    Judgement,
    Judgements,
)
from pave.ports.checking import (
    Attestor,
    Checker,
    Evidence,
)
from pave.ports.cloud import (
    Cloud,
    Probe,
)
from pave.ports.delivering import (
    ChangeRequest,
    Changes,
    Comment,
    Deliveries,
    Delivery,
)
from pave.ports.effects import (
    Cancel,
    Cipher,
    Clock,
    Report,
)
from pave.ports.engines import (
    Applied,
    Engine,
    EngineChange,
    EnginePlan,
    Holder,
    StateLock,
    States,
    StateVersion,
)
from pave.ports.forges import (
    CommitStatus,
    Forge,
    ForgeEvent,
    Letter,
    Note,
    Post,
    Unsigned,
)
from pave.ports.logs import (
    Found,
    LogFile,
    Logs,
)
from pave.ports.making import (
    Artifact,
    Builder,
    Rendered,
    Scaffolder,
)
from pave.ports.metrics import (
    Meter,
    Metrics,
    Trace,
    Traces,
)
from pave.ports.notifying import (
    INBOX,
    AlertMirror,
    Courier,
    Delivered,
    Message,
    Outbox,
)
from pave.ports.policies import (
    PolicyEngine,
    PolicyTest,
)
from pave.ports.product import (
    Feedback,
    Scored,
    Scores,
    Surveys,
    Usage,
    Use,
    Voice,
)
from pave.ports.pushes import (
    PLATFORM_REPOSITORY,
    Incoming,
    Push,
    Receiver,
    RefUpdate,
)
from pave.ports.records import (
    Builds,
    Catalog,
    Credentials,
    Event,
    Events,
    Plans,
    Principal,
    Queue,
    ResourceRecord,
    Runs,
    StackRecord,
    Stacks,
)
from pave.ports.repositories import (
    Commit,
    PlatformRepository,
    Repositories,
)
from pave.ports.spending import (
    Budgets,
    Charges,
    Reserved,
    Wish,
)

__all__ = [
    "INBOX",
    "PLATFORM_REPOSITORY",
    "AlertMirror",
    "Alerts",
    "Applied",
    "Approval",
    "ApprovalState",
    "Approvals",
    "Artifact",
    "Attestor",
    "Budgets",
    "Builder",
    "Builds",
    "Cancel",
    "Catalog",
    "ChangeRequest",
    "Changes",
    "Charges",
    "Checker",
    "Cipher",
    "Clock",
    "Cloud",
    "Comment",
    "Commit",
    "CommitStatus",
    "Courier",
    "Credentials",
    "Delivered",
    "Deliveries",
    "Delivery",
    "Engine",
    "EngineChange",
    "EnginePlan",
    "Event",
    "Events",
    "Evidence",
    "Feedback",
    "Forge",
    "ForgeEvent",
    "Found",
    "Holder",
    "Incoming",
    "Judgement",
    "Judgements",
    "Letter",
    "LogFile",
    "Logs",
    "Message",
    "Meter",
    "Metrics",
    "Note",
    "Outbox",
    "Plans",
    "PlatformRepository",
    "PolicyEngine",
    "PolicyTest",
    "Post",
    "Principal",
    "Probe",
    "Push",
    "Queue",
    "Receiver",
    "RefUpdate",
    "Rendered",
    "Report",
    "Repositories",
    "Reserved",
    "ResourceRecord",
    "Runs",
    "Scaffolder",
    "Scored",
    "Scores",
    "Silence",
    "StackRecord",
    "Stacks",
    "StateLock",
    "StateVersion",
    "States",
    "Surveys",
    "Trace",
    "Traces",
    "Unsigned",
    "Usage",
    "Use",
    "Voice",
    "Wish",
]
