"""The platform as a product: scores, usage, feedback, surveys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

_TIME = sa.DateTime(timezone=True)


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
    op.create_table(
        "usage",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("operation", sa.Text, nullable=False),
        sa.Column("door", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Float, nullable=False),
        sa.PrimaryKeyConstraint("day", "operation", "door", "kind", "outcome", name="pk_usage"),
    )
    op.create_table(
        "people",
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("first_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("actor", "day", name="pk_people"),
    )
    op.create_index("ix_people_day", "people", ["day"])
    op.create_table(
        "missed",
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("day", "kind", "what", "actor", name="pk_missed"),
    )
    _feedback()


def _feedback() -> None:
    op.create_table(
        "voices",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("about", sa.Text, server_default="", nullable=False),
        sa.Column("state", sa.Text, server_default="open", nullable=False),
        sa.Column("reply", sa.Text, server_default="", nullable=False),
        sa.Column("replied_by", sa.Text),
        sa.Column("replied_at", _TIME),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_voices"),
    )
    op.create_index("ix_voices_author", "voices", ["author"])
    op.create_index("ix_voices_at", "voices", ["at"])
    op.create_table(
        "survey_takers",
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("month", sa.Date, nullable=False),
        sa.PrimaryKeyConstraint("actor", "month", name="pk_survey_takers"),
    )
    op.create_table(
        "survey_answers",
        sa.Column("month", sa.Date, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("answer", sa.Integer, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("month", "question", "answer", name="pk_survey_answers"),
    )


def downgrade() -> None:
    """Drop them."""
    for table in ("survey_answers", "survey_takers", "voices", "missed", "people", "usage", "scores"):
        op.drop_table(table)
