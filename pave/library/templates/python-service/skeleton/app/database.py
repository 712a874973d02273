"""PostgreSQL: a pool of connections, and the tables that this version of the service needs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import Connection
from psycopg_pool import ConnectionPool

SCHEMA = """
    CREATE TABLE IF NOT EXISTS items (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        name text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now()
    )
"""

pool = ConnectionPool(os.environ.get("DATABASE_URL", ""), min_size=1, max_size=5, open=False)


def start() -> None:
    """Connect, and create what is missing; several copies of the service may start at once."""
    pool.open(wait=True, timeout=15)
    with transaction() as connection:
        connection.execute("SELECT pg_advisory_xact_lock(1)")
        connection.execute(SCHEMA)


def stop() -> None:
    """Disconnect."""
    pool.close()


def check() -> None:
    """Raise an error if the database does not answer within two seconds."""
    with pool.connection(timeout=2) as connection:
        connection.execute("SELECT 1")


@contextmanager
def transaction() -> Iterator[Connection]:
    """A connection whose work is committed at the end, or undone if there was an error."""
    with pool.connection() as connection:
        yield connection
