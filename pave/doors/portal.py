"""The portal: one page, rendered on the server, live through events; sign-in by one-time link; the API's pages.

It shows what the operations answer and adds nothing of its own. No inline script or style, no outside
address: the content security policy refuses both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from pave.doors.gate import COOKIE, Sessions
from pave.doors.problem import Problem
from pave.engine.views import Overview, StackView, ago, duration, mark
from pave.ports import Principal

HERE = Path(__file__).parent
SESSION_SECONDS = 12 * 3600


def _environment() -> Environment:
    pages = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {"mark": mark, "duration": duration, "link": safe_link, "short": short_ref}
    return pages


def safe_link(url: object) -> str:
    """The address if a browser may follow it (http, https), otherwise an empty text."""
    text = str(url)
    return text if urlsplit(text).scheme in ("http", "https") else ""


def short_ref(ref: object) -> str:
    """`group:default/payments` as people read it: `payments`."""
    return str(ref).partition(":")[2].removeprefix("default/") or str(ref)


def routes(
    overview: Callable[[Principal], Overview], sessions: Sessions, openapi: Callable[[], Mapping[str, Any]]
) -> list[BaseRoute]:
    """The portal's routes: `/`, `/login`, `/api/v1/login-links`, `/api`, `/api/v1/openapi.json` and `/assets/…`."""
    pages = _environment()

    async def home(request: Request) -> Response:
        principal: Principal = request.state.principal
        seen = await run_in_threadpool(overview, principal)
        template = "board.html" if "fragment" in request.query_params else "home.html"
        return HTMLResponse(pages.get_template(template).render(_home(seen, principal)))

    async def login(request: Request) -> Response:
        one_time = request.query_params.get("token", "")
        session = await run_in_threadpool(sessions.exchange, one_time) if one_time else None
        if session is None:
            said = "This link was used already, or its time is over." if one_time else ""
            return HTMLResponse(pages.get_template("login.html").render(said=said), status_code=401)
        # A page of its own instead of a redirect: a strict cookie is not sent on a redirect that began elsewhere.
        response = HTMLResponse(pages.get_template("welcome.html").render())
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, session, max_age=SESSION_SECONDS, httponly=True, samesite="strict", secure=secure, path="/"
        )
        return response

    async def invite(request: Request) -> Response:
        principal: Principal | None = request.state.principal
        # A session must not be able to prolong itself, so only a token makes links.
        if principal is None or "authorization" not in request.headers:
            said = Problem("unauthenticated", "A login link is made with a bearer token.", "Use pave login.")
            return said.response(request.state.request_id)
        one_time = await run_in_threadpool(sessions.invite, principal)
        return JSONResponse({"url": f"{str(request.base_url).rstrip('/')}/login?token={one_time}"}, status_code=201)

    async def reference(_: Request) -> Response:
        document = openapi()
        template = pages.get_template("reference.html")
        return HTMLResponse(template.render(document=document, groups=_reference(document)))

    async def machine_readable(_: Request) -> Response:
        return JSONResponse(openapi())

    return [
        Route("/", home),
        Route("/login", login, methods=["GET"]),
        Route("/api/v1/login-links", invite, methods=["POST"]),
        Route("/api", reference),
        Route("/api/v1/openapi.json", machine_readable),
        Mount("/assets", StaticFiles(directory=HERE / "assets")),
    ]


def welcome() -> str:
    """The page for a browser that nobody is signed in to."""
    return _environment().get_template("login.html").render(said="")


def _home(seen: Overview, principal: Principal) -> dict[str, Any]:
    now = datetime.now(UTC)
    environments = [one.name for one in seen.environments]
    by_component = {
        name: list(stacks)
        for name, stacks in groupby(sorted(seen.stacks, key=lambda one: one.component), key=lambda one: one.component)
    }
    rows = [
        {
            "component": name,
            "owner": next((one.owner for one in stacks if one.owner), ""),
            "status": _worst(stacks),
            "cells": [next((one for one in stacks if one.environment == env), None) for env in environments],
        }
        for name, stacks in by_component.items()
    ]
    return {
        "seen": seen,
        "rows": rows,
        "actor": principal.actor,
        "ago": lambda at: ago(at, now),
        "iso": lambda at: at.isoformat(timespec="seconds") if at else "",
        "trouble": [one for one in seen.stacks if one.status in ("degraded", "missing") or one.error],
        "now": now,
    }


_ORDER = ("healthy", "progressing", "unknown", "degraded", "missing")


def _worst(stacks: Iterable[StackView]) -> str:
    known = [one.status if one.status in _ORDER else "unknown" for one in stacks]
    return max(known, key=_ORDER.index, default="unknown")


def _reference(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            groups.setdefault(operation["tags"][0], []).append(
                {
                    "id": operation["operationId"],
                    "method": method.upper(),
                    "path": path,
                    "summary": operation.get("summary", ""),
                    "description": operation.get("description", ""),
                    "command": operation.get("x-pave-command", ""),
                    "parameters": [
                        _row(one["name"], one["schema"], one, document) for one in operation.get("parameters", ())
                    ],
                    "body": _properties(body, document),
                    "answers": [
                        (code, one.get("description", "")) for code, one in sorted(operation["responses"].items())
                    ],
                }
            )
    return [{"name": name, "operations": operations} for name, operations in sorted(groups.items())]


def _properties(schema: Mapping[str, Any], document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    schema = _resolve(schema, document)
    needed = schema.get("required", ())
    return [
        _row(name, one, {"in": "body", "required": name in needed}, document)
        for name, one in schema.get("properties", {}).items()
    ]


def _row(
    name: str, schema: Mapping[str, Any], place: Mapping[str, Any], document: Mapping[str, Any]
) -> Mapping[str, Any]:
    resolved = _resolve(schema, document)
    default = resolved.get("default")
    return {
        "name": name,
        "place": place["in"],
        "required": place.get("required", False),
        "type": _type(resolved, document),
        "default": "" if default in (None, "", [], {}) else default,
        "about": place.get("description") or resolved.get("description", ""),
    }


def _resolve(schema: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = schema
    alternatives = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if len(alternatives) == 1:
        found = {**alternatives[0], **{key: value for key, value in schema.items() if key != "anyOf"}}
    if "$ref" in found:
        schemas: Mapping[str, Mapping[str, Any]] = document["components"]["schemas"]
        return schemas.get(found["$ref"].rpartition("/")[2], {})
    return found


def _type(schema: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(str(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return f"list of {_type(_resolve(schema.get('items', {}), document), document)}"
    return str(schema.get("title") if schema.get("properties") else schema.get("type", "any"))
