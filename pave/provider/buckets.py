"""Buckets: each with a key pair of its own that opens nothing else.

An object store cannot rename a bucket, so every bucket has a name that was never used before: a removed one
just loses its key and waits in the trash under its own name.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pave.apply.retry import Transient
from pave.model.diagnostics import error
from pave.model.names import Address
from pave.provider.identifiers import identifier, password
from pave.provider.servers.ports import LOOPBACK
from pave.provider.servers.seaweedfs import REGION, SeaweedServer
from pave.provider.trash import Removed

_KIND = "bucket"
_TRASH = "bucket-trash"
_LET_IN_SECONDS = 10.0
_TELL_AGAIN_SECONDS = 0.2


@dataclass(frozen=True)
class Bucket:
    """A bucket that is there. `secret_key` is None where the one that was given does not open it."""

    name: str
    endpoint: str
    access_key: str
    secret_key: str | None = field(default=None, repr=False)
    region: str = REGION


class Buckets:
    """The buckets of all stacks on this machine."""

    type = "s3"

    def __init__(self, server: SeaweedServer) -> None:
        self.server = server
        self._inventory = server.ground.inventory

    def ensure(self, address: Address, secret: str | None = None) -> Bucket:
        """Have the bucket, opened by exactly this key. Without `secret` there is a new one."""
        found = self._inventory.get(_KIND, str(address)) or {}
        name = found.get("bucket") or f"{identifier(address, '-', 50)}-{secrets.token_hex(3)}"
        record = {"bucket": name, "secret_key": secret or password()}
        self._inventory.put(_KIND, str(address), record)
        status = self.server.s3("PUT", f"/{name}")
        if status not in (200, 409):
            raise Transient(
                error(f"SeaweedFS answered {status} to the creation of a bucket", remedy="It is tried again by itself.")
            )
        self._let_in(address, record)
        return self._describe(address, name, record["secret_key"])

    def read(self, address: Address, secret: str | None = None) -> Bucket | None:
        """The bucket as it is, or None if it is gone."""
        record = self._inventory.get(_KIND, str(address))
        if record is None or self.server.s3("HEAD", f"/{record['bucket']}") == 404:
            return None
        same = secret is not None and hmac.compare_digest(secret, record["secret_key"])
        opens = same and self.server.s3("GET", f"/{record['bucket']}", (_access_key(address), str(secret))) == 200
        return self._describe(address, record["bucket"], secret if opens else None)

    def remove(self, address: Address, now: datetime | None = None) -> None:
        """Put the bucket into the trash: its key opens it no more. Nothing happens if it is not there."""
        record = self._inventory.get(_KIND, str(address))
        if record is None:
            return
        self._put_aside(address, record["bucket"], now or datetime.now(UTC))
        self.server.delete_identity(_identity(address))
        self._inventory.remove(_KIND, str(address))

    def all(self) -> list[Address]:
        """Addresses of all buckets in use, sorted."""
        return sorted(Address.parse(key) for key in self._inventory.list(_KIND))

    def removed(self) -> Sequence[Removed]:
        """What waits in the trash, oldest first."""
        found = [
            Removed(Address.parse(one["address"]), self.type, name, datetime.fromtimestamp(one["removed"], UTC))
            for name, one in self._inventory.list(_TRASH).items()
        ]
        return sorted(found, key=lambda one: one.at)

    def restore(self, one: Removed) -> None:
        """Swap a removed bucket back; one that was made since goes to the trash, and its key opens the old one."""
        current = self._inventory.get(_KIND, str(one.address)) or {}
        if current.get("bucket", one.name) != one.name:
            self._put_aside(one.address, current["bucket"], datetime.now(UTC))
        record = {"bucket": one.name, "secret_key": current.get("secret_key") or password()}
        self._inventory.put(_KIND, str(one.address), record)
        self._let_in(one.address, record)
        self._inventory.remove(_TRASH, one.name)

    def purge(self, one: Removed) -> None:
        """Delete a removed bucket with its objects for good."""
        status = self.server.s3("DELETE", f"/{one.name}")
        if status not in (204, 404):
            raise Transient(
                error(
                    f"SeaweedFS answered {status} to a deletion", address=str(one.address), remedy="It is tried again."
                )
            )
        self._inventory.remove(_TRASH, one.name)

    def _put_aside(self, address: Address, name: str, now: datetime) -> None:
        self._inventory.put(_TRASH, name, {"address": str(address), "removed": now.timestamp()})

    def _let_in(self, address: Address, record: dict[str, str]) -> None:
        key = (_access_key(address), record["secret_key"])
        probe = f"/{record['bucket']}/.pave"
        deadline = time.monotonic() + _LET_IN_SECONDS
        self.server.put_identity(_identity(address), key, record["bucket"])
        told = time.monotonic()
        # The first object of a bucket makes it room on the disk: better now than in an application's first request.
        while self.server.s3("PUT", probe, key, b"ready") != 200:
            if time.monotonic() > deadline:
                raise Transient(
                    error("SeaweedFS does not let a new key in", address=str(address), remedy="It is tried again.")
                )
            if time.monotonic() - told > _TELL_AGAIN_SECONDS:
                # A server that read its keys while two of them changed waits for 5 s, or for the next change.
                self.server.put_identity(_identity(address), key, record["bucket"])
                told = time.monotonic()
            time.sleep(0.02)
        self.server.s3("DELETE", probe, key)

    def _describe(self, address: Address, name: str, secret: str | None) -> Bucket:
        port = self.server.ensure()["port"]
        return Bucket(name, f"http://{LOOPBACK}:{port}", _access_key(address), secret)


def _identity(address: Address) -> str:
    return identifier(address, "-")


def _access_key(address: Address) -> str:
    """The same for ever: only the secret is secret."""
    return "PAVE" + hashlib.sha256(str(address).encode()).hexdigest()[:16].upper()
