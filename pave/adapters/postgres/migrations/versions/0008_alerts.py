"""The records of alerts and of what is said to people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    _alerts()
    op.create_table(
        "messages",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("recipient", sa.Text, nullable=False),
        sa.Column("channel", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("facts", JSONB, nullable=False),
        sa.Column("links", JSONB, nullable=False),
        sa.Column("data", JSONB, nullable=False),
        sa.Column("together", sa.Boolean, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("problem", sa.Text, server_default="", nullable=False),
        sa.Column("created_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("due_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("sent_at", _TIME),
        sa.PrimaryKeyConstraint("key", name="pk_messages"),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index("ix_messages_due_at", "messages", ["due_at"], postgresql_where=waiting)
    op.create_index("ix_messages_recipient_created", "messages", ["recipient", "created_at"])


def _alerts() -> None:
    op.create_table(
        "alert_states",
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("severity", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("labels", JSONB, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("held", sa.Float, nullable=False),
        sa.Column("seen", sa.Text, nullable=False),
        sa.Column("seen_at", _TIME),
        sa.Column("began_at", _TIME),
        sa.Column("fired_at", _TIME),
        sa.Column("resolved_at", _TIME),
        sa.Column("episode", sa.Integer, nullable=False),
        sa.Column("flaps", sa.Integer, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("values", JSONB, nullable=False),
        sa.Column("told", sa.Boolean, nullable=False),
        sa.Column("told_at", _TIME),
        sa.Column("escalated", sa.Integer, nullable=False),
        sa.Column("context", JSONB, nullable=False),
        sa.Column("acknowledged_episode", sa.Integer),
        sa.Column("acknowledged_by", sa.Text),
        sa.Column("acknowledged_at", _TIME),
        sa.Column("reason", sa.Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_alert_states"),
    )
    op.create_index("ix_alert_states_seen_at", "alert_states", ["seen_at"])
    op.create_table(
        "silences",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("rule", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.Column("ended_by", sa.Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_silences"),
    )
    op.create_index("ix_silences_until", "silences", ["until"])
    op.create_table(
        "leases",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("messages", "leases", "silences", "alert_states"):
        op.drop_table(name)
