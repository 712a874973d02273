"""Log lines over SSE, as they come: `GET /api/v1/logs/follow` takes what a search takes, and `Last-Event-ID`.

One listener thread waits for lines and wakes the followers; each reads on from its own place. So a thousand idle
followers cost no thread, and one that is slow misses nothing.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import get_origin

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pave.apply.retry import ApplyError
from pave.doors.events import May, refused
from pave.doors.problem import Problem, from_apply_error, from_refused, from_validation
from pave.engine.registry.logs import LogSearch, view
from pave.model.diagnostics import Refused
from pave.observe.logs import LogLine, LogQuestion
from pave.ports import Logs

HEARTBEAT = 15.0
BATCH = 500
SCOPE = "stack:read"

_log = logging.getLogger("pave.logs")

Ask = Callable[[LogSearch], LogQuestion]
"""Makes a question of what was given. Raises `Refused`."""


@dataclass(eq=False)
class _Follower:
    woken: asyncio.Event


class Hub:
    """Wakes the followers of one event loop whenever lines have come."""

    def __init__(self, logs: Logs) -> None:
        self.logs = logs
        self.closed = False
        self._followers: set[_Follower] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """End every stream and the listener, from any thread."""
        self.closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)

    async def follow(
        self, question: LogQuestion, after: str, lines: int
    ) -> AsyncIterator[Sequence[tuple[str, LogLine]] | None]:
        """Lines with their positions; None where there were none for 15 s.

        Without a position the newest `lines` come first.
        """
        follower = _Follower(asyncio.Event())
        self._start()
        self._followers.add(follower)
        try:
            position = after or await run_in_threadpool(self.logs.last)
            if not after:
                found = await run_in_threadpool(self.logs.search, question, lines)
                known = zip(found.positions, found.lines, strict=True)
                yield [(position, line) for at, line in known if at <= position]
            while not self.closed:
                follower.woken.clear()
                found = await run_in_threadpool(self.logs.read, position, question, BATCH)
                if found.lines:
                    yield list(zip(found.positions, found.lines, strict=True))
                if found.position != position:
                    position = found.position
                elif not await _woken(follower):
                    yield None
        finally:
            self._followers.discard(follower)

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._thread is None or self._loop is not loop:
            self._loop = loop
            self._thread = threading.Thread(target=self._listen, args=(loop,), name="pave-log-followers", daemon=True)
            self._thread.start()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        position = ""
        while not self.closed and not loop.is_closed():
            try:
                position = position or self.logs.last()
                if self.logs.wait(position, 1.0):
                    position = self.logs.last()
                    loop.call_soon_threadsafe(self._wake)
            except RuntimeError:  # the loop closed meanwhile
                return
            except Exception:  # noqa: BLE001 — whatever the logs raised, followers stay and catch up
                _log.warning("log lines cannot be waited for; trying again", exc_info=True)
                time.sleep(1.0)

    def _wake(self) -> None:
        for follower in self._followers:
            follower.woken.set()


async def _woken(follower: _Follower) -> bool:
    try:
        await asyncio.wait_for(follower.woken.wait(), HEARTBEAT)
    except TimeoutError:
        return False
    return True


def routes(hub: Hub, ask: Ask, may: May) -> list[Route]:
    """The stream."""

    async def follow(request: Request) -> Response:
        identifier = request.state.request_id
        principal = request.state.principal
        if principal is None or SCOPE not in principal.scopes:
            return Problem("forbidden", f"This needs the scope {SCOPE}.").response(identifier)
        if (no := await refused(request, may)) is not None:
            return no
        try:
            given = LogSearch.model_validate(_given(request))
            question = await run_in_threadpool(ask, given)
            after = request.headers.get("last-event-id") or request.query_params.get("after") or ""
            if after:  # one that is none is refused before the stream begins
                await run_in_threadpool(hub.logs.read, after, question, 1)
        except ValidationError as problem:
            return from_validation(problem.errors(), list(LogSearch.model_fields)).response(identifier)
        except Refused as problem:
            return from_refused(problem).response(identifier)
        except ApplyError as problem:
            return from_apply_error(problem).response(identifier)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        messages = _messages(hub, question, after, given)
        return StreamingResponse(messages, media_type="text/event-stream", headers=headers)

    return [Route("/api/v1/logs/follow", follow)]


def _given(request: Request) -> dict[str, object]:
    query = request.query_params
    many = {name for name, info in LogSearch.model_fields.items() if get_origin(info.annotation) is list}
    names = [name for name in dict.fromkeys(query) if name != "after"]
    return {name: query.getlist(name) if name in many else query[name] for name in names}


async def _messages(hub: Hub, question: LogQuestion, after: str, given: LogSearch) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    async for found in hub.follow(question, after, given.lines):
        if found is None:
            yield ": still here\n\n"
        else:
            yield "".join(_message(position, line, colour=given.colour) for position, line in found)


def _message(position: str, line: LogLine, *, colour: bool) -> str:
    return f"id: {position}\nevent: line\ndata: {view(line, colour=colour).model_dump_json()}\n\n"
