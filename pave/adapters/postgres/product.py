"""The platform as a product, on PostgreSQL: scores, usage, feedback, surveys."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Engine, Row, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from pave.adapters.postgres.product_schema import (
    missed,
    people,
    scores,
    survey_answers,
    survey_takers,
    usage,
    voices,
)
from pave.model.diagnostics import Conflict, Unknown, error
from pave.model.names import Ref
from pave.observe.demand import Missed
from pave.ports import Scored, Use, Voice


class PostgresScores:
    """Implements `pave.ports.Scores`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def keep(self, found: Iterable[Scored]) -> None:
        """Keep these; of one day, the newest."""
        rows = [asdict(one) for one in found]
        if not rows:
            return
        statement = insert(scores)
        changed = {name: statement.excluded[name] for name in ("level", "passed", "of")}
        with self._engine.begin() as connection:
            connection.execute(
                statement.on_conflict_do_update(index_elements=["component", "scorecard", "day"], set_=changed), rows
            )

    def since(self, day: date, *, component: str = "", scorecard: str = "") -> Sequence[Scored]:
        """What was kept from that day on, the oldest first."""
        query = select(scores).where(scores.c.day >= day)
        query = query.order_by(scores.c.day, scores.c.component, scores.c.scorecard)
        if component:
            query = query.where(scores.c.component == component)
        if scorecard:
            query = query.where(scores.c.scorecard == scorecard)
        with self._engine.connect() as connection:
            return tuple(Scored(**row._asdict()) for row in connection.execute(query))

    def forget(self, before: date) -> int:
        """Forget what is older; how many there were."""
        with self._engine.begin() as connection:
            return connection.execute(delete(scores).where(scores.c.day < before)).rowcount


class PostgresUsage:
    """Implements `pave.ports.Usage`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, uses: Iterable[Use], seen: Iterable[tuple[str, datetime]], wanted: Iterable[Missed]) -> None:
        """Count these in, all or none of them."""
        used = [asdict(one) for one in uses]
        came = [{"actor": actor, "day": at.date(), "first_at": at} for actor, at in seen]
        lacking = [{"day": datetime.now(UTC).date(), **asdict(one)} for one in wanted]
        with self._engine.begin() as connection:
            if used:
                counted = insert(usage)
                sums = {name: usage.c[name] + counted.excluded[name] for name in ("count", "seconds")}
                keys = ["day", "operation", "door", "kind", "outcome"]
                connection.execute(counted.on_conflict_do_update(index_elements=keys, set_=sums), used)
            if came:
                connection.execute(insert(people).on_conflict_do_nothing(), came)
            if lacking:
                noted = insert(missed)
                more = {"count": missed.c.count + noted.excluded.count}
                keys = ["day", "kind", "what", "actor"]
                connection.execute(noted.on_conflict_do_update(index_elements=keys, set_=more), lacking)

    def uses(self, since: date) -> Sequence[Use]:
        """What was used since that day."""
        query = select(usage).where(usage.c.day >= since).order_by(usage.c.day, usage.c.operation)
        with self._engine.connect() as connection:
            return tuple(Use(**row._asdict()) for row in connection.execute(query))

    def missed(self, since: date) -> Sequence[Missed]:
        """What was missed since that day, by person."""
        count = func.sum(missed.c.count).label("count")
        query = select(missed.c.kind, missed.c.what, missed.c.actor, count).where(missed.c.day >= since)
        query = query.group_by(missed.c.kind, missed.c.what, missed.c.actor)
        with self._engine.connect() as connection:
            found = connection.execute(query)
            return tuple(Missed(kind, what, actor, int(asked)) for kind, what, actor, asked in found)

    def active(self, since: date) -> Mapping[date, int]:
        """How many people did something on each day."""
        query = select(people.c.day, func.count()).where(people.c.day >= since).group_by(people.c.day)
        with self._engine.connect() as connection:
            return {row[0]: row[1] for row in connection.execute(query.order_by(people.c.day))}

    def first_seen(self) -> Mapping[str, datetime]:
        """When each person did something for the first time."""
        query = select(people.c.actor, func.min(people.c.first_at)).group_by(people.c.actor)
        with self._engine.connect() as connection:
            return {actor: at.astimezone(UTC) for actor, at in connection.execute(query)}

    def forget(self, before: date) -> int:
        """Forget what is older, but not when people came; how many rows there were."""
        with self._engine.begin() as connection:
            old = connection.execute(delete(usage).where(usage.c.day < before)).rowcount
            old += connection.execute(delete(missed).where(missed.c.day < before)).rowcount
            kept = select(people.c.actor, func.min(people.c.day).label("day")).group_by(people.c.actor).subquery()
            later = people.c.day > select(kept.c.day).where(kept.c.actor == people.c.actor).scalar_subquery()
            return old + connection.execute(delete(people).where(people.c.day < before, later)).rowcount

    def forget_person(self, actor: str) -> None:
        """Forget a person's name everywhere; what they did stays counted."""
        with self._engine.begin() as connection:
            connection.execute(delete(people).where(people.c.actor == actor))
            connection.execute(delete(survey_takers).where(survey_takers.c.actor == actor))
            mine = select(missed.c.day, missed.c.kind, missed.c.what, missed.c.count).where(missed.c.actor == actor)
            rows = [{**row._asdict(), "actor": ""} for row in connection.execute(mine)]
            connection.execute(delete(missed).where(missed.c.actor == actor))
            if rows:
                nameless = insert(missed)
                more = {"count": missed.c.count + nameless.excluded.count}
                keys = ["day", "kind", "what", "actor"]
                connection.execute(nameless.on_conflict_do_update(index_elements=keys, set_=more), rows)


