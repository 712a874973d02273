"""The records of judging: questions to people, and what was judged."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "approvals",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("approvers", JSONB, nullable=False),
        sa.Column("findings", JSONB, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("asked_at", _TIME, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("decided_by", sa.Text),
        sa.Column("decided_at", _TIME),
        sa.Column("reason", sa.Text, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_approvals"),
        sa.UniqueConstraint("run", "digest", name="uq_approvals_run"),
    )
    op.create_index("ix_approvals_asked_at", "approvals", ["asked_at"])
    op.create_table(
        "judgements",
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("verdict", JSONB, nullable=False),
        sa.Column("subjects", JSONB, nullable=False),
        sa.Column("at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("run", "subject", "stage", name="pk_judgements"),
    )
    op.create_index("ix_judgements_at", "judgements", ["at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("judgements")
    op.drop_table("approvals")
