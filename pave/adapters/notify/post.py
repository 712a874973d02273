"""One HTTP request to a receiver: bounded in time and size as a whole, never redirected."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from pave.apply.retry import Transient
from pave.model.diagnostics import Refused, error

SECONDS = 10.0
"""What one delivery may take, however slowly a receiver trickles."""
_TIMEOUT = httpx.Timeout(5.0, connect=3.0)
_MOST_ANSWER = 2_000
_LONGEST_WAIT = 3600.0


def post(url: str, headers: Mapping[str, str], body: bytes, seconds: float = SECONDS) -> None:
    """Send a JSON body. Raises `Transient` for what passes by itself, `Refused` for what does not."""
    host = urlsplit(url).hostname or ""
    late = threading.Event()
    with httpx.Client(timeout=_TIMEOUT, follow_redirects=False) as client:

        def cut() -> None:
            late.set()
            client.close()

        timer = threading.Timer(seconds, cut)
        timer.start()
        try:
            sent = {"User-Agent": "pave", "Content-Type": "application/json", **headers}
            with client.stream("POST", url, headers=sent, content=body) as answer:
                said = _beginning(answer)
        except Exception as problem:
            if not late.is_set() and not isinstance(problem, (httpx.HTTPError, httpx.InvalidURL)):
                raise
            why = f"did not answer within {seconds:.0f} s" if _slow(problem, late) else "cannot be reached"
            summary = f"{host} {why} ({type(problem).__name__})"
            raise Transient(error(summary, remedy="It is tried again by itself.")) from None  # the URL may be secret
        finally:
            timer.cancel()
    if answer.is_success:
        return
    summary = f"{host} answered {answer.status_code}"
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500:
        raise Transient(error(summary, detail=said, remedy="It is tried again by itself."), _wait(answer))
    raise Refused(error(summary, detail=said, remedy="Check the address with whoever runs the receiver."))


def _slow(problem: Exception, late: threading.Event) -> bool:
    return late.is_set() or isinstance(problem, httpx.TimeoutException)


def _beginning(answer: httpx.Response) -> str:
    data = b""
    for chunk in answer.iter_raw():
        data += chunk
        if len(data) > _MOST_ANSWER:
            break
    text = data[:_MOST_ANSWER].decode(errors="replace")
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:200]


def _wait(answer: httpx.Response) -> float:
    given = answer.headers.get("retry-after", "")
    return min(float(given[:9]), _LONGEST_WAIT) if given.isascii() and given.isdecimal() else 0.0
