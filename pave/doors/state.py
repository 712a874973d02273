"""Terraform's `http` state backend, for the engines that Pave starts and for nobody else.

Each stack has a credential of its own, so one stack's Terraform cannot read another's state. The
protocol is Terraform's: GET, POST, DELETE, LOCK and UNLOCK on one address per stack.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from pave.apply.retry import Stale
from pave.model.diagnostics import Refused, error
from pave.model.names import Address
from pave.ports import Holder, StateLock, States

PATH = "/internal/state/{environment}/{component}"
LARGEST_STATE = 64 * 1024 * 1024
LEASE_SECONDS = 30.0

Verifier = Callable[[Address, str, str], Holder | None]
"""Takes stack, user name and password; gives the holder they stand for, comparing in constant time."""


def routes(states: States, verify: Verifier) -> list[Route]:
    """The backend's routes."""

    async def handle(request: Request) -> Response:
        try:
            stack = Address.parse(f"{request.path_params['environment']}/{request.path_params['component']}")
        except Refused as refused:
            return Response(str(refused), 404)
        holder = _holder(request, stack, verify)
        if holder is None:
            return Response("This address needs the stack's own credential.", 401, {"WWW-Authenticate": "Basic"})
        body = await _body(request)
        if body is None:
            return Response(f"A state is at most {LARGEST_STATE} bytes.", 413)
        digest = request.headers.get("content-md5")
        if digest and digest != _md5(body):
            return Response("The body is not what Content-MD5 says.", 400)
        lock = request.query_params.get("ID", "")
        answer = _Backend(states, stack, holder)
        return await run_in_threadpool(answer, request.method, body, lock)

    return [Route(PATH, handle, methods=["GET", "POST", "DELETE", "LOCK", "UNLOCK"])]


class _Backend:
    """One request's answer, computed in a thread of its own."""

    def __init__(self, states: States, stack: Address, holder: Holder) -> None:
        self._states = states
        self._stack = stack
        self._holder = holder

    def __call__(self, method: str, body: bytes, lock: str) -> Response:
        try:
            return {
                "GET": self._get,
                "HEAD": self._get,
                "POST": self._post,
                "DELETE": self._delete,
                "LOCK": self._lock,
                "UNLOCK": self._unlock,
            }[method](body, lock)
        except Stale as stale:
            return Response(str(stale), 409)
        except Refused as refused:
            return Response(str(refused), 400)

    def _get(self, _body: bytes, _lock: str) -> Response:
        state = self._states.read(self._stack)
        if state is None:
            return Response(status_code=404)
        headers = {"Content-MD5": _md5(state), "Cache-Control": "no-store"}
        return Response(state, 200, headers, "application/json")

    def _post(self, body: bytes, lock: str) -> Response:
        self._states.write(self._stack, body, lock, self._holder)
        return Response(status_code=200)

    def _delete(self, _body: bytes, _lock: str) -> Response:
        self._states.delete(self._stack)
        return Response(status_code=200)

    def _lock(self, body: bytes, _lock: str) -> Response:
        info = _info(body)
        if not info.get("ID"):
            return Response("A lock needs an ID.", 400)
        other = self._states.lock(self._stack, info, self._holder, LEASE_SECONDS)
        return Response(status_code=200) if other is None else JSONResponse(_shown(other), 423)

    def _unlock(self, body: bytes, _lock: str) -> Response:
        lock = str(_info(body).get("ID", ""))
        if lock:
            self._states.unlock(self._stack, lock, self._holder)
        else:
            # `terraform force-unlock` sends no body.
            self._states.unlock(self._stack, holder=self._holder)
        return Response(status_code=200)


def _holder(request: Request, stack: Address, verify: Verifier) -> Holder | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return verify(stack, user, password)


async def _body(request: Request) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LARGEST_STATE:
            return None
        parts.append(part)
    return b"".join(parts)


def _md5(body: bytes) -> str:
    # The protocol's checksum against damage on the way, not against people.
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _info(body: bytes) -> dict[str, Any]:
    try:
        info = json.loads(body) if body else {}
    except ValueError as problem:
        raise Refused(error("What was sent about the lock is not JSON")) from problem
    return info if isinstance(info, dict) else {}


def _shown(lock: StateLock) -> dict[str, Any]:
    return {**lock.info, "ID": lock.id, "Who": lock.holder.name}
