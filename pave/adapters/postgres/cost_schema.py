"""The tables about money: what runs have reserved of budgets, and what was charged or is to be expected."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Numeric, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from pave.adapters.postgres.schema import _now, _time, metadata

# What a run would add to a budget: reserved with its verdict, settled when it is applied, released with its end.
reservations = Table(
    "reservations",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),  # grows: whoever looked before can tell
    Column("run", Text, ForeignKey("runs.id", ondelete="CASCADE"), nullable=False),
    Column("scope", Text, nullable=False),  # environment/dev, team/group:default/payments
    Column("stack", Text, nullable=False),
    Column("amount", Numeric, nullable=False),  # a month
    Column("currency", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="reserved"),  # reserved | settled | released
    Column("reserved_at", _time, nullable=False, server_default=_now),
    Column("ended_at", _time),
    Index("ix_reservations_run", "run"),
    Index("ix_reservations_scope_id", "scope", "id"),
)

# One row a resource, SKU and charge period, in the terms of FOCUS 1.2: what was, what a cloud billed, what is expected.
charges = Table(
    "charges",
    metadata,
    Column("scenario", Text, primary_key=True),  # actual | low | typical | high
    Column("origin", Text, primary_key=True),  # metered | the name of an import
    Column("resource", Text, primary_key=True),
    Column("sku", Text, primary_key=True),
    Column("price", Text, primary_key=True),
    Column("starts_at", _time, primary_key=True),
    Column("line", Text, primary_key=True, server_default=""),  # tells lines of a bill apart that agree in all this
    Column("ends_at", _time, nullable=False),
    Column("environment", Text, nullable=False, server_default=""),
    Column("component", Text, nullable=False, server_default=""),
    Column("owner", Text, nullable=False, server_default=""),
    Column("currency", Text, nullable=False),
    Column("unit", Text, nullable=False, server_default=""),
    Column("quantity", Numeric),
    Column("list_unit_price", Numeric),
    Column("contracted_unit_price", Numeric),
    Column("list_cost", Numeric, nullable=False),
    Column("contracted_cost", Numeric, nullable=False),
    Column("billed_cost", Numeric, nullable=False),
    Column("effective_cost", Numeric, nullable=False),
    Column("said", JSONB, nullable=False, server_default="{}"),  # the other columns, as text
    Column("hours", JSONB, nullable=False, server_default="{}"),  # hour of the day → quantity: each is counted once
    Column("updated_at", _time, nullable=False, server_default=text("now()")),
    Index("ix_charges_scenario_starts_at", "scenario", "starts_at"),
)
