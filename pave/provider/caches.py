"""Caches: each a small Redis server of its own, with a password and a limit on its memory.

A removed cache is gone with its content; it is not restorable.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from pathlib import Path

from pave.model.names import Address
from pave.provider.identifiers import identifier, password
from pave.provider.servers.ports import LOOPBACK
from pave.provider.servers.redis import RedisServer, digest
from pave.provider.servers.server import Ground

EVICTIONS = ("allkeys-lru", "allkeys-lfu", "volatile-lru", "volatile-ttl", "noeviction")
USER = "default"


@dataclass(frozen=True)
class WantedCache:
    """What a cache should be: `memory` in bytes, `eviction` one of `EVICTIONS`."""

    address: Address
    memory: int
    eviction: str = "allkeys-lru"


@dataclass(frozen=True)
class Cache:
    """A cache that is there. `password` is None where the one that was given is not its own."""

    host: str
    port: int
    memory: int
    eviction: str
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str | None:
        """As a Redis client wants it."""
        return None if self.password is None else f"redis://{USER}:{self.password}@{self.host}:{self.port}/0"


class Caches:
    """The caches of all stacks on this machine."""

    def __init__(self, ground: Ground, program: Path) -> None:
        """`program` is redis-server."""
        self._ground = ground
        self._program = program

    def ensure(self, wanted: WantedCache, secret: str | None = None) -> Cache:
        """Have the server with exactly this password, room and policy. Without `secret` it gets a new password."""
        secret = secret or password()
        self._ground.inventory.put("cache", str(wanted.address), {"server": self.server(wanted.address).name})
        record = self.server(wanted.address).configure(secret, wanted.memory, wanted.eviction)
        return Cache(LOOPBACK, int(record["port"]), wanted.memory, wanted.eviction, secret)

    def read(self, address: Address, secret: str | None = None) -> Cache | None:
        """The cache as it is, its server started if need be; None if there is none."""
        server = self.server(address)
        if server.record is None:
            return None
        record = server.ensure()
        known = secret is not None and hmac.compare_digest(digest(secret), record["digest"])
        return Cache(LOOPBACK, int(record["port"]), record["memory"], record["eviction"], secret if known else None)

    def remove(self, address: Address) -> None:
        """Ensure that the server and what it kept are gone."""
        self.server(address).remove()
        self._ground.inventory.remove("cache", str(address))

    def all(self) -> list[Address]:
        """Addresses of all caches, sorted."""
        return sorted(Address.parse(key) for key in self._ground.inventory.list("cache"))

    def server(self, address: Address) -> RedisServer:
        """The server behind a cache."""
        return RedisServer(self._ground, self._program, identifier(address, "-", 50))
