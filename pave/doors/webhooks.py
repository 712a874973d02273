"""The forges' door: a webhook is taken in, or refused, at once; what it asks for is done outside of its request.

A forge cannot sign in, so this door authenticates by the webhook's own signature. Nothing is read of a body before
it fits, and no answer repeats what was sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pave.engine.forge.hearing import Heard
from pave.model.diagnostics import Forbidden, Refused, Unknown
from pave.ports import Unsigned

FORGES = ("github", "gitlab", "gitea")
MOST_BYTES = 5 * 1024 * 1024
_MOST_AT_ONCE = 32
_SECONDS = 20.0

Hear = Callable[[str, Mapping[str, str], bytes], Heard]
"""Takes a forge's name, the headers (names in lower case) and the body."""


def routes(hear: Hear) -> list[Route]:
    """The door's routes, below its mount."""
    door = _Door(hear)
    return [Route("/webhooks/{forge}", door.receive, methods=["POST"])]


class _Door:
    def __init__(self, hear: Hear) -> None:
        self._hear = hear
        self._open = 0

    async def receive(self, request: Request) -> Response:
        """One webhook."""
        forge = request.path_params["forge"]
        if forge not in FORGES:
            return PlainTextResponse(f"Webhooks are taken from {', '.join(FORGES)}.\n", 404)
        if self._open >= _MOST_AT_ONCE:
            return PlainTextResponse("Too many at once: send it again later.\n", 503, {"Retry-After": "5"})
        self._open += 1
        try:
            async with asyncio.timeout(_SECONDS):
                body = await _body(request)
        except TimeoutError:
            return PlainTextResponse("It took too long to arrive.\n", 408)
        except ClientDisconnect:
            return PlainTextResponse("It did not arrive as a whole.\n", 400)
        finally:
            self._open -= 1
        if body is None:
            return PlainTextResponse(f"A webhook is at most {MOST_BYTES:,} bytes.\n", 413)
        return await run_in_threadpool(self._answer, forge, dict(request.headers), body)

    def _answer(self, forge: str, headers: Mapping[str, str], body: bytes) -> Response:
        try:
            heard = self._hear(forge, headers, body)
        except Refused as refused:
            statuses = {Unsigned: 401, Forbidden: 403, Unknown: 404}
            status = next((code for kind, code in statuses.items() if isinstance(refused, kind)), 400)
            return PlainTextResponse(f"{refused}\n", status)
        return PlainTextResponse(f"{heard.text}\n", 202 if heard.new else 200)


async def _body(request: Request) -> bytes | None:
    """The body; None for one that is too large, whatever its header says."""
    given = request.headers.get("content-length", "")
    if given.isdecimal() and int(given[:20]) > MOST_BYTES:
        return None
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)
