"""The PostgreSQL server behind `pave_database`: separate from the control plane's, small, SCRAM only.

It listens on a Unix socket and on 127.0.0.1; with TLS where the server was built with it (the bundled
one was not, and loopback needs none). Nothing here knows a stack: databases are `provider.databases`.
"""

from __future__ import annotations

import mmap
import os
import re
import secrets
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg

from pave.provider.servers.certificates import self_signed
from pave.provider.servers.ports import LOOPBACK, free_port
from pave.provider.servers.server import Ground, Record, Server

ADMIN = "pave"
_SOCKET_ROOM = 100 - len("/.s.PGSQL.65535")
_ACCESS = """\
local all all scram-sha-256
host  all all 127.0.0.1/32 scram-sha-256
"""
_CONFIG: Mapping[str, str] = {
    "listen_addresses": f"'{LOOPBACK}'",
    "max_connections": "200",
    "superuser_reserved_connections": "5",
    "password_encryption": "'scram-sha-256'",
    "shared_buffers": "16MB",
    "wal_buffers": "1MB",
    "min_wal_size": "32MB",
    "max_wal_size": "256MB",
    "work_mem": "4MB",
    "maintenance_work_mem": "32MB",
    "max_worker_processes": "2",
    "max_parallel_workers": "2",
    "max_wal_senders": "0",
    "wal_level": "minimal",
    "max_replication_slots": "0",
    "autovacuum_max_workers": "1",
    "autovacuum_worker_slots": "2",
    "autovacuum_naptime": "5min",
    "dynamic_shared_memory_type": "sysv",  # a sandbox need not have /dev/shm
    "max_parallel_workers_per_gather": "1",
    "io_method": "sync",
    "huge_pages": "off",
    "max_locks_per_transaction": "64",
    "log_min_messages": "warning",
    "log_connections": "off",
    "log_line_prefix": "'%m [%p] %d '",
    "log_min_duration_statement": "'1s'",  # what is slow is counted; with whose values is nobody's business
    "log_parameter_max_length": "0",
    "idle_in_transaction_session_timeout": "'10min'",
}
_SINCE = {"autovacuum_worker_slots": 18, "io_method": 18}
# The cluster is made beside its place and moved there whole: a start that was killed leaves nothing half-made.
_START = """\
set -eu
if [ ! -f {data}/PG_VERSION ]; then
  rm -rf {data}.new
  {bin}/initdb -D {data}.new -U {admin} --pwfile={password} --auth=scram-sha-256 -E UTF8 --locale=C.UTF-8 \
--no-instructions --no-sync --set shared_buffers=16MB --set max_connections=20 >/dev/null
  sync {data}.new || true
  mv {data}.new {data}
fi
exec {bin}/postgres -D {data} -c config_file={config} -c hba_file={access}
"""


class PostgresServer(Server):
    """One PostgreSQL server for all databases of this machine's stacks."""

    name = "postgres"
    title = "PostgreSQL"
    stop_signal = "INT"

    def __init__(self, ground: Ground, programs: Path) -> None:
        """`programs` is the folder with `postgres`, `initdb` and `pg_dump`."""
        super().__init__(ground)
        self.programs = programs.resolve()

    @cached_property
    def build(self) -> Build:
        """Version and abilities of the server's program."""
        return Build.of(self.programs / "postgres")

    @property
    def sockets(self) -> Path:
        """The folder with the Unix socket."""
        return self.ground.run / "pg"

    def first_record(self) -> dict[str, Any]:
        """A free port and a password for Pave itself."""
        return {"port": free_port(), "password": secrets.token_urlsafe(24)}

    def prepare(self, record: Record) -> None:
        """Write configuration, access rules and, for the very first start, the password of the administrator."""
        if len(os.fsencode(self.sockets)) > _SOCKET_ROOM:
            raise ValueError(f"{self.sockets} is too long for a Unix socket")
        self.ground.folder(self.sockets)
        self.sockets.chmod(0o711)
        settings = {
            **{key: value for key, value in _CONFIG.items() if self.build.major >= _SINCE.get(key, 0)},
            "port": str(record["port"]),
            "unix_socket_directories": f"'{self.sockets}'",
            **self._tls(),
        }
        text = "".join(f"{key} = {value}\n" for key, value in settings.items())
        self.ground.write(self.directory / "postgresql.conf", text)
        self.ground.write(self.directory / "pg_hba.conf", _ACCESS)
        self.ground.write(self.directory / "password", str(record["password"]))

    def argv(self, record: Record) -> tuple[str, ...]:
        """Run initdb if there is no cluster yet, then postgres, both confined."""
        del record
        script = _START.format(
            bin=shlex.quote(str(self.programs)),
            data=shlex.quote(str(self.directory / "data")),
            admin=ADMIN,
            password=shlex.quote(str(self.directory / "password")),
            config=shlex.quote(str(self.directory / "postgresql.conf")),
            access=shlex.quote(str(self.directory / "pg_hba.conf")),
        )
        return self.ground.confine(
            ("/usr/bin/sh", "-c", script), write=(self.directory, self.sockets), read=self.folders
        )

    def answers(self, record: Record) -> bool:
        """Whether a query is answered."""
        with self._connect(record, "postgres") as connection:
            return connection.execute("SELECT 1").fetchone() == (1,)

    def started(self, record: Record) -> None:
        """Keep everybody out of the databases that belong to nobody; a server that ran already reads its settings."""
        with self._connect(record, "postgres") as connection:
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC")

    @contextmanager
    def connect(self, database: str = "postgres") -> Iterator[psycopg.Connection[Any]]:
        """A connection as administrator in autocommit mode; the server is started if need be."""
        record = self.ensure()
        try:
            connection = self._connect(record, database)
        except psycopg.OperationalError:
            self.doubt()
            connection = self._connect(self.ensure(), database)
        with connection:
            yield connection

    def look(self) -> psycopg.Connection[Any]:
        """A connection to the server as it is: nothing is started or waited for. Raises `psycopg.OperationalError`."""
        record = self.record
        if record is None:
            raise psycopg.OperationalError(f"{self.title} was never started")
        return self._connect(record, "postgres")

    def _connect(self, record: Record, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=str(self.sockets),
            port=record["port"],
            user=ADMIN,
            password=record["password"],
            dbname=database,
            autocommit=True,
            connect_timeout=10,
            application_name="pave",
        )

    @property
    def folders(self) -> tuple[Path, ...]:
        """The programs with what belongs to them; a wheel keeps its shared libraries beside the package."""
        tree = self.programs.parent
        libraries = tree.parent.with_name(f"{tree.parent.name}.libs")
        return (tree, libraries) if libraries.is_dir() else (tree,)

    def _tls(self) -> dict[str, str]:
        if not self.build.tls:
            return {}
        certificate, key = self.directory / "server.crt", self.directory / "server.key"
        if not certificate.exists():
            pair = self_signed("localhost")
            self.ground.write(key, pair.key)
            self.ground.write(certificate, pair.certificate)
        return {"ssl": "on", "ssl_cert_file": f"'{certificate}'", "ssl_key_file": f"'{key}'"}


@dataclass(frozen=True)
class Build:
    """What can be told from a `postgres` program without running it."""

    major: int
    tls: bool

    @classmethod
    def of(cls, program: Path) -> Build:
        """Look into the program: its version string, and whether it calls OpenSSL."""
        with program.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            version = re.search(rb"postgres \(PostgreSQL\) (\d+)", content)
            return cls(int(version[1]) if version else 0, content.find(b"SSL_CTX_new") >= 0)
