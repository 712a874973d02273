"""Databases: each with a role of its own that owns it and can enter no other.

A removed database is renamed, its role with it, and waits in the trash. What a database belongs to stands in
its comment, so the server alone is enough to know.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import pbkdf2_hmac, sha256
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from pave.model.names import Address
from pave.provider.identifiers import identifier, password, trash_name
from pave.provider.servers.ports import LOOPBACK
from pave.provider.servers.postgres import PostgresServer
from pave.provider.trash import Removed

CONNECTIONS = {"small": 20, "medium": 50, "large": 100}
SIZES = {
    "small": {"work_mem": "4MB", "temp_file_limit": "1GB", "statement_timeout": "5min"},
    "medium": {"work_mem": "8MB", "temp_file_limit": "4GB", "statement_timeout": "15min"},
    "large": {"work_mem": "16MB", "temp_file_limit": "16GB", "statement_timeout": "30min"},
}
_ALL_NOTES: LiteralString = "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database"


@dataclass(frozen=True)
class Wanted:
    """What a database should be. `connections` 0 means what its size gives."""

    address: Address
    size: str = "small"
    connections: int = 0
    backup_days: int = 1

    @property
    def limit(self) -> int:
        """Connections that its role may hold at a time."""
        return self.connections or CONNECTIONS[self.size]


@dataclass(frozen=True)
class Database:
    """A database that is there. `password` is None where the one that was given is not its role's."""

    name: str
    host: str
    port: int
    socket: str
    limit: int
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str | None:
        """As applications want it in DATABASE_URL."""
        if self.password is None:
            return None
        return f"postgresql://{self.name}:{self.password}@{self.host}:{self.port}/{self.name}"


@dataclass(frozen=True)
class Usage:
    """What a database takes now: `size` in bytes, None where it was not asked for."""

    address: Address
    name: str
    connections: int
    size: int | None


class Databases:
    """The databases of all stacks on this machine."""

    type = "postgres"

    def __init__(self, server: PostgresServer) -> None:
        self.server = server

    def ensure(self, wanted: Wanted, secret: str | None = None) -> Database:
        """Have the database with its role and exactly these limits. Without `secret` the role gets a new password."""
        name = identifier(wanted.address)
        secret = secret or password()
        with self.server.connect() as connection:
            self._ensure_role(connection, name, wanted, secret)
            self._ensure_database(connection, name, wanted)
        return self._describe(name, wanted.limit, secret)

    def read(self, address: Address, secret: str | None = None) -> Database | None:
        """The database as it is, or None if it or its role is gone."""
        name = identifier(address)
        with self.server.connect() as connection:
            row = connection.execute(
                "SELECT rolconnlimit, rolpassword FROM pg_authid JOIN pg_database ON datdba = pg_authid.oid"
                " WHERE rolname = %s AND datname = %s AND rolcanlogin AND datallowconn",
                (name, name),
            ).fetchone()
        if row is None:
            return None
        return self._describe(name, row[0], secret if secret and verifies(row[1] or "", secret) else None)

    def remove(self, address: Address, now: datetime | None = None) -> None:
        """Put the database into the trash: renamed, its role locked out. Nothing happens if it is not there."""
        name = identifier(address)
        when = now or datetime.now(UTC)
        with self.server.connect() as connection:
            if not _exists(connection, name):
                _drop_role(connection, name)
                return
            aside = _free_name(connection, address, int(when.timestamp()))
            self._move(connection, (name, aside), _note(_wanted(connection, name, address), when))

    def all(self) -> Sequence[Address]:
        """Addresses of all databases in use, sorted."""
        return sorted(one.address for one in self.wanted())

    def wanted(self) -> list[Wanted]:
        """All databases in use as they were last wanted."""
        return [wanted for _, wanted, at in self._noted() if at is None]

    def usage(self, *, sizes: bool) -> list[Usage]:
        """Connections, and sizes where asked for, of all databases in use. The server is looked at as it is."""
        if not self.server.running:
            return []
        size = "pg_database_size(d.oid)" if sizes else "NULL"
        with self.server.look() as connection:
            rows = connection.execute(
                f"SELECT d.datname, shobj_description(d.oid, 'pg_database'), numbackends, {size}"  # noqa: S608 — one of two words
                " FROM pg_database AS d JOIN pg_stat_database ON datid = d.oid WHERE NOT datistemplate AND datallowconn"
            ).fetchall()
        noted = [(row, json.loads(row[1])) for row in rows if row[1] and row[1].startswith("{")]
        return [
            Usage(Address.parse(note["address"]), row[0], row[2], row[3])
            for row, note in noted
            if "removed" not in note
        ]

    def removed(self) -> Sequence[Removed]:
        """What waits in the trash, oldest first."""
        found = [Removed(one.address, self.type, name, at) for name, one, at in self._noted() if at is not None]
        return sorted(found, key=lambda one: one.at)

    def restore(self, one: Removed) -> None:
        """Swap a removed database back; one that has taken its name since goes to the trash, and lends its password."""
        name = identifier(one.address)
        with self.server.connect() as connection:
            row = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (name,)).fetchone()
            if _exists(connection, name):
                now = datetime.now(UTC)
                aside = _free_name(connection, one.address, int(now.timestamp()))
                self._move(connection, (name, aside), _note(_wanted(connection, name, one.address), now))
            else:
                _drop_role(connection, name)
            self._move(connection, (one.name, name), _note(_wanted(connection, one.name, one.address)), login=True)
            if row is not None and row[0]:
                connection.execute(
                    sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(name), sql.Literal(row[0]))
                )

    def purge(self, one: Removed) -> None:
        """Drop a removed database and its role for good."""
        with self.server.connect() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(one.name)))
            _drop_role(connection, one.name)

    def _describe(self, name: str, limit: int, secret: str | None) -> Database:
        port = int(self.server.ensure()["port"])
        return Database(name, LOOPBACK, port, str(self.server.sockets), limit, secret)

    def _ensure_role(self, connection: psycopg.Connection[Any], name: str, wanted: Wanted, secret: str) -> None:
        verifier = connection.pgconn.encrypt_password(secret.encode(), name.encode(), b"scram-sha-256").decode()
        role = sql.Identifier(name)
        found = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (name,)).rowcount
        verb = sql.SQL("ALTER" if found else "CREATE")
        connection.execute(
            sql.SQL(
                "{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
                " CONNECTION LIMIT {} PASSWORD {}"
            ).format(verb, role, sql.Literal(wanted.limit), sql.Literal(verifier))
        )
        for setting, value in SIZES[wanted.size].items():
            connection.execute(
                sql.SQL("ALTER ROLE {} SET {} = {}").format(role, sql.Identifier(setting), sql.Literal(value))
            )

    def _ensure_database(self, connection: psycopg.Connection[Any], name: str, wanted: Wanted) -> None:
        database = sql.Identifier(name)
        if not _exists(connection, name):
            connection.execute(
                sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'").format(database, database)
            )
        with connection.transaction():
            connection.execute(sql.SQL("ALTER DATABASE {} OWNER TO {}").format(database, database))
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(database))
            connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
            _comment(connection, name, _note(wanted))

    def _move(
        self, connection: psycopg.Connection[Any], names: tuple[str, str], note: str, *, login: bool = False
    ) -> None:
        """Rename database and role together, or neither; nobody is connected afterwards who was before."""
        old, new = (sql.Identifier(name) for name in names)
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN").format(old))
        connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(old))
        connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", names[:1])
        with connection.transaction():
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(old, new))
            connection.execute(sql.SQL("ALTER ROLE {} RENAME TO {}").format(old, new))
            _comment(connection, names[1], note)
        if login:
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(new))
            connection.execute(sql.SQL("ALTER ROLE {} LOGIN").format(new))

    def _noted(self) -> list[tuple[str, Wanted, datetime | None]]:
        if self.server.record is None:
            return []
        with self.server.connect() as connection:
            rows = connection.execute(f"{_ALL_NOTES} WHERE NOT datistemplate ORDER BY datname").fetchall()
        found = []
        for name, comment in rows:
            if comment and comment.startswith("{"):
                note = json.loads(comment)
                at = datetime.fromtimestamp(note["removed"], UTC) if "removed" in note else None
                found.append((name, _read_note(note), at))
        return found


