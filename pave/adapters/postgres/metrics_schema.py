"""The tables of what is measured. A row is one source at one time: an array with a place for each of its series.

So ten thousand series of 250 stacks are 250 rows every ten seconds, and a chart of a stack reads the rows of that
stack alone. A place that has no value is one bit.
"""

from __future__ import annotations

from sqlalchemy import Column, DateTime, Index, Integer, PrimaryKeyConstraint, Table, Text, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB, REAL

from pave.adapters.postgres.schema import metadata

_time = DateTime(timezone=True)

# Which series has which place in its source's arrays, and since when: a place that was given up may be taken again.
metric_series = Table(
    "metric_series",
    metadata,
    Column("source", Text, nullable=False),
    Column("place", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("kind", Text, nullable=False),
    Column("digest", Text, nullable=False),  # of name and labels
    Column("since", _time, nullable=False),
    Column("seen_at", _time, nullable=False),
    PrimaryKeyConstraint("source", "place"),
    UniqueConstraint("source", "digest"),
    Index(None, "name"),
)

# As they were read.
metric_values = Table(
    "metric_values",
    metadata,
    Column("source", Text, nullable=False),
    Column("at", _time, nullable=False),
    Column("last", ARRAY(DOUBLE_PRECISION), nullable=False),
    PrimaryKeyConstraint("source", "at"),
    Index(None, "at"),
)


def _folded(name: str) -> Table:
    """Steps that end at `at`. `last` is the increase of a counter; the three others are of gauges."""
    return Table(
        name,
        metadata,
        Column("source", Text, nullable=False),
        Column("at", _time, nullable=False),
        Column("last", ARRAY(DOUBLE_PRECISION), nullable=False),
        Column("low", ARRAY(REAL), nullable=False),
        Column("mean", ARRAY(REAL), nullable=False),
        Column("high", ARRAY(REAL), nullable=False),
        PrimaryKeyConstraint("source", "at"),
        Index(None, "at"),
    )


metric_minutes = _folded("metric_minutes")
metric_hours = _folded("metric_hours")

# How far each table goes: what is before `since` was forgotten, what is up to `until` was folded into it.
metric_extents = Table(
    "metric_extents",
    metadata,
    Column("name", Text, primary_key=True),
    Column("since", _time, nullable=False),
    Column("until", _time, nullable=False),
)

# The slowest and the failed ones of lately, a few per stack.
traces = Table(
    "traces",
    metadata,
    Column("stack", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("at", _time, nullable=False),
    Column("name", Text, nullable=False),
    Column("seconds", DOUBLE_PRECISION, nullable=False),
    Column("problem", Text, nullable=False, server_default=""),
    Column("spans", JSONB, nullable=False),
    PrimaryKeyConstraint("stack", "id"),
    Index(None, "stack", "at"),
)
