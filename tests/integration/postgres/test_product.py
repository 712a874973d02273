"""Scores, usage, feedback and surveys on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine

from pave.adapters.postgres.product import PostgresFeedback, PostgresScores, PostgresSurveys, PostgresUsage
from pave.model.diagnostics import Conflict, Unknown
from pave.model.names import Ref
from pave.observe.demand import Missed
from pave.ports import Scored, Use, Voice

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TODAY = NOW.date()
SAM, KIM = Ref("user", "default", "sam"), Ref("user", "default", "kim")


def test_of_a_day_the_newest_score_counts(records: Engine) -> None:
    scores = PostgresScores(records)
    scores.keep([Scored("orders", "ready", TODAY, "bronze", 2, 5), Scored("billing", "ready", TODAY, "", 0, 5)])
    scores.keep([Scored("orders", "ready", TODAY, "silver", 4, 5)])
    scores.keep([])
    scores.keep([Scored("orders", "ready", TODAY - timedelta(days=400), "", 0, 5)])
    assert scores.since(TODAY, component="orders") == (Scored("orders", "ready", TODAY, "silver", 4, 5),)
    assert len(scores.since(TODAY, scorecard="ready")) == 2
    assert scores.forget(TODAY) == 1


def test_use_is_counted_on(records: Engine) -> None:
    usage = PostgresUsage(records)
    use = Use(TODAY, "stack.show", "rest", "user", "ok", 3, 0.25)
    for _ in range(2):
        usage.add([use], [(str(SAM), NOW)], [Missed("type", "kafka", str(SAM), 2)])
    (found,) = usage.uses(TODAY)
    assert (found.count, found.seconds) == (6, 0.5)
    assert usage.active(TODAY) == {TODAY: 1}
    assert usage.first_seen() == {str(SAM): NOW}
    assert usage.missed(date.min) == (Missed("type", "kafka", str(SAM), 4),)


def test_who_wants_to_be_forgotten_is(records: Engine) -> None:
    usage = PostgresUsage(records)
    usage.add([], [(str(SAM), NOW)], [Missed("type", "kafka", str(SAM), 2), Missed("type", "kafka", "", 1)])
    usage.forget_person(str(SAM))
    assert not usage.first_seen()
    assert usage.missed(date.min) == (Missed("type", "kafka", "", 3),)


def test_when_somebody_came_is_kept_beyond_what_they_did(records: Engine) -> None:
    usage = PostgresUsage(records)
    days = [NOW - timedelta(days=back) for back in (30, 20, 10)]
    usage.add([], [(str(SAM), at) for at in days], [])
    assert usage.forget((NOW - timedelta(days=15)).date()) == 1
    assert usage.first_seen() == {str(SAM): days[0]}


def test_what_is_said_is_answered(records: Engine) -> None:
    feedback = PostgresFeedback(records)
    said = feedback.say(Voice("", "need", "a Kafka topic", SAM, NOW, "pave add"))
    feedback.say(Voice("", "praise", "quick!", KIM, NOW + timedelta(seconds=1)))
    assert [one.kind for one in feedback.find()] == ["praise", "need"]
    assert feedback.find(author=str(SAM)) == (said,)
    answered = feedback.reply(said.id, KIM, "In January.", "planned", NOW)
    assert (answered.reply, answered.state, answered.replied_by) == ("In January.", "planned", KIM)
    assert feedback.get(said.id) == answered
    with pytest.raises(Unknown):
        feedback.reply("fb_none", KIM, "?", "done", NOW)


def test_a_survey_is_answered_once_and_names_nobody(records: Engine) -> None:
    surveys, month = PostgresSurveys(records), TODAY.replace(day=1)
    assert not surveys.taken(str(SAM), month)
    surveys.take(str(SAM), month, {"soon": 5, "clear": 3})
    surveys.take(str(KIM), month, {"soon": 5})
    with pytest.raises(Conflict):
        surveys.take(str(SAM), month, {"soon": 1})
    assert surveys.taken(str(SAM), month)
    assert surveys.results(month) == {"soon": {month: {5: 2}}, "clear": {month: {3: 1}}}
    with records.connect() as connection:
        columns = connection.exec_driver_sql("SELECT * FROM survey_answers").keys()
    assert list(columns) == ["month", "question", "answer", "count"]
