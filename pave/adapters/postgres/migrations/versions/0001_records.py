"""The control plane's first tables, as they were on the day they were first made.

Written out, and not taken from `schema.py`: a table that changes there changes here only by a further
migration, which is what databases that are already in use go through.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

revision = "0001"
down_revision = None

_TIME = sa.DateTime(timezone=True)
_NOW = sa.text("now()")


def upgrade() -> None:
    """Make every table."""
    _runs()
    _plans_and_events()
    _stacks()
    _states()
    _credentials()
    _catalog()


def downgrade() -> None:
    """Drop every table, those that refer to others first."""
    for name in (
        "relations",
        "entities",
        "credentials",
        "terraform_locks",
        "terraform_states",
        "builds",
        "resources",
        "stacks",
        "events",
        "plans",
        "steps",
        "runs",
    ):
        op.drop_table(name)


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("stacks", JSONB, server_default="[]", nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("door", sa.Text, nullable=False),
        sa.Column("intent", JSONB, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("attempt", sa.Integer, server_default="0", nullable=False),
        sa.Column("not_before", _TIME),
        sa.Column("epoch", sa.Integer, server_default="0", nullable=False),
        sa.Column("holder", sa.Text),
        sa.Column("lease_until", _TIME),
        sa.Column("cancel_asked", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("verdict", JSONB),
        sa.Column("error", JSONB),
        sa.Column("result", JSONB, server_default="{}", nullable=False),
        sa.Column("created_at", _TIME, server_default=_NOW, nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("actor", "key", name="uq_runs_actor"),
    )
    op.create_index("ix_runs_open", "runs", ["state"], postgresql_where=sa.text("finished_at IS NULL"))
    op.create_index("ix_runs_subject_created", "runs", ["subject", "created_at"])
    op.create_table(
        "steps",
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, server_default="", nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, server_default="", nullable=False),
        sa.Column("output", JSONB, server_default="{}", nullable=False),
        sa.Column("started_at", _TIME),
        sa.Column("finished_at", _TIME),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_steps_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run", "name", "subject", name="pk_steps"),
    )


def _plans_and_events() -> None:
    op.create_table(
        "plans",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("run", sa.Text, nullable=False),
        sa.Column("stack", sa.Text, nullable=False),
        sa.Column("plan", JSONB, nullable=False),
        sa.Column("sealed", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _TIME, server_default=_NOW, nullable=False),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name="fk_plans_run", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", "run", name="pk_plans"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("at", _TIME, server_default=_NOW, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("run", sa.Text),
        sa.Column("actor", sa.Text, server_default="", nullable=False),
        sa.Column("data", JSONB, server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_run", "events", ["run"])
    op.create_index("ix_events_subject", "events", ["subject"])


def _stacks() -> None:
    op.create_table(
        "stacks",
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("environment", sa.Text, nullable=False),
        sa.Column("component", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, server_default="", nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("inputs", sa.Text, server_default="", nullable=False),
        sa.Column("failed_inputs", sa.Text, server_default="", nullable=False),
        sa.Column("repository", sa.Text, server_default="", nullable=False),
        sa.Column("commit", sa.Text, server_default="", nullable=False),
        sa.Column("artifact", sa.Text, server_default="", nullable=False),
        sa.Column("health", sa.Text, server_default="unknown", nullable=False),
        sa.Column("reason", sa.Text, server_default="", nullable=False),
        sa.Column("error", JSONB),
        sa.Column("urls", JSONB, server_default="{}", nullable=False),
        sa.Column("run", sa.Text),
        sa.Column("applied_at", _TIME),
        sa.Column("checked_at", _TIME),
        sa.PrimaryKeyConstraint("address", name="pk_stacks"),
    )
    op.create_index("ix_stacks_component", "stacks", ["component"])
    op.create_index("ix_stacks_environment", "stacks", ["environment"])
    op.create_table(
        "resources",
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("stack", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("module", sa.Text, nullable=False),
        sa.Column("module_version", sa.Text, nullable=False),
        sa.Column("stateful", sa.Boolean, nullable=False),
        sa.Column("inputs", JSONB, server_default="{}", nullable=False),
        sa.Column("outputs", JSONB, server_default="{}", nullable=False),
        sa.Column("applied_at", _TIME, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("address", name="pk_resources"),
    )
    op.create_index("ix_resources_stack", "resources", ["stack"])
    op.create_table(
        "builds",
        sa.Column("repository", sa.Text, nullable=False),
        sa.Column("commit", sa.Text, nullable=False),
        sa.Column("artifact", sa.Text, nullable=False),
        sa.Column("built_at", _TIME, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("repository", "commit", name="pk_builds"),
    )


def _states() -> None:
    op.create_table(
        "terraform_states",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("stack", sa.Text, nullable=False),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("resources", sa.Integer, nullable=False),
        sa.Column("size", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", _TIME, server_default=_NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_terraform_states"),
    )
    op.create_index("ix_terraform_states_stack_id", "terraform_states", ["stack", "id"])
    op.create_table(
        "terraform_locks",
        sa.Column("stack", sa.Text, nullable=False),
        sa.Column("lock", sa.Text, nullable=False),
        sa.Column("info", JSONB, server_default="{}", nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("lease_until", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("stack", name="pk_terraform_locks"),
    )


def _credentials() -> None:
    op.create_table(
        "credentials",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("scopes", JSONB, server_default="[]", nullable=False),
        sa.Column("created_at", _TIME, server_default=_NOW, nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("used_at", _TIME),
        sa.PrimaryKeyConstraint("digest", name="pk_credentials"),
    )


def _catalog() -> None:
    op.create_table(
        "entities",
        sa.Column("ref", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("namespace", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("owner", sa.Text),
        sa.Column("type", sa.Text),
        sa.Column("lifecycle", sa.Text),
        sa.Column("system", sa.Text),
        sa.Column("tags", ARRAY(sa.Text), server_default="{}", nullable=False),
        sa.Column("words", sa.Text, nullable=False),
        sa.Column("document", JSONB, nullable=False),
        sa.Column("fields", JSONB, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("changed_at", _TIME, server_default=_NOW, nullable=False),
        sa.Column(
            "search",
            TSVECTOR,
            sa.Computed(
                "setweight(to_tsvector('simple', title), 'A') || setweight(to_tsvector('simple', words), 'B')"
                " || setweight(to_tsvector('simple', description), 'C')",
                persisted=True,
            ),
        ),
        sa.PrimaryKeyConstraint("ref", name="pk_entities"),
    )
    op.create_index("ix_entities_name_ref", "entities", ["name", "ref"])
    op.create_index("ix_entities_owner", "entities", ["owner"])
    op.create_index("ix_entities_search", "entities", ["search"], postgresql_using="gin")
    op.create_index("ix_entities_system", "entities", ["system"])
    op.create_table(
        "relations",
        sa.Column("declared_by", sa.Text, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("target", sa.Text, nullable=False),
        sa.ForeignKeyConstraint(["declared_by"], ["entities.ref"], name="fk_relations_declared_by", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("declared_by", "source", "type", "target", name="pk_relations"),
    )
    op.create_index("ix_relations_source_type", "relations", ["source", "type"])
