"""An answer to feedback reaches whoever gave it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from pave.engine.signals.notices import notices
from pave.model.names import Ref
from pave.model.notifications import TOPICS
from pave.model.snapshot import Snapshot
from pave.ports import Event, Voice

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SAM, DANA = Ref("user", "default", "sam"), Ref("user", "default", "dana")
VOICE = Voice("7", "pain", "Builds are slow.", SAM, NOW, state="planned", reply="We look at it.", replied_by=DANA)


def said(voice: Voice | None) -> list[Any]:
    world: Any = SimpleNamespace(feedback=SimpleNamespace(get=lambda one: voice if one == "7" else None))
    event = Event(4, NOW, "feedback.answered", "feedback/7", "", str(DANA), {"to": str(SAM), "state": "planned"})
    return list(notices(world, Snapshot("c1"), event))


def test_who_gave_it_is_told_what_was_answered_and_by_whom() -> None:
    (notice,) = said(VOICE)
    assert notice.to == (SAM,)
    assert notice.topic in TOPICS
    assert (notice.title, notice.text) == ("user:dana answered your feedback", "We look at it.")
    assert notice.facts == {"You said": "Builds are slow.", "State": "planned"}


def test_feedback_that_is_gone_or_not_answered_is_nobodys_news() -> None:
    assert said(None) == []
    assert said(replace(VOICE, reply="")) == []
