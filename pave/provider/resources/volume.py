"""`pave_volume`: a folder that outlives the processes that write to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pave.provider.resources.resource import Resource, State, resource_address, text
from pave.provider.volumes import Volumes


class VolumeResource(Resource):
    """Schema and verbs of `pave_volume`."""

    service: Volumes
    name = "volume"
    about = "A folder for the containers of one stack. Deleting it keeps a restorable copy."
    made = ("source",)
    fields = (text("source", "What a container names to mount it.", computed=True),)

    def ensure(self, planned: Mapping[str, Any], current: Mapping[str, Any]) -> State:
        """Have the folder."""
        del current
        address = resource_address(planned)
        self.service.ensure(address)
        return {"source": str(address)}

    def look(self, current: Mapping[str, Any]) -> State | None:
        """Gone is what has no folder."""
        address = resource_address(current)
        return {"source": str(address)} if self.service.path(address) else None

    def remove(self, current: Mapping[str, Any]) -> None:
        """Put it into the trash."""
        self.service.remove(resource_address(current))
