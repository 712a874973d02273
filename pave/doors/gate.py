"""What every request passes before any door sees it: host, origin, who asks; and what every answer carries.

It fails closed: a path that is not listed as open needs a principal. Paths of doors that authenticate
by themselves (Git, the Terraform state) pass with host and origin checked.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any, Protocol
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pave.doors.problem import MAX_BODY, TOO_LARGE, Problem
from pave.ports import Principal

COOKIE = "pave_session"
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN = ("/healthz", "/readyz", "/login", "/assets/")
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}

_DOORS = frozenset({"git", "internal", "webhooks", "assets", "login", "metrics", "healthz", "readyz"})
_access = logging.getLogger("pave.access")

Authenticate = Callable[[str], Principal | None]
Note = Callable[[str, int, float], None]
"""Told of each request that was answered: the operation or door, the status, the seconds."""


class Sessions(Protocol):
    """Browser sessions: a one-time link becomes a cookie."""

    def invite(self, principal: Principal) -> str:
        """A one-time secret that signs `principal` in."""

    def exchange(self, one_time: str) -> str | None:
        """A new session for a login link that is valid, and worthless from now on."""

    def whoami(self, session: str) -> Principal | None:
        """Whose session it is."""


@dataclass(frozen=True)
class Access:
    """Who may come in: tokens, sessions, host names beyond loopback, and prefixes that authenticate themselves."""

    authenticate: Authenticate
    sessions: Sessions
    hosts: tuple[str, ...] = ()
    own_authentication: tuple[str, ...] = ()
    welcome: Callable[[], str] | None = None
    note: Note | None = None


class Gate:
    """ASGI middleware around all doors."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self.app = app
        self.access = access
        self.hosts = LOOPBACK | {_hostname(host) for host in access.hosts if host}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or answer it here."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request = scope.setdefault("state", {})
        request["request_id"] = secrets.token_hex(8)
        request["principal"] = None
        started = time.perf_counter()
        status = 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = request["request_id"]
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if not scope["path"].startswith("/assets/"):
                    headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            refusal = await self._refusal(scope)
            if refusal is not None:
                await refusal(scope, receive, answer)
            else:
                await self.app(scope, receive, answer)
        finally:
            taken = time.perf_counter() - started
            _log(scope, request, status, taken)
            if self.access.note is not None:
                self.access.note(_named(scope), status, taken)

    async def _refusal(self, scope: Scope) -> ASGIApp | None:
        headers = Headers(scope=scope)
        state = scope["state"]
        path = scope["path"]
        problem = self._misdirected(headers)
        bearer = _bearer(headers)
        cookie = "" if bearer else _cookie(headers)
        if problem is None and scope["method"] not in SAFE_METHODS:
            problem = self._foreign(headers, by_cookie=bool(cookie))
        if problem is not None:
            return problem.response(state["request_id"])
        if path.startswith(self.access.own_authentication or ("\0",)):
            return None
        if int(headers.get("content-length", "0")) > MAX_BODY:
            return TOO_LARGE.response(state["request_id"])
        if bearer:
            state["principal"] = await run_in_threadpool(self.access.authenticate, bearer)
        elif cookie:
            state["principal"] = await run_in_threadpool(self.access.sessions.whoami, cookie)
        if state["principal"] is not None or any(
            path == one or (one[-1] == "/" and path.startswith(one)) for one in OPEN
        ):
            return None
        return self._unauthenticated(scope, headers, given=bool(bearer or cookie))

    def _misdirected(self, headers: Headers) -> Problem | None:
        host = _hostname(headers.get("host", ""))
        if host in self.hosts:
            return None
        # Without this, a page of a stranger's domain that resolves to 127.0.0.1 could speak to Pave.
        return Problem(
            "misdirected",
            "The Host header names a host that this server does not answer for.",
            remedy="Use a loopback name, or have the host configured.",
        )

    def _foreign(self, headers: Headers, *, by_cookie: bool) -> Problem | None:
        origin = headers.get("origin")
        if origin is None:
            if not by_cookie or headers.get("sec-fetch-site") == "same-origin":
                return None
        elif urlsplit(origin).netloc.lower() == headers.get("host", "").lower():
            return None
        return Problem(
            "forbidden",
            "A page of another origin asked for a change.",
            remedy="Send changes from Pave's own pages, or with a bearer token and no Origin header.",
        )

    def _unauthenticated(self, scope: Scope, headers: Headers, *, given: bool) -> ASGIApp:
        if self.access.welcome is not None and "text/html" in headers.get("accept", ""):
            from starlette.responses import HTMLResponse  # noqa: PLC0415 — only browsers need it

            return HTMLResponse(self.access.welcome(), status_code=401)
        return Problem(
            "unauthenticated",
            "The token or session is not valid (any more)." if given else "This needs a bearer token or a session.",
            remedy="Send `Authorization: Bearer …`, or open the link that `pave login` prints on the server's machine.",
            headers={"WWW-Authenticate": 'Bearer realm="pave"' + (', error="invalid_token"' if given else "")},
        ).response(scope["state"]["request_id"])


def _named(scope: Scope) -> str:
    """The operation that was asked for, or the door: the first part of a path that is one."""
    name = getattr(scope.get("route"), "name", "")
    first = scope["path"].strip("/").partition("/")[0]
    return str(name) if "." in str(name) else first if first in _DOORS else "other"


def _bearer(headers: Headers) -> str:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _cookie(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _hostname(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _log(scope: Scope, request: dict[str, Any], status: int, seconds: float) -> None:
    # The query is left out: a login link's secret is in it.
    principal = request["principal"]
    line = {
        "request": request["request_id"],
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "ms": round(seconds * 1000, 1),
        "actor": str(principal.actor) if principal else "",
        "from": (scope.get("client") or ("", 0))[0],
    }
    _access.info(json.dumps(line))
