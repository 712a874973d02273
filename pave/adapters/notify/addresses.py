"""Where messages may go over HTTP: what the operators named, and https at the hosts that they allow. Nothing else.

A channel's file is written by a team, and what it names is asked by Pave from within the organisation's network: so a
URL in it is not followed because it is there. An address that the operators keep under a name may lead anywhere, and
its secret does not stand in Git.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from pave.model.diagnostics import Refused, error

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True)
class Place:
    """An address, and the key that what goes there is signed with."""

    url: str = field(repr=False)
    key: str = field(default="", repr=False)

    @property
    def host(self) -> str:
        """What of it may be shown: the rest is often a secret."""
        return urlsplit(self.url).hostname or ""


@dataclass(frozen=True)
class Addresses:
    """Named addresses, and hosts at which https addresses may stand in a file."""

    named: Mapping[str, Place] = field(default_factory=dict, repr=False)
    hosts: frozenset[str] = frozenset()

    @classmethod
    def read(cls, named: str, hosts: str) -> Addresses:
        """From the settings: `name=url`, or `name=url key=secret`, a line or `;` each. Raises `Refused`."""
        found = {}
        for line in filter(None, (one.strip() for one in re.split(r"[;\n]", named))):
            name, equals, rest = line.partition("=")
            url, _, key = rest.strip().partition(" key=")
            parts = urlsplit(url.strip())
            if not equals or not _NAME.fullmatch(name.strip()):
                raise _wrong("a line is not `name=https://…`")
            if parts.scheme not in ("https", "http") or not parts.hostname:
                raise _wrong(f"the address of {name.strip()} is no http address")
            found[name.strip()] = Place(url.strip(), key.strip())
        return cls(found, frozenset(one.strip().lower() for one in hosts.split(",") if one.strip()))

    def find(self, address: str) -> Place:
        """The place that a channel's address means. Raises `Refused` for one that nothing may go to."""
        if address in self.named:
            return self.named[address]
        parts = urlsplit(address)
        if parts.scheme == "https" and not parts.username and (parts.hostname or "").lower() in self.hosts:
            return Place(address)
        if "://" in address:
            raise Refused(
                error(
                    f"Nothing may go to {parts.hostname or 'that address'}",
                    remedy="The operators can allow an https host (notify_hosts), or keep the address under a name "
                    "(notify_addresses).",
                )
            )
        raise Refused(
            error(
                f"No address is kept under the name {address[:60]!r}",
                remedy="The operators add it to the setting notify_addresses.",
            )
        )

    def problem(self, address: str) -> str:
        """Why nothing may go to an address; empty where it may."""
        try:
            self.find(address)
        except Refused as refused:
            return str(refused)
        return ""


def _wrong(why: str) -> Refused:
    remedy = "Write lines such as: payments-chat=https://chat.example.com/hooks/secret key=signing-secret"
    return Refused(error(f"notify_addresses cannot be read: {why}", remedy=remedy))
