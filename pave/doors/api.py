"""REST, made from the registry of operations: one route per operation, nothing else.

The handler decides; this module only reads the request into the operation's input, says who asks, and
writes the answer. There is no operation here that the other doors lack.
"""

from __future__ import annotations

import inspect
import logging
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import Body, FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic.fields import FieldInfo
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from pave import __version__
from pave.apply.retry import ApplyError
from pave.doors.problem import MAX_BODY, TOO_LARGE, Problem, from_apply_error, from_refused, from_validation
from pave.engine.operations import Call, Operation
from pave.model.diagnostics import Forbidden, Refused, error
from pave.ports import Principal

PREFIX = "/api/v1"
DESCRIPTION = """Everything that Pave can do, the same as `pave` on the command line.

Send `Authorization: Bearer TOKEN`. A change answers **202** with a run; `Location` names it, and
`GET /api/v1/runs/{id}/events` follows it live. Give changes an `Idempotency-Key`: asked twice with the same key,
they happen once. `?dry_run=true` shows the plan and its verdict and changes nothing. Errors are
`application/problem+json` and say what to do.
"""

_log = logging.getLogger("pave.api")

Context = Callable[[Call], Any]
"""Makes the first argument of handlers from how an operation was asked for."""


class ProblemView(BaseModel):
    """RFC 9457 problem details."""

    model_config = ConfigDict(title="Problem")

    type: str
    title: str
    status: int
    detail: str = ""
    remedy: str = ""
    errors: list[dict[str, str]] = []
    diagnostics: list[dict[str, Any]] = []
    request: str = ""


def build(operations: Sequence[Operation[Any, Any]], context: Context, **app: Any) -> FastAPI:
    """The FastAPI application with a route per operation; `app` goes to FastAPI. Authentication is the gate's."""
    tags = sorted({one.name.partition(".")[0] for one in operations})
    api = FastAPI(
        title="Pave",
        version=__version__,
        description=DESCRIPTION,
        openapi_url=None,
        redirect_slashes=False,
        openapi_tags=[{"name": tag, "description": f"Operations on a {tag}."} for tag in tags],
        **app,
    )
    for operation in operations:
        _add(api, operation, context)
    _add_handlers(api, {one.name: one for one in operations})
    return api


def split(rest: str) -> tuple[str, str, tuple[str, ...]]:
    """`POST /stacks/{environment}` as method, path below the prefix, and the fields in the path."""
    method, _, path = rest.partition(" ")
    return method, path, tuple(re.findall(r"{(\w+)(?::\w+)?}", path))


def _add(api: FastAPI, operation: Operation[Any, Any], context: Context) -> None:
    method, path, in_path = split(operation.rest)
    fields = operation.input.model_fields
    in_query = tuple(name for name in fields if name not in in_path) if method in ("GET", "DELETE") else ()
    body = {name: info for name, info in fields.items() if name not in in_path and name not in in_query}
    parameters = [_parameter(name, fields[name], Path) for name in in_path]
    parameters += [_parameter(name, fields[name], Query) for name in in_query]
    if body:
        model = _body_model(operation, body)
        optional = all(not info.is_required() for info in body.values())
        parameters.append(
            _keyword("pave_body", Annotated[model, Body()], None if optional else inspect.Parameter.empty)
        )
    if operation.dry_run:
        about = "Show the plan and its verdict; change nothing."
        parameters.append(_keyword("dry_run", Annotated[bool, Query(description=about)], default=False))
    if not operation.read_only:
        about = "Asked again with the same key, it happens once."
        annotation = Annotated[str, Header(alias="Idempotency-Key", max_length=200, description=about)]
        parameters.append(_keyword("pave_key", annotation, default=""))
    known = {fields[name].alias or name for name in in_query} | ({"dry_run"} if operation.dry_run else set())

    def endpoint(request: Request, response: Response, **given: Any) -> Any:
        unknown = sorted(set(request.query_params) - known)
        if unknown:
            raise RequestValidationError(
                [{"type": "extra_forbidden", "loc": ("query", one), "msg": ""} for one in unknown]
            )
        call = _call(operation, request, given)
        sent = given.pop("pave_body", None)
        values = {fields[name].alias or name: value for name, value in given.items()}
        if sent is not None:
            values |= sent.model_dump(by_alias=True, exclude_unset=True)
        result = operation.carry_out(context(call), operation.input.model_validate(values))
        run = getattr(result, "id", "") if operation.starts_run else ""
        if run:
            response.headers["Location"] = f"{PREFIX}/runs/{run}"
        elif operation.starts_run:
            response.status_code = 200
        return result

    fixed = [_keyword("request", Request), _keyword("response", Response)]
    endpoint.__signature__ = inspect.Signature([*fixed, *parameters])  # type: ignore[attr-defined]
    api.add_api_route(
        PREFIX + path,
        endpoint,
        methods=[method],
        status_code=202 if operation.starts_run else 200,
        response_model=operation.output,
        tags=[operation.name.partition(".")[0]],
        name=operation.name,
        max_body_size=MAX_BODY,
        operation_id=operation.name,
        summary=operation.summary,
        description=_description(operation),
        responses=_responses(operation),
        openapi_extra={"security": [{"token": []}], "x-pave-command": f"pave {operation.cli}"},
    )


def _call(operation: Operation[Any, Any], request: Request, given: dict[str, Any]) -> Call:
    principal: Principal | None = request.state.principal
    if principal is None:
        raise Forbidden(error("Nobody is signed in"))
    missing = operation.missing(principal.scopes)
    if missing:
        raise Forbidden(
            error(
                f"{principal.actor.short} may not do this: {operation.name} needs {', '.join(missing)}",
                remedy="Ask with a token that has these scopes, or ask someone who may.",
            )
        )
    return Call(
        actor=principal.actor,
        door=_door(request),
        scopes=principal.scopes,
        key=given.pop("pave_key", ""),
        dry_run=given.pop("dry_run", False),
        behalf=principal.behalf,
    )


