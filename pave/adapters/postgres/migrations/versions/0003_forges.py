"""Outside forges: what they told, what they are to be told, and up to where runs were looked at for that."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"

_TIME = sa.DateTime(timezone=True)
_NOW = sa.text("now()")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "letters",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("twin", sa.Text),
        sa.Column("repository", sa.Text, nullable=False),
        sa.Column("event", JSONB, nullable=False),
        *_tries("received_at"),
        sa.Column("handled_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_letters"),
        sa.UniqueConstraint("twin", name="uq_letters_twin"),
    )
    op.create_index("ix_letters_due_at", "letters", ["due_at"], postgresql_where=sa.text("handled_at IS NULL"))
    op.create_table(
        "notes",
        sa.Column("repository", sa.Text, nullable=False),
        sa.Column("commit", sa.Text, nullable=False),
        sa.Column("context", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("link", sa.Text, nullable=False),
        sa.Column("run", sa.Text, server_default="", nullable=False),
        *_tries("updated_at"),
        sa.Column("told_at", _TIME),
        sa.PrimaryKeyConstraint("repository", "commit", "context", name="pk_notes"),
    )
    op.create_index("ix_notes_due_at", "notes", ["due_at"], postgresql_where=sa.text("told_at IS NULL"))
    op.create_table(
        "marks",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("event", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_marks"),
    )


def downgrade() -> None:
    """Drop them."""
    for name in ("marks", "notes", "letters"):
        op.drop_table(name)


def _tries(since: str) -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("attempts", sa.Integer, server_default="0", nullable=False),
        sa.Column("problem", sa.Text, server_default="", nullable=False),
        sa.Column(since, _TIME, server_default=_NOW, nullable=False),
        sa.Column("due_at", _TIME, server_default=_NOW, nullable=False),
    )
