"""The tables of the platform as a product: scores, a row a day."""

from __future__ import annotations

from sqlalchemy import Column, Date, Index, Integer, Table, Text

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
