"""Talks to a Pave server: finds it, asks it, follows a run until its end, through restarts of the server.

It knows HTTP and nothing of commands or terminals.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pave import __version__
from pave.doors.presence import find

PREFIX = "/api/v1"
PATIENCE = 60.0


class Unreachable(Exception):
    """No server answers at `url` (empty: none was found)."""

    def __init__(self, url: str, reason: str = "") -> None:
        self.url = url
        self.reason = reason
        super().__init__(f"{url}: {reason}")


class Refusal(Exception):
    """The server answered with a problem."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        self.problem = problem
        super().__init__(str(problem.get("detail") or problem.get("title")))


@dataclass(frozen=True)
class Target:
    """Which server to speak to, and as whom. `token` is kept out of reprs."""

    url: str
    token: str


def data_directory(given: Path | None) -> Path:
    """`--data`, or the nearest `.pave` here or above, or `./.pave`."""
    if given is not None:
        return given.absolute()
    here = Path.cwd()
    found = (folder / ".pave" for folder in (here, *here.parents))
    return next((folder for folder in found if folder.is_dir()), here / ".pave")


def target(data: Path | None, url: str, token: str) -> Target:
    """Find the server: `url`, or the one that serves `data`. Its token file is only used for that very server.

    Raises `Unreachable`.
    """
    presence = find(data_directory(data))
    if url:
        own = presence.token if presence and presence.url.rstrip("/") == url.rstrip("/") else ""
        return Target(url.rstrip("/"), token or own)
    if presence is None:
        raise Unreachable("", f"no server runs on {data_directory(data)}")
    return Target(presence.url.rstrip("/"), token or presence.token)


class Client:
    """One server."""

    def __init__(self, target: Target) -> None:
        self.url = target.url
        self.token = target.token
        headers = {"User-Agent": f"pave-cli/{__version__}", "Accept": "application/json"}
        if target.token:
            headers["Authorization"] = f"Bearer {target.token}"
        # Loopback is never behind a proxy, and a proxy must never see the token.
        self._http = httpx.Client(
            base_url=target.url, headers=headers, timeout=httpx.Timeout(70, connect=5), trust_env=False
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | None = None,
        key: str = "",
    ) -> Any:
        """One request below /api/v1; the decoded answer. Raises `Refusal`, `Unreachable`.

        With a `key` (or for a read) a lost answer is asked for again: it cannot happen twice.
        """
        headers = {"Idempotency-Key": key} if key else {}
        tries = 3 if key or method == "GET" else 1
        for left in reversed(range(tries)):
            try:
                response = self._http.request(method, PREFIX + path, params=query, json=body, headers=headers)
                break
            except httpx.ConnectError as problem:
                raise Unreachable(self.url, "nothing answers there") from problem
            except httpx.HTTPError as problem:
                if not left:
                    raise Unreachable(self.url, str(problem) or type(problem).__name__) from problem
                time.sleep(0.2)
        return _decode(response)

    def follow(self, run: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(`event` | `run` | `end`, data) until the run ends; resumes where the stream broke.

        Raises `Unreachable` where the server stays away for a minute, `Refusal` where there is no such run.
        """
        last = ""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                for kind, identifier, data in self._stream(f"{PREFIX}/runs/{run}/events", last):
                    last = identifier or last
                    until = time.monotonic() + PATIENCE
                    yield kind, data
                    if kind == "end":
                        return
            except httpx.HTTPError as problem:
                if time.monotonic() > until:
                    raise Unreachable(self.url, "the server went away; the run goes on when it is back") from problem
            if time.monotonic() > until:
                raise Unreachable(self.url, "the stream ends again and again")
            time.sleep(0.3)

    def stream(self, path: str, query: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(kind, data) of a stream below /api/v1 that has no end; resumes where it broke.

        Raises `Unreachable` where the server stays away for a minute, `Refusal` for what it does not take.
        """
        last, until = "", time.monotonic() + PATIENCE
        while True:
            try:
                for kind, identifier, data in self._stream(PREFIX + path, last, query):
                    last = identifier or last
                    until = time.monotonic() + PATIENCE
                    yield kind, data
                until = time.monotonic() + PATIENCE
            except httpx.HTTPError as problem:
                if time.monotonic() > until:
                    raise Unreachable(self.url, "the server went away") from problem
            time.sleep(0.3)

    def _stream(
        self, path: str, last: str, query: Mapping[str, Any] | None = None
    ) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        timeout = httpx.Timeout(45, connect=5)
        with self._http.stream("GET", path, params=query, headers=headers, timeout=timeout) as response:
            if response.status_code >= 500:
                return
            if response.status_code >= 400:
                response.read()
                _decode(response)
            fields: dict[str, str] = {}
            for line in response.iter_lines():
                name, _, value = line.partition(":")
                if line and name:
                    fields[name] = value.removeprefix(" ")
                elif not line and "data" in fields:
                    yield fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"])
                    fields = {}


def alive(url: str) -> bool:
    """Whether a Pave server answers there."""
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"{url}/healthz", timeout=2, trust_env=False).status_code == 200
    return False


def _decode(response: httpx.Response) -> Any:
    try:
        data = response.json()
    except ValueError:
        data = {"title": f"The server answered {response.status_code}", "detail": response.text[:200]}
        raise Refusal(data) from None
    if response.status_code >= 400:
        raise Refusal(data if isinstance(data, dict) else {"title": f"The server answered {response.status_code}"})
    return data