def _door(request: Request) -> str:
    # The command line speaks REST too; it says so, for the record only: no decision depends on it.
    if request.headers.get("user-agent", "").startswith("pave-cli/"):
        return "cli"
    return "rest" if "authorization" in request.headers else "portal"


def _parameter(name: str, info: FieldInfo, kind: Callable[..., Any]) -> inspect.Parameter:
    extra: dict[str, Any] = {"description": info.description}
    if kind is not Path and info.alias:
        extra["alias"] = info.alias
    annotation = operator.getitem(Annotated, (info.annotation, *info.metadata, kind(**extra)))
    default = (
        inspect.Parameter.empty if kind is Path or info.is_required() else info.get_default(call_default_factory=True)
    )
    return _keyword(name, annotation, default)


def _keyword(name: str, annotation: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


def _body_model(operation: Operation[Any, Any], body: Mapping[str, FieldInfo]) -> type[BaseModel]:
    whole = operation.input
    if len(body) == len(whole.model_fields) and whole.model_config.get("extra") == "forbid":
        return whole
    fields: dict[str, Any] = {name: (info.annotation, info) for name, info in body.items()}
    config = ConfigDict(extra="forbid", title=whole.__name__, populate_by_name=True)
    return create_model(f"{whole.__name__}Body", __config__=config, **fields)


def _description(operation: Operation[Any, Any]) -> str:
    parts = [inspect.getdoc(operation.input) or "" if operation.input.__doc__ else ""]
    if operation.destructive:
        parts.append("**Takes something away.** What holds data can be restored for a while.")
    if operation.starts_run:
        parts.append("Answers with a run, before the work is done.")
    parts.append(f"Needs the scopes: {', '.join(f'`{one}`' for one in operation.scopes) or 'none'}.")
    return "\n\n".join(part for part in parts if part)


def _responses(operation: Operation[Any, Any]) -> dict[int | str, dict[str, Any]]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    statuses = {401: "Nobody is signed in", 403: "Not allowed", 404: "Not there", 422: "The input is not accepted"}
    if not operation.read_only:
        statuses |= {409: "Not possible the way things are now"}
    responses: dict[int | str, dict[str, Any]] = {
        status: {"description": about, "content": content} for status, about in statuses.items()
    }
    if operation.starts_run:
        header = {"description": "The run.", "schema": {"type": "string", "format": "uri-reference"}}
        responses[202] = {"description": "Accepted: a run carries it out.", "headers": {"Location": header}}
    return responses


def openapi(api: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document: routes, the problem schema, and how to authenticate."""
    if api.openapi_schema is None:
        document = FastAPI.openapi(api)
        components = document.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas["Problem"] = ProblemView.model_json_schema()
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        api.openapi_schema = document
    return api.openapi_schema


def _add_handlers(api: FastAPI, operations: Mapping[str, Operation[Any, Any]]) -> None:
    def answer(request: Request, problem: Problem) -> JSONResponse:
        return problem.response(getattr(request.state, "request_id", ""))

    def known(request: Request) -> Sequence[str]:
        operation = operations.get(getattr(request.scope.get("route"), "operation_id", ""))
        if operation is None:
            return []
        in_path = split(operation.rest)[2]
        return [info.alias or name for name, info in operation.input.model_fields.items() if name not in in_path]

    async def invalid(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, RequestValidationError | ValidationError)
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if request.method in ("POST", "PUT", "PATCH") and kind not in ("application/json", "") and await request.body():
            return answer(
                request, Problem("unsupported-media-type", f"The body is {kind[:80]}.", "Send application/json.")
            )
        return answer(request, from_validation(problem.errors(), known(request)))

    async def refused(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, Refused)
        return answer(request, from_refused(problem))

    async def failed(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, ApplyError)
        return answer(request, from_apply_error(problem))

    async def http(request: Request, problem: Exception) -> Response:
        assert isinstance(problem, HTTPException)
        return answer(request, _from_http(problem, request))

    async def broken(request: Request, problem: Exception) -> Response:
        identifier = getattr(request.state, "request_id", "")
        _log.error("request %s failed", identifier, exc_info=problem)
        remedy = f"Look for {identifier} in the server's log; this is a defect in Pave."
        return answer(request, Problem("internal", "Something in Pave went wrong.", remedy))

    api.add_exception_handler(RequestValidationError, invalid)
    api.add_exception_handler(ValidationError, invalid)
    api.add_exception_handler(Refused, refused)
    api.add_exception_handler(ApplyError, failed)
    api.add_exception_handler(HTTPException, http)
    api.add_exception_handler(Exception, broken)


def _from_http(problem: HTTPException, request: Request) -> Problem:
    headers = dict(problem.headers or {})
    path = request.url.path
    if problem.status_code == 405:
        allowed = headers.get("Allow") or headers.get("allow") or ""
        remedy = f"{path} takes {allowed}." if allowed else ""
        return Problem("method-not-allowed", f"{request.method} is not possible on {path}.", remedy, headers=headers)
    said = str(problem.detail)
    return {
        401: Problem("unauthenticated", said, headers=headers),
        403: Problem("forbidden", said),
        404: Problem("unknown", f"There is nothing at {path}.", "GET /api/v1/openapi.json lists what there is."),
        413: TOO_LARGE,
        503: Problem("unavailable", said, headers=headers),
    }.get(problem.status_code) or Problem(
        "malformed", said, "Send one JSON object as application/json.", headers=headers
    )
