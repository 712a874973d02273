"""The platform as a product: scores, a row a day."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0004"


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "scores",
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("scorecard", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("level", sa.Text, nullable=False),
        sa.Column("passed", sa.Integer, nullable=False),
        sa.Column("of", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("component", "scorecard", "day", name="pk_scores"),
    )
    op.create_index("ix_scores_day", "scores", ["day"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("scores")
