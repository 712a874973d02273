"""`pave_workload`: supervised, sandboxed processes behind the router."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pave.model.diagnostics import Refused, error
from pave.provider.resources.resource import Resource, State, flag, number, resource_address, text
from pave.provider.workload import Workloads, WorkloadState
from pave.provider.workload_spec import WorkloadSpec


class WorkloadResource(Resource):
    """Schema and verbs of `pave_workload`."""

    service: Workloads
    name = "workload"
    about = "A component's processes: the new ones serve before the old ones go, and a failed start changes nothing."
    made = ("revision", "url", "port")
    fields = (
        text("artifact", "Digest of the build result that is run.", required=True),
        text("containers", "JSON list of containers, as in Score.", required=True, sensitive=True),
        text("ports", "JSON list of service ports: name, port, target_port.", optional=True),
        number("scale", "How many of each process; 1 if left out.", optional=True),
        number("weight", "Share of the requests in percent, while another version is there; 100.", optional=True),
        flag("asleep", "Whether nothing runs until somebody asks for something.", optional=True),
        text("host", "Host name that the router answers for.", optional=True),
        text("revision", "Digest of what serves.", computed=True),
        text("url", "Where it answers.", computed=True),
        number("port", "Port of the router.", computed=True),
    )

    def check(self, config: Mapping[str, Any]) -> None:
        """What can be known before everything is known."""
        for name in ("containers", "ports"):
            try:
                value = json.loads(config.get(name) or "[]")
            except ValueError:
                value = None
            if not isinstance(value, list):
                raise Refused(error(f"{name} must be a JSON list", path=name))
        if {"address", "containers"} <= set(config):
            WorkloadSpec.read(config)

    def ensure(self, planned: Mapping[str, Any], current: Mapping[str, Any]) -> State:
        """Start, check, switch, drain."""
        del current
        return _computed(self.service.ensure(WorkloadSpec.read(planned)))

    def look(self, current: Mapping[str, Any]) -> State | None:
        """A workload whose processes are not kept alive any more is gone, and so is made again."""
        found = self.service.read(resource_address(current))
        return None if found is None else _computed(found)

    def remove(self, current: Mapping[str, Any]) -> None:
        """Stop it, with its route."""
        self.service.remove(resource_address(current))


def _computed(state: WorkloadState) -> State:
    return {"revision": state.revision, "url": state.url, "port": state.port}
