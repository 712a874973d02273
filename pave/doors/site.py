"""All HTTP doors on one application, behind one gate; and the server that ends their streams when it stops."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from pave.doors import api, events, logs, portal
from pave.doors.gate import Access, Authenticate, Gate, Note, Sessions
from pave.engine.operations import Operation
from pave.engine.views import Overview, RunView
from pave.ports import Logs, Principal


@dataclass(frozen=True)
class Parts:
    """What the doors need of the rest.

    `context` makes a handler's first argument from a `Call`; `run` looks a run up; `unready` names what is
    not ready yet (empty: ready); `exposition` is the page at /metrics with its type, `note` is told each request;
    `mounts` are doors that authenticate by themselves, by path (`/git`, `/state`).
    `may` is the judge of rights about the platform as a whole, for streams; operations ask it by themselves.
    `logs` are the lines that can be followed, and what makes a question of a request for them.
    """

    operations: Sequence[Operation[Any, Any]]
    context: api.Context
    authenticate: Authenticate
    sessions: Sessions
    may: events.May
    events: events.Source
    run: Callable[[str], RunView | None]
    overview: Callable[[Principal], Overview]
    unready: Callable[[], Mapping[str, str]] = dict
    hosts: tuple[str, ...] = ()
    mounts: Mapping[str, ASGIApp] = field(default_factory=dict)
    logs: tuple[Logs, logs.Ask] | None = None
    exposition: Callable[[], tuple[bytes, str]] | None = None
    note: Note | None = None


@dataclass(frozen=True)
class Site:
    """The ASGI application and what ends its streams."""

    app: Gate
    api: FastAPI
    hub: events.Hub
    lines: logs.Hub | None = None

    def end_streams(self) -> None:
        """End every open stream, from any thread."""
        self.hub.close()
        if self.lines is not None:
            self.lines.close()


def assemble(parts: Parts) -> Site:
    """Put the doors together."""
    hub = events.Hub(parts.events)
    lines = logs.Hub(parts.logs[0]) if parts.logs else None

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        made.end_streams()

    async def alive(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def ready(_: Request) -> Response:
        waiting = await run_in_threadpool(parts.unready)
        status = {"status": "waiting" if waiting else "ready", "waiting": dict(waiting)}
        return JSONResponse(status, status_code=503 if waiting else 200)

    async def metrics(_: Request) -> Response:
        assert parts.exposition is not None
        content, kind = await run_in_threadpool(parts.exposition)
        return Response(content, media_type=kind)

    rest = api.build(parts.operations, parts.context, lifespan=lifespan)
    rest.router.routes.extend([Route("/healthz", alive), Route("/readyz", ready)])
    if parts.exposition is not None:
        rest.router.routes.append(Route("/metrics", metrics))
    rest.router.routes.extend(events.routes(hub, parts.run, parts.may))
    if parts.logs and lines:
        rest.router.routes.extend(logs.routes(lines, parts.logs[1], parts.may))
    rest.router.routes.extend(portal.routes(parts.overview, parts.sessions, lambda: api.openapi(rest)))
    rest.router.routes.extend(Mount(path, app) for path, app in parts.mounts.items())
    access = Access(
        authenticate=parts.authenticate,
        sessions=parts.sessions,
        hosts=parts.hosts,
        own_authentication=tuple(path.rstrip("/") + "/" for path in parts.mounts),
        welcome=portal.welcome,
        note=parts.note,
    )
    made = Site(Gate(rest, access), rest, hub, lines)
    return made


class Server(uvicorn.Server):
    """uvicorn, with its streams ended first: an open stream would otherwise hold the server for ever."""

    def __init__(self, site: Site, listener: socket.socket, stop_seconds: int = 5) -> None:
        self.site = site
        self.listener = listener
        super().__init__(
            uvicorn.Config(
                site.app,
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=stop_seconds,
                lifespan="on",
                ws="none",
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, end the streams, let requests finish."""
        self.site.end_streams()
        await super().shutdown(sockets)

    def run_here(self) -> None:
        """Serve on the listener until `should_exit` or a signal; blocks."""
        self.run(sockets=[self.listener])

    def stop(self) -> None:
        """Ask the server to stop, from any thread."""
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes a free one. Raises `OSError` where the port is taken."""
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.set_inheritable(False)
    return listener
