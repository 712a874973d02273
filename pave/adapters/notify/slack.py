"""Messages to a Slack-compatible incoming webhook (Slack, Mattermost, Rocket.Chat), as Block Kit with a plain text.

Source: Slack's "Sending messages using incoming webhooks" and Block Kit's limits: 150 characters in a header, 3,000 in
a section, 50 blocks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from pave.adapters.notify.addresses import Addresses
from pave.adapters.notify.post import post
from pave.ports import Message

_MARKS = {"critical": "🔴", "warning": "🟠", "info": "🔵"}
_MOST_BLOCKS = 50
_MOST_TEXT = 2_900


class Slack:
    """Implements `pave.ports.Courier`."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses

    def problem(self, address: str) -> str:
        """Why nothing may go to an address."""
        return self._addresses.problem(address)

    def deliver(self, address: str, messages: Sequence[Message]) -> None:
        """Say them in one post."""
        post(self._addresses.find(address).url, {}, json.dumps(payload(messages), ensure_ascii=False).encode())


def payload(messages: Sequence[Message]) -> dict[str, Any]:
    """What is posted."""
    lines = [f"{_MARKS.get(one.severity, '')} {_escaped(one.title)}" for one in messages]
    title = lines[0] if len(lines) == 1 else f"{len(lines)} messages from Pave"
    blocks = [block for one in messages for block in _blocks(one)]
    return {"text": title if len(lines) == 1 else "\n".join([title, *lines]), "blocks": blocks[:_MOST_BLOCKS]}


def _blocks(message: Message) -> Iterator[dict[str, Any]]:
    title = f"{_MARKS.get(message.severity, '')} {message.title}"[:150]
    yield {"type": "header", "text": {"type": "plain_text", "text": title}}
    if message.text:
        yield _section(_escaped(message.text))
    said = [f"*{_escaped(name)}:* {_escaped(value)}" for name, value in message.facts.items()]
    said += [f"<{_escaped(url)}|{_escaped(name)}>" for name, url in message.links.items() if "://" in url]
    said += [f"*{_escaped(name)}:* `{_escaped(url)}`" for name, url in message.links.items() if "://" not in url]
    if said:
        yield _section("\n".join(said))


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:_MOST_TEXT]}}


def _escaped(text: str) -> str:
    """Text that mentions nobody and links nowhere, whatever is in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
