from __future__ import annotations

import pytest

from pave.observe.drift import due
from pave.observe.health import Health, Status, worst


@pytest.mark.parametrize(
    ("wanted", "applied", "failed", "word"),
    [
        ("a", "a", "", None),
        ("b", "a", "", "commit"),
        ("a", "", "", "commit"),
        ("b", "a", "b", None),
        ("c", "a", "b", "commit"),
        ("", "a", "", "removal"),
        ("", "", "a", "removal"),
        ("", "", "", None),
        ("a", "a", "b", "commit"),
        ("a", "a", "a", None),
    ],
)
def test_a_stack_is_due_when_git_wants_what_neither_is_there_nor_failed(
    wanted: str, applied: str, failed: str, word: str | None
) -> None:
    cause = due(wanted, applied, failed)
    assert (cause.word if cause else None) == word


def test_the_worst_part_speaks_for_the_whole() -> None:
    parts = [Health(Status.HEALTHY), Health(Status.MISSING, "gone"), Health(Status.DEGRADED, "slow")]
    assert worst(parts) == Health(Status.MISSING, "gone")
    assert worst([]).status is Status.HEALTHY
