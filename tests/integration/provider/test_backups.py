"""Nightly dumps of databases, taken and restored by PostgreSQL's own programs."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from pave.model.diagnostics import Refused
from pave.model.names import Address
from pave.provider.databases import Wanted

NIGHT = datetime(2026, 11, 23, 2, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def backups(services, sandbox):
    return services.backups(sandbox)


def test_a_dump_a_day_is_kept_for_as_long_as_wanted(services, backups):
    kept, none = Address("dev", "kept", "db"), Address("dev", "none", "db")
    services.databases.ensure(Wanted(kept, backup_days=2))
    services.databases.ensure(Wanted(none, backup_days=0))
    assert kept in backups.take_due(NIGHT)
    assert kept not in backups.take_due(NIGHT + DAY / 2)
    for night in range(1, 5):
        assert kept in backups.take_due(NIGHT + night * DAY)
    assert backups.all(kept) == [NIGHT + 2 * DAY, NIGHT + 3 * DAY, NIGHT + 4 * DAY]
    assert backups.all(none) == []


def test_a_dump_is_restored_and_what_was_there_can_be_too(services, backups):
    address = Address("dev", "undone", "db")
    made = services.databases.ensure(Wanted(address, connections=7))
    with psycopg.connect(made.url) as connection:
        connection.execute("CREATE TABLE t AS SELECT 42 AS a")
    backups.take(address, NIGHT)
    with psycopg.connect(made.url) as connection:
        connection.execute("DELETE FROM t")
    backups.restore(address)
    with psycopg.connect(made.url) as connection:
        assert connection.execute("SELECT a FROM t").fetchone() == (42,)
        owner = connection.execute("SELECT tableowner FROM pg_tables WHERE tablename = 't'").fetchone()
    assert owner == (made.name,)
    assert services.databases.read(address, made.password) == made
    services.trash.restore(address)
    with psycopg.connect(made.url) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_broken_dump_changes_nothing(services, backups, ground):
    address = Address("dev", "broken", "db")
    made = services.databases.ensure(Wanted(address))
    with psycopg.connect(made.url) as connection:
        connection.execute("CREATE TABLE t AS SELECT 1 AS a")
    backups.take(address, NIGHT)
    dump = ground.directory / "backups" / made.name / f"{int(NIGHT.timestamp())}.dump"
    dump.write_bytes(dump.read_bytes()[:-200])
    with pytest.raises(Exception, match="pg_restore failed"):
        backups.restore(address)
    with psycopg.connect(made.url) as connection:
        assert connection.execute("SELECT a FROM t").fetchone() == (1,)
    with pytest.raises(Refused):
        backups.restore(address, NIGHT + DAY)
