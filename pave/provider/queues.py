"""Queues: each a JetStream stream in an account of its own, so that no queue can see another.

A removed queue is gone with its messages; it is not restorable.
"""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from nats.aio.client import Client
from nats.errors import AuthorizationError, Error, NoServersError
from nats.js.api import RetentionPolicy, StreamConfig
from nats.js.errors import NotFoundError

from pave.model.names import Address
from pave.provider.identifiers import identifier, password
from pave.provider.servers.nats import KIND, NatsServer
from pave.provider.servers.ports import LOOPBACK

RETENTIONS = {
    "limits": RetentionPolicy.LIMITS,
    "workqueue": RetentionPolicy.WORK_QUEUE,
    "interest": RetentionPolicy.INTEREST,
}
T = TypeVar("T")


@dataclass(frozen=True)
class WantedQueue:
    """What a queue should be: `max_size` in bytes, `max_age` in seconds, one of `RETENTIONS`."""

    address: Address
    max_size: int
    max_age: int
    retention: str = "limits"


@dataclass(frozen=True)
class Queue:
    """A queue that is there. `password` is None where the one that was given is not its user's."""

    name: str
    subject: str
    host: str
    port: int
    max_size: int
    max_age: int
    retention: str
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str | None:
        """As a NATS client wants it."""
        return None if self.password is None else f"nats://{self.name}:{self.password}@{self.host}:{self.port}"


class Queues:
    """The queues of all stacks on this machine."""

    def __init__(self, server: NatsServer) -> None:
        self.server = server

    def ensure(self, wanted: WantedQueue, secret: str | None = None) -> Queue:
        """Have the account, its user and its stream. Without `secret` the user gets a new password."""
        name, secret = identifier(wanted.address), secret or password()
        account = {"account": name, "user": name, "password": secret, "max_size": wanted.max_size}
        config = StreamConfig(
            name=name,
            subjects=[wanted.address.resource, f"{wanted.address.resource}.>"],
            max_bytes=wanted.max_size,
            max_age=float(wanted.max_age),
            retention=RETENTIONS[wanted.retention],
        )

        async def stream(client: Client) -> None:
            administration = client.jetstream()
            try:
                await administration.stream_info(name)
            except NotFoundError:
                await administration.add_stream(config)
            else:
                await administration.update_stream(config)

        # A stream that is made while another queue's reload happens can fail, so one goes after the other.
        with self.server.exclusive():
            self.server.ground.inventory.put(KIND, str(wanted.address), account)
            self.server.reload()
            self.server.ask(name, secret, stream)
        return self._describe(wanted, secret)

    def read(self, address: Address, secret: str | None = None) -> Queue | None:
        """The queue as it is, or None if its account or stream is gone."""
        account = self.server.ground.inventory.get(KIND, str(address))
        if account is None:
            return None

        async def stream(client: Client) -> StreamConfig | None:
            try:
                return (await client.jetstream().stream_info(account["account"])).config
            except NotFoundError:
                return None

        config = self._ask_account(account["user"], account["password"], stream)
        if config is None:
            return None
        retention = next(name for name, policy in RETENTIONS.items() if policy == config.retention)
        found = WantedQueue(address, int(config.max_bytes or 0), int(config.max_age or 0), retention)
        return self._describe(found, secret if secret == account["password"] else None)

    def remove(self, address: Address) -> None:
        """Ensure that the queue, its messages and its account are gone."""
        account = self.server.ground.inventory.get(KIND, str(address))
        if account is None:
            return

        async def delete(client: Client) -> None:
            try:
                await client.jetstream().delete_stream(account["account"])
            except NotFoundError:
                return

        with self.server.exclusive():
            self._ask_account(account["user"], account["password"], delete)
            self.server.ground.inventory.remove(KIND, str(address))
            self.server.reload()
        shutil.rmtree(self.server.directory / "data" / "jetstream" / account["account"], ignore_errors=True)

    def all(self) -> list[Address]:
        """Addresses of all queues, sorted."""
        return sorted(Address.parse(key) for key in self.server.ground.inventory.list(KIND))

    def _ask_account(self, user: str, secret: str, act: Callable[[Client], Awaitable[T]]) -> T:
        try:
            return self.server.ask(user, secret, act)
        except (AuthorizationError, NoServersError, Error):
            # The account is in the inventory but not in the server: a change was cut off between the two.
            self.server.doubt()
            self.server.reload()
            return self.server.ask(user, secret, act)

    def _describe(self, queue: WantedQueue, secret: str | None) -> Queue:
        return Queue(
            name=identifier(queue.address),
            subject=queue.address.resource,
            host=LOOPBACK,
            port=int(self.server.ensure()["port"]),
            max_size=queue.max_size,
            max_age=queue.max_age,
            retention=queue.retention,
            password=secret,
        )
