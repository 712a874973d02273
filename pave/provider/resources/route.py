"""`pave_route`: a further host or path for the workload of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pave.provider.resources.resource import Resource, State, number, resource_address, text
from pave.provider.routes import Routes, RouteSpec, RouteState


class RouteResource(Resource):
    """Schema and verbs of `pave_route`."""

    service: Routes
    name = "route"
    about = "A host and path that the router sends to the workload of the same stack."
    made = ("url", "router_port")
    fields = (
        text("host", "Host name.", required=True),
        text("path", "Everything below this path; / if left out.", optional=True),
        number("port", "Service port of the workload; 0 is its first.", optional=True),
        text("url", "Where it answers.", computed=True),
        number("router_port", "Port of the router.", computed=True),
    )

    def ensure(self, planned: Mapping[str, Any], current: Mapping[str, Any]) -> State:
        """Put the route into force."""
        del current
        return _computed(self.service.ensure(_wanted(planned)))

    def look(self, current: Mapping[str, Any]) -> State | None:
        """A route that is not on record is gone; one that says something else has drifted."""
        address = resource_address(current)
        found, state = self.service.read(address), self.service.state(address)
        if found is None or state is None:
            return None
        drift = {} if found == _wanted(current) else {"host": found.host, "path": found.path, "port": found.port}
        return {**_computed(state), **drift}

    def remove(self, current: Mapping[str, Any]) -> None:
        """Take it out of the router."""
        self.service.remove(resource_address(current))


def _wanted(state: Mapping[str, Any]) -> RouteSpec:
    return RouteSpec(
        resource_address(state), str(state["host"]), str(state.get("path") or "/"), int(state.get("port") or 0)
    )


def _computed(state: RouteState) -> State:
    return {"url": state.url, "router_port": state.port}
