"""Events over SSE: what happens, while it happens, resumable by `Last-Event-ID`.

One listener thread waits on the engine and hands events to every watcher's queue, so a thousand idle
watchers cost no thread. A watcher that falls behind reads the gap again instead of losing it.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from pave.doors.problem import Problem
from pave.engine.views import RunView
from pave.ports import Event, Principal
from pave.request.roles import Verb

AUDITED = frozenset({"credentials.read"})
"""Types of events that only those may see who may audit."""
HEARTBEAT = 15.0
QUEUE = 1000
BATCH = 500

_log = logging.getLogger("pave.events")


May = Callable[[Principal, Verb], bool]
"""The judge of rights, about the platform as a whole."""


class Source(Protocol):
    """Where events come from: the part of `pave.ports.Events` that is read here."""

    def read(self, after: int, *, subject: str = "", run: str = "", limit: int = BATCH) -> Sequence[Event]:
        """Events with an id above `after`, oldest first."""

    def last(self) -> int:
        """The newest id, or 0."""

    def wait(self, after: int, seconds: float) -> bool:
        """Block until there is an event above `after`, at most `seconds`; whether there is one."""


@dataclass(eq=False)
class Watcher:
    """One open stream. `behind` means that its queue was full and the source must be read again."""

    subject: str = ""
    run: str = ""
    queue: asyncio.Queue[Event | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    behind: bool = False

    def wants(self, event: Event) -> bool:
        """Whether the event passes this watcher's filter; `dev` also matches `dev/orders`."""
        if self.run and event.run != self.run:
            return False
        return not self.subject or event.subject == self.subject or event.subject.startswith(self.subject + "/")

    def put(self, event: Event) -> None:
        """Hand over one event, or note that there was no room."""
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            self.behind = True


