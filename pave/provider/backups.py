"""Backups of databases: a dump a day, kept for as many days as the database wants.

A dump is for what the trash cannot undo: a wrong DELETE, a bad migration. It lies on the same machine, so it
is no help when the disk is lost. Restoring never overwrites: what is there goes to the trash first.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from psycopg import sql

from pave.apply.retry import Transient
from pave.model.diagnostics import Refused, error
from pave.model.names import Address
from pave.ports.machine import Confinement, Confiner, Mount
from pave.provider.databases import Databases
from pave.provider.identifiers import identifier, password
from pave.provider.servers.postgres import ADMIN
from pave.provider.trash import Removed

_DAY = timedelta(days=1)
_LONGEST_SECONDS = 3600.0


class Backups:
    """The dumps of all databases, below `directory`."""

    def __init__(self, databases: Databases, confiner: Confiner, directory: Path) -> None:
        self._databases, self._confiner, self._directory = databases, confiner, directory

    def take_due(self, now: datetime) -> list[Address]:
        """Dump every database whose newest dump is a day old, and delete dumps that are too old; return the dumped.

        A database that cannot be dumped does not keep the others from it; it is due again next time.
        """
        taken, problems = [], []
        live = {one.address: one for one in self._databases.wanted()}
        for address, wanted in live.items():
            dumps = self.all(address)
            if wanted.backup_days and (not dumps or dumps[-1] + _DAY <= now):
                try:
                    self.take(address, now)
                    taken.append(address)
                except Transient as problem:
                    problems.append(problem)
            for at in dumps:
                if at + timedelta(days=wanted.backup_days) < now:
                    self._path(address, at).unlink(missing_ok=True)
        kept = {identifier(one) for one in (*live, *(one.address for one in self._databases.removed()))}
        for folder in self._directory.glob("*"):
            if folder.name not in kept:
                shutil.rmtree(folder, ignore_errors=True)
        if problems:
            raise problems[0]
        return taken

    def take(self, address: Address, now: datetime) -> None:
        """Dump one database now. Raises `Transient` with the reason."""
        path = self._path(address, now)
        ground = self._databases.server.ground
        ground.folder(self._directory)
        ground.folder(path.parent)
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        record = self._databases.server.ensure()
        name = identifier(address)
        self._run("pg_dump", ["-Fc", "-d", name, "-f", str(fresh)], (ADMIN, record["password"]), path.parent)
        fresh.replace(path)

    def forget(self, address: Address) -> None:
        """Delete the dumps of a database that is gone for good."""
        shutil.rmtree(self._directory / identifier(address), ignore_errors=True)

    def all(self, address: Address) -> list[datetime]:
        """When the dumps of a database were made, oldest first."""
        stems = [path.stem for path in (self._directory / identifier(address)).glob("*.dump")]
        return [datetime.fromtimestamp(int(stem), UTC) for stem in sorted(stems, key=int)]

    def restore(self, address: Address, at: datetime | None = None) -> None:
        """Make the database anew from its newest dump, or the one made `at`; what is there goes to the trash.

        The role keeps its password. Raises `Refused` where there is no such dump.
        """
        dumps = [one for one in self.all(address) if at is None or one == at.replace(microsecond=0)]
        wanted = next((one for one in self._databases.wanted() if one.address == address), None)
        if not dumps or wanted is None:
            raise Refused(
                error(
                    f"there is no such dump of {address}" if wanted else f"there is no database {address}",
                    remedy="Restore it from the trash." if wanted is None else "Choose one that is listed.",
                    address=str(address),
                )
            )
        name, secret = identifier(address), password()
        path = self._path(address, dumps[-1])
        verifier = self._verifier(name)
        self._databases.remove(address)
        self._databases.ensure(wanted, secret)
        # As the role itself, not as administrator: what a dump says was written by whoever used the database.
        try:
            self._run(
                "pg_restore", ["--no-owner", "--exit-on-error", "-d", name, str(path)], (name, secret), path.parent
            )
        except Transient:
            self._databases.restore(max(self._removed(address), key=lambda one: one.at))
            raise
        finally:
            with self._databases.server.connect() as connection:
                role = sql.Identifier(name)
                connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(verifier)))

    def _run(self, program: str, arguments: list[str], login: tuple[str, str], folder: Path) -> None:
        server = self._databases.server
        record = server.ensure()
        ended = self._confiner.execute(
            Confinement(
                (str(server.programs / program), "-h", str(server.sockets), "-p", str(record["port"]), "-U", login[0],
                 "-w", *arguments),
                directory="/",
                environment={"PGPASSWORD": login[1]},
                read=tuple(Mount(one, str(one)) for one in (*server.folders, server.sockets)),
                write=(Mount(folder, str(folder)),),
                seconds=_LONGEST_SECONDS,
                trusted=True,
            )
        )  # fmt: skip
        if not ended.ok:
            reason = (ended.text.strip().splitlines() or ["no message"])[-1]
            raise Transient(error(f"{program} failed", detail=reason, remedy="It is tried again by itself."))

    def _verifier(self, name: str) -> str:
        with self._databases.server.connect() as connection:
            row = connection.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", (name,)).fetchone()
        return str(row[0]) if row is not None else ""

    def _removed(self, address: Address) -> list[Removed]:
        return [one for one in self._databases.removed() if one.address == address]

    def _path(self, address: Address, at: datetime) -> Path:
        return self._directory / identifier(address) / f"{int(at.timestamp())}.dump"
