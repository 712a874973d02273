"""Money: what runs have reserved of budgets, and what was charged or is to be expected."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0005"
down_revision = "0004"

_TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "reservations",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("scope", sa.Text, nullable=False),
        sa.Column("stack", sa.Text, nullable=False),
        sa.Column("amount", sa.Numeric, nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("state", sa.Text, server_default="reserved", nullable=False),
        sa.Column("reserved_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.Column("ended_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_reservations"),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_reservations_run", ondelete="CASCADE"),
    )
    op.create_index("ix_reservations_run", "reservations", ["run"])
    op.create_index("ix_reservations_scope_id", "reservations", ["scope", "id"])
    op.create_table(
        "charges",
        sa.Column("scenario", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("sku", sa.Text, nullable=False),
        sa.Column("price", sa.Text, nullable=False),
        sa.Column("starts_at", _TIME, nullable=False),
        sa.Column("line", sa.Text, server_default="", nullable=False),
        sa.Column("ends_at", _TIME, nullable=False),
        sa.Column("environment", sa.Text, server_default="", nullable=False),
        sa.Column("component", sa.Text, server_default="", nullable=False),
        sa.Column("owner", sa.Text, server_default="", nullable=False),
        sa.Column("currency", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, server_default="", nullable=False),
        sa.Column("quantity", sa.Numeric),
        sa.Column("list_unit_price", sa.Numeric),
        sa.Column("contracted_unit_price", sa.Numeric),
        sa.Column("list_cost", sa.Numeric, nullable=False),
        sa.Column("contracted_cost", sa.Numeric, nullable=False),
        sa.Column("billed_cost", sa.Numeric, nullable=False),
        sa.Column("effective_cost", sa.Numeric, nullable=False),
        sa.Column("said", JSONB, server_default="{}", nullable=False),
        sa.Column("hours", JSONB, server_default="{}", nullable=False),
        sa.Column("updated_at", _TIME, server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint(
            "scenario", "origin", "resource", "sku", "price", "starts_at", "line", name="pk_charges"
        ),
    )
    op.create_index("ix_charges_scenario_starts_at", "charges", ["scenario", "starts_at"])


def downgrade() -> None:
    """Drop them."""
    op.drop_table("charges")
    op.drop_table("reservations")