class Hub:
    """Fans events out from one listener thread to the watchers of one event loop."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.closed = False
        self._watchers: set[Watcher] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """End every stream and the listener; to be called when the server begins to stop, from any thread."""
        self.closed = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._end)

    async def follow(self, after: int | None, subject: str = "", run: str = "") -> AsyncIterator[Event | None]:
        """Events above `after` (None: from now on), and None whenever nothing happened for 15 s."""
        watcher = Watcher(subject, run)
        self._start()
        self._watchers.add(watcher)
        try:
            last = await run_in_threadpool(self.source.last) if after is None else after
            watcher.behind = True
            while not self.closed:
                while watcher.behind:
                    watcher.behind = False
                    async for event in self._stored(last, subject, run):
                        last = event.id
                        yield event
                event_or_end = await self._next(watcher)
                if event_or_end is _CLOSED:
                    return
                if event_or_end is None:
                    yield None
                elif event_or_end.id > last:
                    last = event_or_end.id
                    yield event_or_end
        finally:
            self._watchers.discard(watcher)

    async def _stored(self, after: int, subject: str, run: str) -> AsyncIterator[Event]:
        while not self.closed:
            batch = await run_in_threadpool(
                lambda at: self.source.read(at, subject=subject, run=run, limit=BATCH), after
            )
            for event in batch:
                after = event.id
                yield event
            if len(batch) < BATCH:
                return

    async def _next(self, watcher: Watcher) -> Any:
        try:
            event = await asyncio.wait_for(watcher.queue.get(), HEARTBEAT)
        except TimeoutError:
            return _CLOSED if self.closed else None
        return _CLOSED if event is None else event

    def _start(self) -> None:
        loop = asyncio.get_running_loop()
        if self._thread is None or self._loop is not loop:
            self._loop = loop
            self._thread = threading.Thread(target=self._listen, args=(loop,), name="pave-events", daemon=True)
            self._thread.start()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        last: int | None = None
        while not self.closed and not loop.is_closed():
            try:
                if last is None:
                    last = self.source.last()
                    loop.call_soon_threadsafe(self._all_behind)
                if self.source.wait(last, 1.0):
                    batch = self.source.read(last, limit=BATCH)
                    if batch:
                        last = batch[-1].id
                        loop.call_soon_threadsafe(self._fan_out, batch)
            except RuntimeError:  # the loop closed meanwhile
                return
            except Exception:  # noqa: BLE001 — whatever the source raised, watchers stay and catch up
                _log.warning("events cannot be read; trying again", exc_info=True)
                last = None
                time.sleep(1.0)

    def _fan_out(self, events: Sequence[Event]) -> None:
        for watcher in self._watchers:
            for event in events:
                if watcher.wants(event):
                    watcher.put(event)

    def _all_behind(self) -> None:
        for watcher in self._watchers:
            watcher.behind = True

    def _end(self) -> None:
        for watcher in self._watchers:
            while watcher.queue.full():
                watcher.queue.get_nowait()
            watcher.queue.put_nowait(None)


_CLOSED = object()


def routes(hub: Hub, run: Callable[[str], RunView | None], may: May) -> list[Route]:
    """The two streams. `run` looks up a run for the stream that ends with it, `may` is the judge of rights."""

    async def everything(request: Request) -> Response:
        if (no := await refused(request, may)) is not None:
            return no
        after = _after(request)
        if isinstance(after, Problem):
            return after.response(request.state.request_id)
        wanted = request.query_params
        hidden = frozenset() if await run_in_threadpool(may, request.state.principal, Verb.AUDIT) else AUDITED
        return _stream(_events(hub, after, (wanted.get("subject", ""), wanted.get("run", "")), hidden))

    async def one_run(request: Request) -> Response:
        if (no := await refused(request, may)) is not None:
            return no
        after = _after(request)
        if isinstance(after, Problem):
            return after.response(request.state.request_id)
        identifier = request.path_params["run"]
        if await run_in_threadpool(run, identifier) is None:
            problem = Problem("unknown", f"There is no run {identifier[:80]}.", "GET /api/v1/runs lists them.")
            return problem.response(request.state.request_id)
        return _stream(_run_events(hub, run, identifier, after or 0))

    return [Route("/api/v1/events", everything), Route("/api/v1/runs/{run}/events", one_run)]


async def refused(request: Request, may: May) -> Response | None:
    """The answer to whoever may not read what happens here; None where they may."""
    if await run_in_threadpool(may, request.state.principal, Verb.READ):
        return None
    remedy = "`pave can` says why, and what would have to change."
    problem = Problem("forbidden", f"{request.state.principal.actor.short} may not read what happens here.", remedy)
    return problem.response(request.state.request_id)


async def _events(hub: Hub, after: int | None, wanted: tuple[str, str], hidden: Collection[str]) -> AsyncIterator[str]:
    """Events of a subject and a run, without those of a `hidden` type."""
    yield "retry: 1000\n\n"
    async for event in hub.follow(after, *wanted):
        if event is None or event.type not in hidden:
            yield _message(event) if event else ": still here\n\n"


async def _run_events(
    hub: Hub, lookup: Callable[[str], RunView | None], identifier: str, after: int
) -> AsyncIterator[str]:
    """The run's events, a `run` message with its whole view after each, and an `end` message at its end."""
    yield "retry: 1000\n\n"
    view = await run_in_threadpool(lookup, identifier)
    if view is not None and not view.ended:
        yield _snapshot("run", view)
        async for event in hub.follow(after, run=identifier):
            if event:
                after = event.id
                yield _message(event)
            view = await run_in_threadpool(lookup, identifier)
            if view is None or view.ended:
                break
            yield _snapshot("run", view) if event else ": still here\n\n"
    for event in await run_in_threadpool(lambda: hub.source.read(after, run=identifier, limit=BATCH)):
        yield _message(event)
    if view is not None and view.ended:
        yield _snapshot("end", view)


def _after(request: Request) -> int | Problem | None:
    text = request.headers.get("last-event-id") or request.query_params.get("after")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        return Problem("invalid", "The last event id is not a whole number.", "Send the id of the last event seen.")
    return int(text)


def _message(event: Event) -> str:
    data = {
        "id": event.id,
        "at": event.at.isoformat(),
        "type": event.type,
        "subject": event.subject,
        "run": event.run,
        "actor": event.actor,
        "data": dict(event.data),
    }
    return f"id: {event.id}\nevent: event\ndata: {json.dumps(data, default=str)}\n\n"


def _snapshot(kind: str, view: RunView) -> str:
    return f"event: {kind}\ndata: {view.model_dump_json()}\n\n"


def _stream(messages: AsyncIterator[str]) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(messages, media_type="text/event-stream", headers=headers)