class PostgresFeedback:
    """Implements `pave.ports.Feedback`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def say(self, voice: Voice) -> Voice:
        """Keep it."""
        values = {
            "id": f"fb_{secrets.token_hex(6)}",
            "kind": voice.kind,
            "text": voice.text,
            "author": str(voice.author),
            "about": voice.about,
            "state": voice.state,
            "at": voice.at,
        }
        with self._engine.begin() as connection:
            return _voice(connection.execute(insert(voices).values(values).returning(voices)).one())

    def get(self, voice: str) -> Voice | None:
        """One of them."""
        with self._engine.connect() as connection:
            row = connection.execute(select(voices).where(voices.c.id == voice)).one_or_none()
        return _voice(row) if row is not None else None

    def find(self, *, author: str = "", state: str = "", kind: str = "", limit: int = 100) -> Sequence[Voice]:
        """Newest first."""
        query = select(voices).order_by(voices.c.at.desc(), voices.c.id).limit(limit)
        for name, wanted in (("author", author), ("state", state), ("kind", kind)):
            if wanted:
                query = query.where(voices.c[name] == wanted)
        with self._engine.connect() as connection:
            return tuple(map(_voice, connection.execute(query)))

    def reply(self, voice: str, by: Ref, text: str, state: str, at: datetime) -> Voice:
        """Answer one."""
        answer = {"reply": text, "replied_by": str(by), "replied_at": at, "state": state}
        statement = update(voices).where(voices.c.id == voice).values(answer).returning(voices)
        with self._engine.begin() as connection:
            row = connection.execute(statement).one_or_none()
        if row is None:
            raise Unknown(error(f"There is no feedback {voice[:40]!r}", remedy="`pave feedback list` names them."))
        return _voice(row)


class PostgresSurveys:
    """Implements `pave.ports.Surveys`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def taken(self, actor: str, month: date) -> bool:
        """Whether somebody answered in a month."""
        same = (survey_takers.c.actor == actor, survey_takers.c.month == month)
        with self._engine.connect() as connection:
            return connection.execute(select(survey_takers.c.actor).where(*same)).first() is not None

    def take(self, actor: str, month: date, answers: Mapping[str, int]) -> None:
        """Count answers in, once a person and month."""
        taker = insert(survey_takers).values(actor=actor, month=month).on_conflict_do_nothing()
        rows = [{"month": month, "question": name, "answer": value, "count": 1} for name, value in answers.items()]
        with self._engine.begin() as connection:
            if connection.execute(taker.returning(survey_takers.c.actor)).first() is None:
                said = f"You answered already in {month:%B %Y}"
                raise Conflict(error(said, remedy="The next survey comes with the next month."))
            if rows:
                counted = insert(survey_answers)
                more = {"count": survey_answers.c.count + counted.excluded.count}
                keys = ["month", "question", "answer"]
                connection.execute(counted.on_conflict_do_update(index_elements=keys, set_=more), rows)

    def results(self, since: date) -> Mapping[str, Mapping[date, Mapping[int, int]]]:
        """How often each answer was given, by question and month."""
        query = select(survey_answers).where(survey_answers.c.month >= since).order_by(survey_answers.c.month)
        found: dict[str, dict[date, dict[int, int]]] = {}
        with self._engine.connect() as connection:
            for month, question, answer, count in connection.execute(query):
                found.setdefault(question, {}).setdefault(month, {})[answer] = count
        return found


def _voice(row: Row[Any]) -> Voice:
    return Voice(
        id=row.id,
        kind=row.kind,
        text=row.text,
        author=Ref.parse(row.author),
        at=row.at.astimezone(UTC),
        about=row.about,
        state=row.state,
        reply=row.reply,
        replied_by=Ref.parse(row.replied_by) if row.replied_by else None,
        replied_at=row.replied_at.astimezone(UTC) if row.replied_at else None,
    )
