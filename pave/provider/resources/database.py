"""`pave_database`: a PostgreSQL database with a role of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pave.model.diagnostics import Refused, error
from pave.provider.databases import SIZES, Database, Databases, Wanted
from pave.provider.resources.resource import Resource, State, number, resource_address, text


class DatabaseResource(Resource):
    """Schema and verbs of `pave_database`."""

    service: Databases
    name = "database"
    about = "A PostgreSQL database that a role of its own owns. Deleting it keeps a restorable copy."
    made = ("password", "url")
    fields = (
        text("size", f"How much it may use: {', '.join(SIZES)}.", optional=True),
        number("connections", "Connections at a time; 0: by size.", optional=True),
        number("backup_days", "Days for which nightly dumps are kept; 0 makes none.", optional=True),
        text("host", "Address of the server.", computed=True),
        number("port", "Port of the server.", computed=True),
        text("socket", "Folder of the server's Unix socket.", computed=True),
        text("name", "Name of the database.", computed=True),
        text("username", "The role.", computed=True),
        text("password", "The role's password.", computed=True, sensitive=True),
        text("url", "All of it as a URL.", computed=True, sensitive=True),
    )

    def check(self, config: Mapping[str, Any]) -> None:
        """Sizes are from the list, numbers make sense."""
        if config.get("size", "small") not in SIZES:
            raise Refused(error(f"size must be one of {', '.join(SIZES)}", path="size"))
        if not 0 <= config.get("connections", 0) <= 150:
            raise Refused(error("connections must be from 0 (by size) to 150", path="connections"))
        if not 0 <= config.get("backup_days", 0) <= 365:
            raise Refused(error("backup_days must be from 0 to 365", path="backup_days"))

    def ensure(self, planned: Mapping[str, Any], current: Mapping[str, Any]) -> State:
        """Create or change the database; a password that is known stays."""
        return _computed(self.service.ensure(_wanted(planned), current.get("password")))

    def look(self, current: Mapping[str, Any]) -> State | None:
        """A dropped database or role is gone; a changed limit or password shows as drift."""
        found = self.service.read(resource_address(current), current.get("password"))
        if found is None:
            return None
        drift = {} if found.limit == _wanted(current).limit else {"connections": found.limit}
        return {**_computed(found), **drift}

    def remove(self, current: Mapping[str, Any]) -> None:
        """Put it into the trash."""
        self.service.remove(resource_address(current))


def _wanted(state: Mapping[str, Any]) -> Wanted:
    days = state.get("backup_days")
    return Wanted(
        resource_address(state),
        state.get("size") or "small",
        int(state.get("connections") or 0),
        0 if days is None else int(days),
    )


def _computed(database: Database) -> State:
    return {
        "host": database.host,
        "port": database.port,
        "socket": database.socket,
        "name": database.name,
        "username": database.name,
        "password": database.password,
        "url": database.url,
    }
