"""The records of delivery: change requests, heads, checks, attestations, deliveries; whose turn a run is."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

_TIME = sa.DateTime(timezone=True)
_NOW = sa.text("now()")
_NO_BYTES = sa.text("''::bytea")


def upgrade() -> None:
    """Make them."""
    op.add_column("runs", sa.Column("owner", sa.Text, server_default="", nullable=False))
    _changes()
    _evidence()
    _deliveries()


def downgrade() -> None:
    """Drop them."""
    for name in ("deliveries", "attestations", "checks", "heads", "comments", "change_requests"):
        op.drop_table(name)
    op.drop_column("runs", "owner")


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, server_default="", nullable=False)


def _changes() -> None:
    op.create_table(
        "change_requests",
        sa.Column("repository", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("branch", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.Column("head", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("state", sa.Text, server_default="open", nullable=False),
        sa.Column("auto", sa.Boolean, server_default=sa.text("false"), nullable=False),
        *(_text(name) for name in ("run", "environment", "merged", "merged_by", "forge")),
        sa.Column("created_at", _TIME, server_default=_NOW, nullable=False),
        sa.Column("updated_at", _TIME, server_default=_NOW, nullable=False),
        sa.Column("closed_at", _TIME),
        sa.PrimaryKeyConstraint("repository", "number", name="pk_change_requests"),
    )
    op.create_index("ix_change_requests_created_at", "change_requests", ["created_at"])
    op.create_index(
        "uq_change_requests_open",
        "change_requests",
        ["repository", "branch"],
        unique=True,
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_table(
        "comments",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("repository", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at", _TIME, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_comments"),
    )
    op.create_index("ix_comments_repository_number", "comments", ["repository", "number"])
    op.create_table(
        "heads",
        sa.Column("repository", sa.Text, nullable=False),
        sa.Column("branch", sa.Text, nullable=False),
        sa.Column("commit", sa.Text, nullable=False),
        sa.Column("seen_at", _TIME, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("repository", "branch", name="pk_heads"),
    )


def _evidence() -> None:
    op.create_table(
        "checks",
        sa.Column("repository", sa.Text, nullable=False),
        sa.Column("commit", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("result", JSONB, nullable=False),
        _text("run"),
        sa.Column("checked_at", _TIME, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("repository", "commit", "name", name="pk_checks"),
    )
    op.create_table(
        "attestations",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("materials", sa.LargeBinary, server_default=_NO_BYTES, nullable=False),
        sa.Column("envelope", sa.LargeBinary, server_default=_NO_BYTES, nullable=False),
        sa.Column("attested_at", _TIME, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_attestations"),
    )


def _deliveries() -> None:
    texts = ("repository", "commit", "artifact", "change", "actor", "source")
    times = (
        "committed_at",
        "asked_at",
        "checked_at",
        "built_at",
        "recorded_at",
        "live_at",
        "failed_at",
        "recovered_at",
    )
    op.create_table(
        "deliveries",
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("stack", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("cause", sa.Text, nullable=False),
        *(_text(name) for name in texts),
        sa.Column("outcome", sa.Text, server_default="open", nullable=False),
        _text("reason"),
        _text("recovers"),
        *(sa.Column(name, _TIME) for name in times),
        sa.Column("created_at", _TIME, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("run", "stack", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_commit", "deliveries", ["commit"])
    op.create_index("ix_deliveries_stack_created", "deliveries", ["stack", "created_at"])
    op.create_index("ix_deliveries_environment_created", "deliveries", ["environment", "created_at"])
