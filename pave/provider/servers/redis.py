"""A Redis server behind one `pave_cache`: a process per cache, so that caches share nothing but the machine.

Applications log in as `default`, which may do everything with data and nothing with the server. Only
digests of passwords are written down for it.
"""

from __future__ import annotations

import hashlib
import secrets
import socket
from collections.abc import Mapping, Sequence
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from pave.provider.servers.ports import LOOPBACK, free_port
from pave.provider.servers.server import Ground, Record, Server

_CONFIG = """\
bind 127.0.0.1
port {port}
protected-mode yes
daemonize no
databases 16
dir {directory}
save 900 1
stop-writes-on-bgsave-error no
maxmemory {memory}
maxmemory-policy {eviction}
user default on #{digest} ~* &* +@all -@admin +client
user pave on #{own} ~* &* +@all
"""
_SECONDS = 5.0


class RedisServer(Server):
    """The Redis server of one cache."""

    title = "Redis"

    def __init__(self, ground: Ground, program: Path, cache: str) -> None:
        """`program` is redis-server, `cache` the identifier of the cache."""
        self.name = f"redis-{cache}"
        super().__init__(ground)
        self.program = program.resolve()

    def first_record(self) -> dict[str, Any]:
        """A free port, a password for Pave itself, and a cache that nobody can enter yet."""
        own = secrets.token_hex(24)
        return {"port": free_port(), "password": own, "digest": digest(own), "memory": 2**25, "eviction": "noeviction"}

    def configure(self, secret: str, memory: int, eviction: str) -> Record:
        """Have the server running with this password for applications, this room (bytes) and this eviction policy."""
        with self.exclusive():
            changes = {"digest": digest(secret), "memory": memory, "eviction": eviction}
            record = {**(self.record or self.first_record()), **changes}
            if record != self.record:
                self.keep(record)
                self.doubt()
            record = dict(self.ensure())
            self.prepare(record)
            self.ask(record, "CONFIG", "SET", "maxmemory", str(memory))
            self.ask(record, "CONFIG", "SET", "maxmemory-policy", eviction)
            self.ask(record, "ACL", "SETUSER", "default", "resetpass", f"#{record['digest']}")
        return record

    def prepare(self, record: Record) -> None:
        """Write the configuration."""
        config = _CONFIG.format(directory=self.directory, own=digest(record["password"]), **_configured(record))
        self.ground.write(self.directory / "redis.conf", config)

    def argv(self, record: Record) -> tuple[str, ...]:
        """redis-server, confined."""
        del record
        return self.ground.confine((str(self.program), str(self.directory / "redis.conf")), write=(self.directory,))

    def answers(self, record: Record) -> bool:
        """Whether Pave's own user gets an answer; one that still loads its data says so instead."""
        return self.ask(record, "PING") == "+PONG"

    def ask(self, record: Record, *words: str) -> str:
        """One command as Pave's own user; the first line of the answer. Raises `OSError` for an error answer."""
        with socket.create_connection((LOOPBACK, record["port"]), _SECONDS) as connection:
            return self._said(connection.makefile("rwb"), record, words)

    def used(self, record: Record) -> int:
        """Bytes of memory that it uses. Raises `OSError` where it does not answer."""
        with socket.create_connection((LOOPBACK, record["port"]), _SECONDS) as connection:
            file = connection.makefile("rwb")
            length = int(self._said(file, record, ("INFO", "memory")).removeprefix("$"))
            text = file.read(length).decode(errors="replace")
        return next((int(line.partition(":")[2]) for line in text.split() if line.startswith("used_memory:")), 0)

    @staticmethod
    def _said(file: BufferedRWPair, record: Record, words: Sequence[str]) -> str:
        answer = ""
        for command in (("AUTH", "pave", record["password"]), words):
            file.write(b"*%d\r\n" % len(command))
            file.writelines(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in command)
            file.flush()
            answer = file.readline().decode().rstrip()
            if not answer or answer.startswith("-"):
                raise ConnectionError(f"Redis answered {command[0]} with {answer[1:] or 'nothing'}")
        return answer


def digest(secret: str) -> str:
    """What Redis keeps of a password."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _configured(record: Record) -> Mapping[str, Any]:
    return {key: record[key] for key in ("port", "memory", "eviction", "digest")}
