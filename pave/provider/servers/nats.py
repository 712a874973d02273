"""The NATS server with JetStream behind `pave_queue`: one account, and so one world, per queue.

Its configuration is made from the inventory and reloaded over its own system account, which tells what was
wrong with it. Passwords stand in that file, which only the server's user can read: NATS knows no hash but
bcrypt, which slows every connection down to protect against the guessing of passwords that nobody can guess.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from nats.aio.client import Client
from nats.js.errors import ServiceUnavailableError

from pave.apply.retry import Transient
from pave.model.diagnostics import error
from pave.provider.servers.ports import LOOPBACK, free_port
from pave.provider.servers.server import Ground, Record, Server

KIND = "queue"
ADMIN = "pave"
_SECONDS = 5.0
_ATTEMPTS = 60
T = TypeVar("T")


class NatsServer(Server):
    """One NATS server for all queues of this machine's stacks."""

    name = "nats"
    title = "NATS"

    def __init__(self, ground: Ground, program: Path) -> None:
        """`program` is nats-server."""
        super().__init__(ground)
        self.program = program.resolve()

    def first_record(self) -> dict[str, Any]:
        """A free port and a password for Pave itself."""
        return {"port": free_port(), "password": secrets.token_hex(24)}

    def prepare(self, record: Record) -> None:
        """Write the configuration: JSON is valid NATS configuration."""
        accounts = {one["account"]: _account(one) for one in self.ground.inventory.list(KIND).values()}
        config = {
            "server_name": "pave",
            "listen": f"{LOOPBACK}:{record['port']}",
            "jetstream": {"store_dir": str(self.directory / "data"), "max_memory_store": 1, "max_file_store": 2**40},
            "system_account": "SYS",
            "accounts": {"SYS": {"users": [{"user": ADMIN, "password": record["password"]}]}, **accounts},
            "max_connections": 4096,
        }
        self.ground.write(self.directory / "nats.conf", json.dumps(config))

    def argv(self, record: Record) -> tuple[str, ...]:
        """nats-server, confined."""
        del record
        config = str(self.directory / "nats.conf")
        return self.ground.confine((str(self.program), "--config", config), write=(self.directory,))

    def environment(self, record: Record) -> Mapping[str, str]:
        """Go's collector is told to keep the heap small."""
        return {**super().environment(record), "GOMEMLIMIT": "128MiB", "GOMAXPROCS": "2"}

    def answers(self, record: Record) -> bool:
        """Whether Pave's own user is let in."""
        return self._run(record, ADMIN, record["password"], _ping)

    def reload(self) -> None:
        """Make the server take the accounts that are in the inventory now. Clients of other accounts notice nothing."""
        with self.exclusive():
            record = self.ensure()
            self.prepare(record)
            problem = self._run(record, ADMIN, record["password"], _reload)
        if problem:
            raise Transient(
                error("NATS did not take its new configuration", detail=problem, remedy="It is tried again by itself.")
            )

    def streams(self) -> Mapping[str, Mapping[str, Any]]:
        """Each account's stream as the server tells of it: its `state`, `config` and `consumer_detail`.

        Nothing is started or waited for; it raises where the server does not answer.
        """
        record = self.record or self.first_record()
        found = self._run(record, ADMIN, record["password"], _jetstream)
        return {
            one["name"]: one["stream_detail"][0]
            for one in found.get("account_details") or ()
            if one.get("stream_detail")
        }

    def ask(self, user: str, password: str, act: Callable[[Client], Awaitable[T]]) -> T:
        """Run `act` with a connection of `user`; the server is started if need be."""
        for attempt in range(_ATTEMPTS):
            try:
                return self._run(self.ensure(), user, password, act)
            except ServiceUnavailableError:  # an account that came with the last reload is not served at once
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(0.05)
        raise AssertionError("unreachable")

    def _run(self, record: Record, user: str, password: str, act: Callable[[Client], Awaitable[T]]) -> T:
        async def connected() -> T:
            client = Client()
            try:
                await client.connect(
                    f"nats://{LOOPBACK}:{record['port']}",
                    user=user,
                    password=password,
                    allow_reconnect=False,
                    reconnect_time_wait=0,
                    connect_timeout=int(_SECONDS),
                    error_cb=_silent,
                )
                return await act(client)
            finally:  # one that was turned away has a connection to close, too
                await client.close()

        return asyncio.run(connected())


def _account(queue: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "jetstream": {"max_file": queue["max_size"], "max_memory": 0, "max_streams": 1, "max_consumers": 100},
        "users": [{"user": queue["user"], "password": queue["password"]}],
    }


async def _ping(client: Client) -> bool:
    await client.flush(timeout=_SECONDS)
    return True


async def _reload(client: Client) -> str:
    answer = await client.request("$SYS.REQ.SERVER.PING", b"", timeout=_SECONDS)
    server = json.loads(answer.data)["server"]["id"]
    answer = await client.request(f"$SYS.REQ.SERVER.{server}.RELOAD", b"", timeout=_SECONDS)
    problem = json.loads(answer.data).get("error")
    return str(problem.get("description", problem)) if problem else ""


async def _jetstream(client: Client) -> Mapping[str, Any]:
    asked = json.dumps({"accounts": True, "streams": True, "consumer": True, "config": True, "limit": 10_000}).encode()
    answer = await client.request("$SYS.REQ.SERVER.PING.JSZ", asked, timeout=_SECONDS)
    found: Mapping[str, Any] = json.loads(answer.data).get("data") or {}
    return found


async def _silent(_problem: Exception) -> None:
    """What goes wrong is raised where it is awaited."""
