"""The Git door: clone, fetch and push over smart HTTP, with Pave's own users and rights.

It only authenticates, asks whether it may be, and carries bytes in both directions as they come. Source of the
protocol: git's `Documentation/gitprotocol-http.adoc`.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Any, Protocol

import anyio.to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pave.model.diagnostics import Diagnostic, Refused
from pave.model.names import Ref
from pave.ports import Principal

_CHUNK = 65536
_MOST_AT_ONCE = 200
_READ, _WRITE = "git-upload-pack", "git-receive-pack"
SCOPES = {_READ: "catalog:read", _WRITE: "component:write"}


class Process(Protocol):
    """A running git."""

    @property
    def stdin(self) -> IO[bytes]:
        """What it reads."""

    @property
    def stdout(self) -> IO[bytes]:
        """What it says."""

    def kill(self) -> None:
        """End it."""


class Server(Protocol):
    """What runs git."""

    def advertise(self, repository: str, service: str, protocol: str) -> Process:
        """The process that says which refs there are."""

    def serve(self, repository: str, service: str, protocol: str, actor: Ref) -> AbstractContextManager[Process]:
        """The process that answers one request."""


@dataclass(frozen=True)
class Rights:
    """Who may: `authenticate` knows tokens; `refusal` says why someone may not read (or write) a repository."""

    authenticate: Callable[[str], Principal | None]
    refusal: Callable[[Ref, str, bool], Diagnostic | None]


def routes(server: Server, rights: Rights) -> list[Route]:
    """The door's routes, below its mount."""
    door = _Door(server, rights)
    return [
        Route("/git/{repository}/info/refs", door.advertise, methods=["GET"]),
        Route("/git/{repository}/git-upload-pack", door.upload, methods=["POST"]),
        Route("/git/{repository}/git-receive-pack", door.receive, methods=["POST"]),
    ]


class _Door:
    def __init__(self, server: Server, rights: Rights) -> None:
        self._server, self._rights = server, rights
        self._threads: anyio.CapacityLimiter | None = None

    async def advertise(self, request: Request) -> Response:
        """Which refs there are; where every clone, fetch and push begins."""
        service = request.query_params.get("service", "")
        if service not in SCOPES:
            return PlainTextResponse("Only the smart protocol is spoken here: use git 2.0 or newer.\n", 403)
        found = await self._admit(request, service)
        if isinstance(found, Response):
            return found
        repository, _ = found
        protocol = _protocol(request)
        child = await run_in_threadpool(self._server.advertise, repository, service, protocol)
        try:
            child.stdin.close()
            said = await run_in_threadpool(child.stdout.read)
        finally:
            await run_in_threadpool(child.kill)
        version_2 = "version=2" in protocol and service == _READ
        head = b"" if version_2 else _packet(f"# service={service}\n".encode()) + b"0000"
        return Response(head + said, media_type=f"application/x-{service}-advertisement", headers=_FRESH)

    async def upload(self, request: Request) -> Response:
        """Objects for a clone or a fetch."""
        return await self._exchange(request, _READ)

    async def receive(self, request: Request) -> Response:
        """Objects of a push."""
        return await self._exchange(request, _WRITE)

    async def _exchange(self, request: Request, service: str) -> Response:
        found = await self._admit(request, service)
        if isinstance(found, Response):
            return found
        repository, actor = found
        answer = self._stream(request, service, repository, actor)
        return _Both(answer, media_type=f"application/x-{service}-result", headers=_FRESH)

    async def _stream(self, request: Request, service: str, repository: str, actor: Ref) -> AsyncIterator[bytes]:
        threads = self._threads = self._threads or anyio.CapacityLimiter(_MOST_AT_ONCE)
        with self._server.serve(repository, service, _protocol(request), actor) as child:
            pump = asyncio.create_task(_pump(request, child.stdin, threads))
            try:
                while data := await anyio.to_thread.run_sync(child.stdout.read, _CHUNK, limiter=threads):
                    yield data
            finally:
                pump.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError, ClientDisconnect, zlib.error):
                    await pump

    async def _admit(self, request: Request, service: str) -> tuple[str, Ref] | Response:
        """The repository and who asks, or the answer that they may not."""
        principal = await run_in_threadpool(self._rights.authenticate, _token(request))
        if principal is None:
            return PlainTextResponse(
                "This needs a token: use it as the password, with any user name.\n",
                401,
                {"WWW-Authenticate": 'Basic realm="pave", charset="UTF-8"'},
            )
        repository = request.path_params["repository"].removesuffix(".git")
        if SCOPES[service] not in principal.scopes:
            return PlainTextResponse(f"This token does not have the scope {SCOPES[service]}.\n", 403)
        try:
            refusal = await run_in_threadpool(self._rights.refusal, principal.actor, repository, service == _WRITE)
        except Refused as refused:
            return PlainTextResponse(f"{refused}\n", 404)
        if refusal is not None:
            return PlainTextResponse(f"{refusal}\n", 403)
        return repository, principal.actor


class _Both(StreamingResponse):
    """A response that is sent while the request is still read: nobody else may listen to the client meanwhile."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope, receive
        await self.stream_response(send)


_FRESH = {"Cache-Control": "no-cache, max-age=0, must-revalidate"}


async def _pump(request: Request, stdin: IO[bytes], threads: Any) -> None:
    """Carry the request's body to git, unpacked where it is gzip'd; git's own end closes it early."""
    unzip = zlib.decompressobj(31) if request.headers.get("content-encoding") in ("gzip", "x-gzip") else None
    try:
        async for chunk in request.stream():
            rest = chunk
            while rest:
                if unzip is None:
                    data, rest = rest, b""
                else:
                    data = unzip.decompress(rest, _CHUNK)
                    rest = unzip.unconsumed_tail
                if data:
                    await anyio.to_thread.run_sync(_write, stdin, data, limiter=threads)
    finally:
        with contextlib.suppress(OSError):
            stdin.close()


def _write(stdin: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[stdin.write(view) :]


def _protocol(request: Request) -> str:
    given = request.headers.get("git-protocol", "")
    return given if given in ("version=0", "version=1", "version=2") else ""


def _token(request: Request) -> str:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return given.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(given, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def _packet(data: bytes) -> bytes:
    return b"%04x%s" % (len(data) + 4, data)
