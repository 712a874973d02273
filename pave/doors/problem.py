"""Errors as every HTTP door says them: RFC 9457 `application/problem+json`.

One table maps what went wrong to a status and a stable type. A problem never repeats the input's
values and never shows the inside of a failure; the request id leads to the log.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse

from pave.apply.retry import ApplyError, Cancelled, Moved, Stale, Transient, Waiting
from pave.model.diagnostics import Conflict, Forbidden, Refused, Unknown

MEDIA_TYPE = "application/problem+json"
MAX_BODY = 1_000_000

TITLES: Mapping[str, tuple[int, str]] = {
    "malformed": (400, "The request cannot be read"),
    "unauthenticated": (401, "Nobody is signed in"),
    "forbidden": (403, "Not allowed"),
    "unknown": (404, "Not there"),
    "method-not-allowed": (405, "Not possible here"),
    "conflict": (409, "Not possible the way things are now"),
    "too-large": (413, "The request is too large"),
    "unsupported-media-type": (415, "Only JSON is read"),
    "misdirected": (421, "This is not the host that was asked for"),
    "invalid": (422, "The input is not accepted"),
    "internal": (500, "Pave failed"),
    "unavailable": (503, "Not ready yet"),
}
"""Status and title by problem name; the type is `urn:pave:problem:<name>` and never changes its meaning."""


@dataclass(frozen=True)
class Problem:
    """One problem. `errors` are `{pointer, detail}`; `diagnostics` as `Diagnostic.as_data` gives them."""

    name: str
    detail: str
    remedy: str = ""
    errors: Sequence[Mapping[str, Any]] = ()
    diagnostics: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status."""
        return TITLES[self.name][0]

    def as_data(self, request_id: str = "") -> dict[str, Any]:
        """JSON form; empty parts are left away."""
        data = {
            "type": f"urn:pave:problem:{self.name}",
            "title": TITLES[self.name][1],
            "status": self.status,
            "detail": self.detail,
            "remedy": self.remedy,
            "errors": list(self.errors),
            "diagnostics": list(self.diagnostics),
            "request": request_id,
        }
        return {key: value for key, value in data.items() if value}

    def response(self, request_id: str = "") -> JSONResponse:
        """The HTTP answer."""
        return JSONResponse(
            self.as_data(request_id), status_code=self.status, headers=dict(self.headers), media_type=MEDIA_TYPE
        )


TOO_LARGE = Problem("too-large", f"A request body may have at most {MAX_BODY:,} bytes.", "Send less at once.")


def from_refused(refused: Refused) -> Problem:
    """A refused input, with every reason."""
    names = {Unknown: "unknown", Forbidden: "forbidden", Conflict: "conflict"}
    name = next((name for type_, name in names.items() if isinstance(refused, type_)), "invalid")
    found = refused.diagnostics
    first = found[0] if found else None
    return Problem(
        name,
        detail=first.summary + (f". {first.detail}" if first.detail else "") if first else "",
        remedy=first.remedy if first else "",
        errors=[{"pointer": pointer(one.path.split(".")), "detail": one.summary} for one in found if one.path],
        diagnostics=[one.as_data() for one in found],
    )


def from_apply_error(failed: ApplyError) -> Problem:
    """An effect that did not happen; the error's type says whether asking again can help."""
    found = failed.diagnostic
    again = isinstance(failed, Waiting | Transient)
    conflict = isinstance(failed, Stale | Moved | Cancelled)
    return Problem(
        "unavailable" if again else "conflict" if conflict else "invalid",
        detail=found.summary + (f". {found.detail}" if found.detail else ""),
        remedy=found.remedy,
        diagnostics=[found.as_data()],
        headers={"Retry-After": "2"} if again else {},
    )


def from_validation(found: Iterable[Mapping[str, Any]], known: Iterable[str] = ()) -> Problem:
    """Pydantic's errors, without the values that were sent; an unknown key names the nearest known one."""
    errors = []
    for one in found:
        where = [part for part in one["loc"] if part not in ("body", "query", "path", "header")]
        if one["type"] == "json_invalid":
            return Problem("malformed", "The body is not valid JSON.", remedy="Send one JSON object.")
        detail = str(one["msg"]).removeprefix("Value error, ")
        if one["type"] == "extra_forbidden" and where:
            detail = unknown_key(str(where[-1]), known)
        errors.append({"pointer": pointer(where), "detail": detail})
    summary = "; ".join(f"{one['pointer'] or 'input'}: {one['detail']}" for one in errors)
    return Problem("invalid", summary, remedy="Correct these fields and send the request again.", errors=errors)


def unknown_key(key: str, known: Iterable[str]) -> str:
    """What to say of a key that nobody reads."""
    names = sorted(known)
    near = difflib.get_close_matches(key, names, n=1)
    return "is not known; " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(names) or 'none'}")


def pointer(parts: Iterable[object]) -> str:
    """RFC 6901: a JSON pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
