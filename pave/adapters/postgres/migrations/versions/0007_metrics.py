"""What is measured: series and their values, as read and folded, and the traces that are worth a look."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, JSONB, REAL

revision = "0007"
down_revision = "0006"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "metric_series",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("labels", JSONB, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("seen_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("source", "place", name="pk_metric_series"),
        sa.UniqueConstraint("source", "digest", name="uq_metric_series_source"),
    )
    op.create_index("ix_metric_series_name", "metric_series", ["name"])
    op.create_table(
        "metric_values",
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("last", ARRAY(DOUBLE_PRECISION), nullable=False),
        sa.PrimaryKeyConstraint("source", "at", name="pk_metric_values"),
    )
    op.create_index("ix_metric_values_at", "metric_values", ["at"])
    for name in ("metric_minutes", "metric_hours"):
        op.create_table(
            name,
            sa.Column("source", sa.Text, nullable=False),
            sa.Column("at", _TIME, nullable=False),
            sa.Column("last", ARRAY(DOUBLE_PRECISION), nullable=False),
            sa.Column("low", ARRAY(REAL), nullable=False),
            sa.Column("mean", ARRAY(REAL), nullable=False),
            sa.Column("high", ARRAY(REAL), nullable=False),
            sa.PrimaryKeyConstraint("source", "at", name=f"pk_{name}"),
        )
        op.create_index(f"ix_{name}_at", name, ["at"])
    op.create_table(
        "metric_extents",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("since", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_metric_extents"),
    )
    op.create_table(
        "traces",
        sa.Column("stack", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("seconds", DOUBLE_PRECISION, nullable=False),
        sa.Column("problem", sa.Text, server_default="", nullable=False),
        sa.Column("spans", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("stack", "id", name="pk_traces"),
    )
    op.create_index("ix_traces_stack", "traces", ["stack", "at"])


def downgrade() -> None:
    """Drop them."""
    for name in ("traces", "metric_extents", "metric_hours", "metric_minutes", "metric_values", "metric_series"):
        op.drop_table(name)
