"""Who sent a webhook: signatures are compared in constant time, and before a byte of the body is read as anything."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from typing import NoReturn

from pave.model.diagnostics import Forbidden, error
from pave.ports import Unsigned

STANDARD_SECRET = "whsec_"  # noqa: S105 — what such a secret begins with
TOLERANCE_SECONDS = 300
"""How far the clock of the sender of a signed time may be from ours; as the Standard Webhooks specification has it."""


def need_secret(secret: str, setting: str) -> None:
    """Raise `Forbidden` where no secret is set: without one, anybody could send webhooks."""
    if not secret:
        raise Forbidden(
            error(
                "Webhooks of this forge are not taken: no secret is set",
                detail="Without one, anybody could send them.",
                remedy=f"Set {setting} in pave.toml and the same secret at the forge.",
            )
        )


def check_hex(secret: str, body: bytes, given: str, header: str) -> None:
    """Compare a HMAC-SHA256 in hexadecimal digits. Raises `Unsigned`."""
    if not given:
        unsigned(f"It has no {header}")
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(wanted.encode(), given.strip().lower().encode(errors="replace")):
        unsigned(f"Its {header} does not fit")


def check_token(secret: str, given: str, header: str) -> None:
    """Compare a secret that was sent as it is. Raises `Unsigned`."""
    if not given:
        unsigned(f"It has no {header}")
    if not hmac.compare_digest(secret.encode(), given.encode(errors="replace")):
        unsigned(f"Its {header} does not fit")


def check_standard(secret: str, headers: Mapping[str, str], body: bytes, now: float) -> None:
    """Check a signature of the Standard Webhooks specification. Raises `Unsigned`, or `Forbidden` for a bad secret.

    Signed is `id.timestamp.body`; `webhook-signature` may hold several signatures, of which one must fit.
    """
    try:
        key = base64.b64decode(secret.removeprefix(STANDARD_SECRET), validate=True)
    except binascii.Error as problem:
        raise Forbidden(
            error("The webhook secret cannot be read", remedy="After whsec_ it is Base64: copy it again as a whole.")
        ) from problem
    id_, at, given = (headers.get(f"webhook-{one}", "") for one in ("id", "timestamp", "signature"))
    if not (id_ and at and given):
        unsigned("It has no webhook-id, webhook-timestamp and webhook-signature")
    if not (at.isascii() and at.isdecimal() and len(at) < 16) or abs(now - int(at)) > TOLERANCE_SECONDS:
        unsigned("Its webhook-timestamp is not of these minutes")
    signed = f"{id_}.{at}.".encode(errors="replace") + body
    wanted = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())
    found = [one.removeprefix("v1,").encode(errors="replace") for one in given.split(" ") if one.startswith("v1,")]
    if not any([hmac.compare_digest(wanted, one) for one in found]):  # noqa: C419 — each one is compared
        unsigned("Its webhook-signature does not fit")


def unsigned(why: str) -> NoReturn:
    """Refuse a webhook of nobody knows whom; what was sent is not repeated."""
    raise Unsigned(
        error(
            "It is not known who sent this webhook",
            detail=f"{why}.",
            remedy="Set the same secret at the forge and in Pave, and have the forge send it again.",
        )
    )
