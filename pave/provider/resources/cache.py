"""`pave_cache`: a Redis server of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pave.model.diagnostics import Refused, error
from pave.provider.caches import EVICTIONS, USER, Cache, Caches, WantedCache
from pave.provider.quantities import size, size_text
from pave.provider.resources.resource import Resource, State, number, resource_address, text


class CacheResource(Resource):
    """Schema and verbs of `pave_cache`."""

    service: Caches
    name = "cache"
    about = "A Redis server with a limit on its memory. Deleting it deletes what it keeps."
    made = ("password", "url")
    fields = (
        text("memory", "Room for data, such as 32Mi.", required=True),
        text("eviction", f"What happens when the room is used up: {', '.join(EVICTIONS)}.", required=True),
        text("host", "Address of the server.", computed=True),
        number("port", "Port of the server.", computed=True),
        text("username", "The user.", computed=True),
        text("password", "The user's password.", computed=True, sensitive=True),
        text("url", "All of it as a URL.", computed=True, sensitive=True),
    )

    def check(self, config: Mapping[str, Any]) -> None:
        """Memory has a unit, and the eviction policy is from the list."""
        _memory(config.get("memory", "32Mi"))
        if config.get("eviction", EVICTIONS[0]) not in EVICTIONS:
            raise Refused(error(f"eviction must be one of {', '.join(EVICTIONS)}", path="eviction"))

    def ensure(self, planned: Mapping[str, Any], current: Mapping[str, Any]) -> State:
        """Create or change the cache; a password that is known stays."""
        wanted = WantedCache(resource_address(planned), _memory(planned["memory"]), planned["eviction"])
        return _computed(self.service.ensure(wanted, current.get("password")))

    def look(self, current: Mapping[str, Any]) -> State | None:
        """A removed server is gone; other limits or another password show as drift."""
        found = self.service.read(resource_address(current), current.get("password"))
        if found is None:
            return None
        same = found.memory == _memory(current["memory"])
        drift: State = {} if same else {"memory": size_text(found.memory)}
        return {**_computed(found), "eviction": found.eviction, **drift}

    def remove(self, current: Mapping[str, Any]) -> None:
        """Stop it and delete what it kept."""
        self.service.remove(resource_address(current))


def _memory(text_: str) -> int:
    return size(text_, "memory", "1Mi", "16Gi")


def _computed(cache: Cache) -> State:
    return {
        "host": cache.host,
        "port": cache.port,
        "username": USER,
        "password": cache.password,
        "url": cache.url,
    }