def verifies(verifier: str, secret: str) -> bool:
    """Whether `secret` is the password behind a SCRAM-SHA-256 verifier (RFC 5802; as in pg_authid.rolpassword)."""
    try:
        kind, parameters, keys = verifier.split("$")
        rounds, salt = parameters.split(":")
        stored = b64decode(keys.split(":")[0])
    except ValueError:
        return False
    salted = pbkdf2_hmac("sha256", secret.encode(), b64decode(salt), int(rounds))
    client = hmac.digest(salted, b"Client Key", "sha256")
    return kind == "SCRAM-SHA-256" and hmac.compare_digest(sha256(client).digest(), stored)


def _exists(connection: psycopg.Connection[Any], name: str) -> bool:
    return connection.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).rowcount > 0


def _free_name(connection: psycopg.Connection[Any], address: Address, epoch: int) -> str:
    """A name in the trash that nothing has: two may be removed within one second."""
    while _exists(connection, trash_name(address, epoch)):
        epoch += 1
    return trash_name(address, epoch)


def _drop_role(connection: psycopg.Connection[Any], name: str) -> None:
    connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


def _note(wanted: Wanted, removed: datetime | None = None) -> str:
    note = {
        "address": str(wanted.address),
        "size": wanted.size,
        "connections": wanted.connections,
        "backup_days": wanted.backup_days,
    }
    return json.dumps(note if removed is None else {**note, "removed": removed.timestamp()})


def _read_note(note: Mapping[str, Any]) -> Wanted:
    said = {key: note[key] for key in ("size", "connections", "backup_days") if key in note}
    return Wanted(Address.parse(note["address"]), **said)


def _wanted(connection: psycopg.Connection[Any], name: str, address: Address) -> Wanted:
    """What a database's own note says; one without a note (made by hand, or half) is like any other."""
    row = connection.execute(f"{_ALL_NOTES} WHERE datname = %s", (name,)).fetchone()
    return _read_note(json.loads(row[1])) if row is not None and row[1] else Wanted(address)


def _comment(connection: psycopg.Connection[Any], name: str, note: str) -> None:
    connection.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(name), sql.Literal(note)))
