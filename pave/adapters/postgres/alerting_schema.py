"""The tables of alerts and of what is said to people."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, DateTime, Float, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from pave.adapters.postgres.schema import metadata

_now = text("now()")
_time = DateTime(timezone=True)

# What each alert was at its last look: one row a fingerprint, whichever server looked.
alert_states = Table(
    "alert_states",
    metadata,
    Column("fingerprint", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("held", Float, nullable=False),  # seconds for which the same was seen
    Column("seen", Text, nullable=False),
    Column("seen_at", _time),
    Column("began_at", _time),
    Column("fired_at", _time),
    Column("resolved_at", _time),
    Column("episode", Integer, nullable=False),
    Column("flaps", Integer, nullable=False),
    Column("message", Text, nullable=False),
    Column("values", JSONB, nullable=False),
    Column("told", Boolean, nullable=False),
    Column("told_at", _time),
    Column("escalated", Integer, nullable=False),
    Column("context", JSONB, nullable=False),
    Column("acknowledged_episode", Integer),  # the firing that somebody takes care of
    Column("acknowledged_by", Text),
    Column("acknowledged_at", _time),
    Column("reason", Text, nullable=False, server_default=""),
    Index("ix_alert_states_seen_at", "seen_at"),
)

# Of what nobody is to be told, who says so, why and until when.
silences = Table(
    "silences",
    metadata,
    Column("id", Text, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since", _time, nullable=False),
    Column("until", _time, nullable=False, index=True),
    Column("ended_by", Text, nullable=False, server_default=""),
)

# Which server does what only one may do; by the database's clock, so that those of the servers do not matter.
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("until", _time, nullable=False),
)

# What is said to people, each thing once.
messages = Table(
    "messages",
    metadata,
    Column("key", Text, primary_key=True),
    Column("recipient", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("topic", Text, nullable=False),
    Column("event", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("facts", JSONB, nullable=False),
    Column("links", JSONB, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("together", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("problem", Text, nullable=False, server_default=""),
    Column("created_at", _time, nullable=False, server_default=_now),
    Column("due_at", _time, nullable=False, server_default=_now),
    Column("sent_at", _time),
    Index("ix_messages_due_at", "due_at", postgresql_where=text("state = 'waiting'")),
    Index("ix_messages_recipient_created", "recipient", "created_at"),
)
