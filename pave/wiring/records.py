"""The records of the control plane: every port of the world that PostgreSQL keeps, by its name there."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Engine

from pave.adapters.postgres.alerting import PostgresAlerts
from pave.adapters.postgres.approvals import PostgresApprovals, PostgresJudgements
from pave.adapters.postgres.budgets import PostgresBudgets
from pave.adapters.postgres.changes import PostgresChanges
from pave.adapters.postgres.charges import PostgresCharges
from pave.adapters.postgres.deliveries import PostgresDeliveries
from pave.adapters.postgres.events import PostgresEvents
from pave.adapters.postgres.evidence import PostgresEvidence
from pave.adapters.postgres.outbox import PostgresOutbox
from pave.adapters.postgres.post import PostgresPost
from pave.adapters.postgres.product import PostgresFeedback, PostgresScores, PostgresSurveys, PostgresUsage
from pave.adapters.postgres.runs import PostgresRuns
from pave.adapters.postgres.stacks import PostgresBuilds, PostgresPlans
from pave.adapters.postgres.traces import PostgresTraces
from pave.ports import Cipher


def records_of(engine: Engine, cipher: Cipher) -> dict[str, Any]:
    """The fields of a `World` that are records; what holds secrets is sealed with `cipher`."""
    return {
        "runs": PostgresRuns(engine),
        "plans": PostgresPlans(engine, cipher),
        "builds": PostgresBuilds(engine),
        "evidence": PostgresEvidence(engine),
        "approvals": PostgresApprovals(engine),
        "judgements": PostgresJudgements(engine),
        "budgets": PostgresBudgets(engine),
        "charges": PostgresCharges(engine),
        "changes": PostgresChanges(engine),
        "deliveries": PostgresDeliveries(engine),
        "post": PostgresPost(engine),
        "traces": PostgresTraces(engine),
        "alerts": PostgresAlerts(engine),
        "outbox": PostgresOutbox(engine),
        "events": PostgresEvents(engine),
        "scores": PostgresScores(engine),
        "usage": PostgresUsage(engine),
        "feedback": PostgresFeedback(engine),
        "surveys": PostgresSurveys(engine),
    }
