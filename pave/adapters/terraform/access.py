"""Credentials for the state backend: one per stack and holder, made by a key and stored nowhere."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable
from urllib.parse import quote, unquote

from pave.adapters.terraform.runner import Access
from pave.model.names import Address
from pave.ports import Holder


class StateAccess:
    """Gives engines their access to the state backend, and lets the backend check it.

    `url` is where the doors listen (`http://127.0.0.1:8800`), asked anew each time. `holder` says who
    works on a stack now: a run and its fencing epoch.
    """

    def __init__(self, key: bytes, url: Callable[[], str], holder: Callable[[Address], Holder]) -> None:
        self._key = key
        self._url = url
        self._holder = holder

    def __call__(self, stack: Address) -> Access:
        """The access of the holder of the moment to a stack's state."""
        holder = self._holder(stack)
        username = f"{quote(holder.name, safe='')}~{holder.epoch}"  # a colon would end it
        address = f"{self._url().rstrip('/')}/internal/state/{stack.environment}/{stack.component}"
        return Access(address, username, self._password(stack, username), holder)

    def verify(self, stack: Address, username: str, password: str) -> Holder | None:
        """Whose credential it is, or None; compared in constant time."""
        name, _, epoch = username.rpartition("~")
        genuine = hmac.compare_digest(password.encode(), self._password(stack, username).encode())
        return Holder(unquote(name), int(epoch)) if genuine and epoch.isdecimal() else None

    def _password(self, stack: Address, username: str) -> str:
        return hmac.new(self._key, f"{stack.stack}\n{username}".encode(), hashlib.sha256).hexdigest()
