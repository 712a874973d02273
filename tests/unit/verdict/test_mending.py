"""What a denied wish becomes with what its findings offer."""

from __future__ import annotations

from typing import Any

import pytest

from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.request.intent import AddResource, AddResources, Deploy, Intent
from pave.verdict.mending import mended

DB = Address("prod", "orders", "db")
WISH = AddResource(DB, "postgres", inputs={"backup_days": 1, "size": "large"})


def finding(address: Address = DB, level: str = "hard", waiver: str = "", **inputs: object) -> dict[str, Any]:
    patch = {"inputs": inputs} if inputs else {}
    return {
        "guardrail": f"about-{next(iter(inputs), 'nothing')}",
        "level": level,
        "waiver": waiver,
        "address": str(address),
        "message": "It is not so.",
        "remedy": "Make it so.",
        "patch": patch,
    }


def test_the_patches_are_laid_over_what_was_asked_for() -> None:
    found = mended(WISH, [finding(backup_days=7), finding(level="soft", size="medium")])
    assert found == AddResource(DB, "postgres", inputs={"backup_days": 7, "size": "medium"})


def test_of_several_resources_each_gets_its_own() -> None:
    other = AddResource(DB.stack.at("more"), "postgres", inputs={"backup_days": 3})
    found = mended(AddResources((WISH, other)), [finding(backup_days=7)])
    assert found == AddResources((AddResource(DB, "postgres", inputs={"backup_days": 7, "size": "large"}), other))


def test_what_weighs_nothing_needs_no_fix() -> None:
    light = [finding(level="advisory", size="small"), finding(waiver="small", size="small"), finding(backup_days=7)]
    assert mended(WISH, light).inputs == {"backup_days": 7, "size": "large"}


@pytest.mark.parametrize(
    ("intent", "findings", "said"),
    [
        (WISH, [], "No guardrail stands in the way"),
        (WISH, [finding(backup_days=7), finding()], "It is not so. This cannot be fixed by itself"),
        (WISH, [finding(backup_days=7), finding(backup_days=14)], "wants backup_days to be 7, and"),
        (Deploy(DB.stack), [finding(backup_days=7)], "stack.deploy asks for is written in a file"),
    ],
)
def test_what_cannot_be_fixed_by_itself_says_why(intent: Intent, findings: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(Refused) as refused:
        mended(intent, findings)
    assert said in refused.value.diagnostics[0].summary
