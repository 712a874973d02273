"""Routes: which host and path goes to which workload.

A workload brings its own host; `pave_route` adds others. What is routed follows from the inventory alone, so
after any crash the router is made equal to it again. One host and path belongs to one address: the second is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pave.model.diagnostics import Refused, error
from pave.model.names import Address
from pave.provider.inventory import Inventory
from pave.provider.servers.caddy import Route

_HOST = re.compile(r"^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$")
_PATH = re.compile(r"^/[A-Za-z0-9._~/-]*$")
KIND, WORKLOAD = "route", "workload"


class Publisher(Protocol):
    """What puts the routes into force."""

    def publish(self) -> None:
        """Make the router equal to the inventory."""

    @property
    def port(self) -> int:
        """Where it listens."""


@dataclass(frozen=True)
class RouteSpec:
    """A route to the workload of the same stack. `port` is one of its service's ports; 0 is the first."""

    address: Address
    host: str
    path: str = "/"
    port: int = 0


@dataclass(frozen=True)
class RouteState:
    """A route that is in force."""

    host: str
    path: str
    port: int
    url: str


class Routes:
    """All routes of this machine. `router` may be set after the fact: it needs `all` to be made."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self.router: Publisher | None = None

    def ensure(self, spec: RouteSpec) -> RouteState:
        """Have the route in force. Raises `Refused` for a host or path that is none, or somebody else's."""
        if not _HOST.match(spec.host):
            raise Refused(error(f"{spec.host!r} is not a host name", address=str(spec.address), path="host"))
        if not _PATH.match(spec.path):
            raise Refused(
                error(
                    f"{spec.path!r} cannot be a route's path",
                    remedy="A path begins with / and has letters, digits, - . _ ~ and / only.",
                    address=str(spec.address),
                    path="path",
                )
            )
        self.claim(spec.address, spec.host, spec.path)
        self._inventory.put(KIND, str(spec.address), {"host": spec.host, "path": spec.path, "port": spec.port})
        self.publish()
        return self._state(spec.host, spec.path)

    def read(self, address: Address) -> RouteSpec | None:
        """What is on record, or None."""
        found = self._inventory.get(KIND, str(address))
        return RouteSpec(address, found["host"], found["path"], found["port"]) if found else None

    def state(self, address: Address) -> RouteState | None:
        """The route as it is, or None."""
        found = self.read(address)
        return self._state(found.host, found.path) if found else None

    def remove(self, address: Address) -> None:
        """Ensure that there is no such route."""
        if self._inventory.get(KIND, str(address)) is not None:
            self._inventory.remove(KIND, str(address))
            self.publish()

    def claim(self, address: Address, host: str, path: str = "/") -> None:
        """Refuse a host and path that belong to another address."""
        for owner, (taken_host, taken_path) in self._claims().items():
            if owner != str(address) and (taken_host, taken_path) == (host, path.rstrip("/")):
                raise Refused(
                    error(
                        f"{host}{path} is already routed to {owner}",
                        remedy="Choose another host or path, or remove that one first.",
                        address=str(address),
                        path="host",
                    )
                )

    def publish(self) -> None:
        """Put what the inventory says into force."""
        assert self.router is not None
        self.router.publish()

    def all(self) -> Sequence[Route]:
        """Every route with the ports that answer behind it now."""
        workloads = self._inventory.list(WORKLOAD)
        own = [_own(key, record) for key, record in workloads.items() if record.get("host")]
        more = [_more(key, record, workloads) for key, record in self._inventory.list(KIND).items()]
        return [*own, *more]

    def url(self, host: str, path: str = "/") -> str:
        """Where a host answers through the router."""
        assert self.router is not None
        port = self.router.port
        return f"http://{host}{'' if port == 80 else f':{port}'}{path.rstrip('/')}"

    def urls(self, stack: Address) -> dict[str, str]:
        """Where the additional routes of a stack answer, by name."""
        found = {Address.parse(key): record for key, record in self._inventory.list(KIND).items()}
        return {
            one.resource: self.url(record["host"], record["path"])
            for one, record in found.items()
            if one.stack == stack
        }

    def _state(self, host: str, path: str) -> RouteState:
        assert self.router is not None
        return RouteState(host, path, self.router.port, self.url(host, path))

    def _claims(self) -> dict[str, tuple[str, str]]:
        claims = {key: (record["host"], "") for key, record in self._inventory.list(WORKLOAD).items() if record["host"]}
        routes = self._inventory.list(KIND)
        return claims | {key: (record["host"], record["path"].rstrip("/")) for key, record in routes.items()}


SLOTS = 20
"""Among how many equal places behind a route the versions are spread: a share is exact to 5 %."""


def spread(stable: Sequence[int], candidate: Sequence[int], weight: int) -> tuple[int, ...]:
    """The port in each slot, so that `weight` percent lead to the candidate, evenly mixed and replicas in turn."""
    if not candidate:
        wide = max(SLOTS, len(stable))
        return tuple(stable[number % len(stable)] for number in range(wide)) if stable else ()
    if not stable:
        return spread(candidate, (), 100)
    share = round(SLOTS * weight / 100)
    share = min(max(share, 1), SLOTS - 1) if weight else 0
    slots, given = [], {True: 0, False: 0}
    for number in range(SLOTS):
        new = (number + 1) * share // SLOTS > number * share // SLOTS
        ports = candidate if new else stable
        slots.append(ports[given[new] % len(ports)])
        given[new] += 1
    return tuple(slots)


def behind(record: Mapping[str, Any], port: int = 0) -> tuple[int, ...]:
    """The ports in the slots behind a workload's route; none while it sleeps or has not started."""
    if record.get("asleep"):
        return ()
    stable = serving_ports(record, port)
    candidate = serving_ports(record, port, record.get("candidate") or "none")
    return spread(stable, candidate, int(record.get("weight", 100)))


def serving_ports(record: Mapping[str, Any], port: int = 0, version: str = "") -> tuple[int, ...]:
    """The real ports behind a workload's service port (0: its first), one per replica of what serves now.

    `version` names another revision of it.
    """
    revision = record["revisions"].get(version or record["revision"])
    if not revision or not record["ports"]:
        return ()
    wanted = [one["name"] for one in record["ports"] if port in (0, one["port"], one["target_port"])]
    return tuple(replica[wanted[0]] for replica in revision["ports"]) if wanted else ()


def _own(key: str, record: Mapping[str, Any]) -> Route:
    return Route(record["host"], "", behind(record), str(Address.parse(key).stack), bool(record.get("asleep")))


def _more(key: str, record: Mapping[str, Any], workloads: Mapping[str, Mapping[str, Any]]) -> Route:
    stack = Address.parse(key).stack
    found = [one for name, one in workloads.items() if Address.parse(name).stack == stack]
    upstreams = behind(found[0], record["port"]) if found else ()
    asleep = bool(found and found[0].get("asleep"))
    return Route(record["host"], record["path"].rstrip("/"), upstreams, str(stack), asleep)
