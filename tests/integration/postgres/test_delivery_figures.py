"""The figures of delivery against a recomputation of its own from Git and the audit, on a real PostgreSQL."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import Engine

from benchmarks.mismatch import mismatches
from benchmarks.recomputing import differences
from pave.adapters.postgres.deliveries import PostgresDeliveries


def test_a_thousand_deployments_are_shown_as_git_and_the_audit_have_them(tmp_path: Path, records: Engine) -> None:
    assert mismatches(tmp_path, records) == []
    found = PostgresDeliveries(records).find(limit=2000)
    assert len(found) >= 1000
    outcomes = Counter(one.outcome for one in found)
    assert all(outcomes[name] > 20 for name in ("live", "failed", "rolled-back", "superseded", "cancelled")), outcomes
    backwards = [one for one in found if one.committed_at and one.live_at and one.committed_at > one.live_at]
    assert backwards, "the clocks of some commits are ahead"


@pytest.mark.parametrize("wrong", [{"deployments": 4}, {"recovery_time": None}, {"lead_time": 61.0}])
def test_a_difference_is_seen(wrong: dict[str, float | None]) -> None:
    right = {
        "deployments": 3,
        "per_day": 0.1,
        "lead_time": 60.0,
        "change_fail_rate": 0.5,
        "recovery_time": 9.0,
        "unrecovered": 0,
        "rework_rate": 0.25,
    }
    assert differences({"orders": right}, {"orders": right}) == []
    assert len(differences({"orders": right | wrong}, {"orders": right})) == 1
    assert differences({"orders": right}, {}) == ["orders is only in one"]
