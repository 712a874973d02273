"""Messages to any receiver as JSON, signed as the Standard Webhooks specification says.

`webhook-id` stays the same when a delivery is repeated, so that a receiver can tell; `webhook-signature` is `v1,` and
base64 of the HMAC-SHA256 of `id.timestamp.body` with the key (base64 after `whsec_`, else as it is).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Sequence
from typing import Any

from pave.adapters.notify.addresses import Addresses
from pave.adapters.notify.post import post
from pave.ports import Message


class Webhook:
    """Implements `pave.ports.Courier`."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    def problem(self, address: str) -> str:
        """Why nothing may go to an address."""
        return self._addresses.problem(address)

    def deliver(self, address: str, messages: Sequence[Message]) -> None:
        """Say them in one post."""
        place = self._addresses.find(address)
        body = json.dumps({"version": 1, "messages": [plain(one) for one in messages]}, ensure_ascii=False).encode()
        id_ = delivery_id(messages)
        post(place.url, signed(place.key, id_, str(int(time.time())), body), body)


def plain(message: Message) -> dict[str, Any]:
    """A message as data."""
    return {
        "id": message.key,
        "event": message.event,
        "topic": message.topic,
        "severity": message.severity,
        "recipient": str(message.recipient),
        "subject": message.subject,
        "title": message.title,
        "text": message.text,
        "facts": dict(message.facts),
        "links": dict(message.links),
        **{key: value for key, value in message.data.items() if key in ("alerts", "status", "at")},
    }


def delivery_id(messages: Sequence[Message]) -> str:
    """The same for the same messages, however often they are sent."""
    return "msg_" + hashlib.sha256("\0".join(one.key for one in messages).encode()).hexdigest()[:24]


def signed(key: str, id_: str, timestamp: str, body: bytes) -> dict[str, str]:
    """The headers of a delivery; without a key it is not signed."""
    headers = {"webhook-id": id_, "webhook-timestamp": timestamp}
    if not key:
        return headers
    mac = hmac.new(_secret(key), f"{id_}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {**headers, "webhook-signature": f"v1,{base64.b64encode(mac).decode()}"}


def _secret(key: str) -> bytes:
    if key.startswith("whsec_"):
        try:
            return base64.b64decode(key.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            return key.encode()
    return key.encode()
