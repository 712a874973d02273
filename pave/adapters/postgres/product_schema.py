"""The tables of the platform as a product: scores, usage, feedback, surveys."""

from __future__ import annotations

from sqlalchemy import Column, Date, DateTime, Float, Index, Integer, Table, Text

from pave.adapters.postgres.schema import metadata

# How components did on scorecards, as it was seen last on each day.
scores = Table(
    "scores",
    metadata,
    Column("component", Text, primary_key=True),
    Column("scorecard", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("level", Text, nullable=False),
    Column("passed", Integer, nullable=False),
    Column("of", Integer, nullable=False),
    Index("ix_scores_day", "day"),
)

# How often each operation was used on each day.
usage = Table(
    "usage",
    metadata,
    Column("day", Date, primary_key=True),
    Column("operation", Text, primary_key=True),
    Column("door", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("count", Integer, nullable=False),
    Column("seconds", Float, nullable=False),
)

# On which days people did something; who did not want to be named is not in it.
people = Table(
    "people",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("first_at", DateTime(timezone=True), nullable=False),
    Index("ix_people_day", "day"),
)

# What was asked for and not had.
missed = Table(
    "missed",
    metadata,
    Column("day", Date, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("what", Text, primary_key=True),
    Column("actor", Text, primary_key=True),
    Column("count", Integer, nullable=False),
)

# What people said, and what they were answered.
voices = Table(
    "voices",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("author", Text, nullable=False, index=True),
    Column("about", Text, nullable=False, server_default=""),
    Column("state", Text, nullable=False, server_default="open"),
    Column("reply", Text, nullable=False, server_default=""),
    Column("replied_by", Text),
    Column("replied_at", DateTime(timezone=True)),
    Column("at", DateTime(timezone=True), nullable=False, index=True),
)

# Who answered the survey in which month. What was answered stands apart, and names nobody.
survey_takers = Table(
    "survey_takers",
    metadata,
    Column("actor", Text, primary_key=True),
    Column("month", Date, primary_key=True),
)

survey_answers = Table(
    "survey_answers",
    metadata,
    Column("month", Date, primary_key=True),
    Column("question", Text, primary_key=True),
    Column("answer", Integer, primary_key=True),
    Column("count", Integer, nullable=False),
)
