"""Runs the migrations on the connection that `database.migrate` hands over."""

from __future__ import annotations

from alembic import context

from pave.adapters.postgres import alerting_schema  # noqa: F401 — its tables are in the same metadata
from pave.adapters.postgres.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
