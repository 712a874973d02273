"""One call to a forge's API: bounded in time and size, without redirects, and with errors that say what is next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from pave.apply.retry import Transient
from pave.model.diagnostics import Refused, Unknown, error
from pave.model.repository_url import RepositoryUrl
from pave.ports import ForgeEvent

_TIMEOUT = httpx.Timeout(10.0, connect=5.0)
_MOST_ANSWER = 20_000
_LONGEST_WAIT = 3600.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def site(url: str, token: str, setting: str) -> Site:
    """A forge by the address in its settings, which is https where it does not say. Raises `Refused`."""
    url = url.strip()
    whole = url if "://" in url or not url else f"https://{url}"
    return Site(whole.rstrip("/"), token, setting)


@dataclass(frozen=True)
class Site:
    """Where a forge is and with which token it may be spoken to; the token goes there and nowhere else.

    `setting` is the beginning of its settings' names.
    """

    url: str
    token: str = field(default="", repr=False)
    setting: str = ""

    def __post_init__(self) -> None:
        if not self.url:
            return
        parts = urlsplit(self.url)
        if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.query:
            raise Refused(
                error(f"{self.setting}_url is not the address of a forge", remedy="Give its host: git.example.com")
            )
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise Refused(
                error(
                    f"{self.setting}_url is not https",
                    detail="The token would be readable on its way.",
                    remedy="Give the forge's https address.",
                )
            )

    def path_of(self, repository_url: str) -> str:
        """The path of a repository at this forge (`acme/orders`); empty for one that is elsewhere."""
        found, here = RepositoryUrl.read(repository_url), urlsplit(self.url)
        if found is None or found.host != (here.hostname or "").lower():
            return ""
        below = here.path.strip("/")
        return found.path.removeprefix(f"{below}/") if below else found.path

    def own(self, event: ForgeEvent | None) -> ForgeEvent | None:
        """An event with those addresses only that are at this forge. Raises `Unknown` where none is.

        Who knows one forge's secret has nothing to say about what is at another one.
        """
        if event is None:
            return None
        urls = tuple(one for one in event.urls if self.path_of(one))
        here = urlsplit(self.url).hostname
        if not urls or (event.link and urlsplit(event.link).hostname != here):
            raise Unknown(
                error(
                    f"{event.repository} is not at the forge of {self.setting}_url",
                    remedy=f"Set {self.setting}_url to where the forge is, as it names itself in its own links.",
                )
            )
        return replace(event, urls=urls)


def post(site: Site, url: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> None:
    """Send a JSON document. Raises `Transient` for what passes by itself, `Refused` for what does not."""
    try:
        with (
            httpx.Client(timeout=_TIMEOUT, follow_redirects=False) as client,
            client.stream("POST", url, headers={"User-Agent": "pave", **headers}, json=body) as answer,
        ):
            said = _said(answer)
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise Transient(
            error(f"{_host(site)} cannot be reached: {type(problem).__name__}", remedy="It is tried again by itself.")
        ) from None  # the request, with its token, is not kept in what is logged
    if answer.is_success:
        return
    wait = _wait(answer)
    summary = f"{_host(site)} answered {answer.status_code}"
    limited = answer.status_code == 403 and ("retry-after" in answer.headers or _used_up(answer))
    if answer.status_code in (408, 425, 429) or answer.status_code >= 500 or limited:
        raise Transient(error(summary, detail=said, remedy="It is tried again by itself."), wait)
    raise Refused(error(summary, detail=said, remedy=_remedy(site, answer.status_code)))


def _remedy(site: Site, status: int) -> str:
    match status:
        case 401:
            return f"Set {site.setting}_token to a token that is valid."
        case 403 | 404:
            return f"The token of {site.setting}_token must be allowed to set commit statuses of this repository."
        case 301 | 302 | 307 | 308:
            return "The repository was moved there: import it from its new address."
        case _:
            return "See what the forge says."


def _said(answer: httpx.Response) -> str:
    """The beginning of what a forge says of a failure, on one line."""
    data = b""
    for chunk in answer.iter_bytes():
        data += chunk
        if len(data) > _MOST_ANSWER:
            break
    text = data.decode(errors="replace")
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())[:200]


def _wait(answer: httpx.Response) -> float:
    """Seconds that the forge wants to be left alone, at most an hour."""
    given = answer.headers.get("retry-after", "")
    seconds = 0.0
    if given.isascii() and given.isdecimal():
        seconds = float(given[:9])
    elif given:
        try:
            at = parsedate_to_datetime(given)
            seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        except ValueError:
            seconds = 0.0
    elif _used_up(answer) and (reset := answer.headers.get("x-ratelimit-reset", "")).isdecimal():
        seconds = float(reset[:12]) - datetime.now(UTC).timestamp()
    return min(max(seconds, 0.0), _LONGEST_WAIT)


def _used_up(answer: httpx.Response) -> bool:
    return bool(answer.headers.get("x-ratelimit-remaining", "") == "0")


def _host(site: Site) -> str:
    return urlsplit(site.url).hostname or ""
