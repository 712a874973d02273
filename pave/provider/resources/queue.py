"""`pave_queue`: a NATS JetStream stream in an account of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pave.model.diagnostics import Refused, error
from pave.provider.quantities import duration, duration_text, size, size_text
from pave.provider.queues import RETENTIONS, Queue, Queues, WantedQueue
from pave.provider.resources.resource import Resource, State, number, resource_address, text


class QueueResource(Resource):
    """Schema and verbs of `pave_queue`."""

    service: Queues
    name = "queue"
    about = "A JetStream stream that a user of its own publishes to and reads from. Deleting it deletes its messages."
    made = ("password", "url")
    fields = (
        text("max_size", "Room for messages, such as 64Mi; the oldest go first.", required=True),
        text("max_age", "How long a message is kept at most, such as 7d.", required=True),
        text("retention", f"When messages go: {', '.join(RETENTIONS)}.", required=True, requires_replace=True),
        text("host", "Address of the server.", computed=True),
        number("port", "Port of the server.", computed=True),
        text("stream", "Name of the stream.", computed=True),
        text("subject", "Subject to publish to; everything below it is kept too.", computed=True),
        text("username", "The user.", computed=True),
        text("password", "The user's password.", computed=True, sensitive=True),
        text("url", "All of it as a URL.", computed=True, sensitive=True),
    )

    def check(self, config: Mapping[str, Any]) -> None:
        """Amounts have units, and the retention is from the list."""
        _max_size(config.get("max_size", "64Mi"))
        _max_age(config.get("max_age", "7d"))
        if config.get("retention", "limits") not in RETENTIONS:
            raise Refused(error(f"retention must be one of {', '.join(RETENTIONS)}", path="retention"))

    def ensure(self, planned: Mapping[str, Any], current: Mapping[str, Any]) -> State:
        """Create or change the queue; a password that is known stays."""
        wanted = WantedQueue(
            resource_address(planned),
            _max_size(planned["max_size"]),
            _max_age(planned["max_age"]),
            planned["retention"],
        )
        return _computed(self.service.ensure(wanted, current.get("password")))

    def look(self, current: Mapping[str, Any]) -> State | None:
        """A deleted stream or account is gone; changed limits or another password show as drift."""
        found = self.service.read(resource_address(current), current.get("password"))
        if found is None:
            return None
        drift: State = {"retention": found.retention}
        if found.max_size != _max_size(current["max_size"]):
            drift["max_size"] = size_text(found.max_size)
        if found.max_age != _max_age(current["max_age"]):
            drift["max_age"] = duration_text(found.max_age)
        return {**_computed(found), **drift}

    def remove(self, current: Mapping[str, Any]) -> None:
        """Delete it with its messages."""
        self.service.remove(resource_address(current))


def _max_size(text_: str) -> int:
    return size(text_, "max_size", "1Mi", "100Gi")


def _max_age(text_: str) -> int:
    return duration(text_, "max_age", "1s", "3650d")


def _computed(queue: Queue) -> State:
    return {
        "host": queue.host,
        "port": queue.port,
        "stream": queue.name,
        "subject": queue.subject,
        "username": queue.name,
        "password": queue.password,
        "url": queue.url,
    }
