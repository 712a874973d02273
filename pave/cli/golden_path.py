"""The golden path: what a newcomer does first, one function a step, each against the running platform.

A step returns one sentence about what came of it, and raises where it did not hold. They are in the order
of `STEPS`; later ones use what earlier ones made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pygit2

from pave.cli.client import Client
from pave.cli.receiver import Receiver

EIGHT = [
    {"name": f"{name}{number}", "type": type_}
    for number in (1, 2)
    for name, type_ in (("db", "postgres"), ("queue", "queue"), ("files", "s3"), ("cache", "redis"))
]
_APP = """\
import os
from http.server import BaseHTTPRequestHandler, HTTPServer


class Hello(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{text}")


HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Hello).serve_forever()
"""


class NotHeld(Exception):
    """What should be so is not."""


@dataclass
class Tour:
    """One walk: the client, a folder of the visitor's own, who is paged, and what was made on the way."""

    client: Client
    folder: Path
    receiver: Receiver | None = None
    urls: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """Ask for something and wait until its run has ended. Raises `NotHeld` where it did not succeed."""
        run = self.client.call(method, path, body=body)
        while run["state"] in ("pending", "running", "waiting"):
            run = self.client.call("GET", f"/runs/{run['id']}", {"wait": 30})
        if run["state"] != "succeeded":
            error = run["error"] or {}
            raise NotHeld(f"{run['kind']} of {run['subject']} {run['state']}: {error.get('summary') or run['verdict']}")
        found: Mapping[str, Any] = run
        return found

    def visit(self, url: str, **request: Any) -> httpx.Response:
        """Ask the router, which listens on loopback, for a host below localhost; as a browser would."""
        parts = httpx.URL(url)
        headers = {"Host": parts.netloc.decode()}
        method = request.pop("method", "GET")
        return httpx.request(
            method, parts.copy_with(host="127.0.0.1"), headers=headers, timeout=10, trust_env=False, **request
        )

    def says(self, url: str, text: str, seconds: float = 5.0) -> None:
        """Wait until `url` says `text`. Raises `NotHeld`."""
        until = time.monotonic() + seconds
        while (answer := self.visit(url)).text != text:
            if time.monotonic() > until:
                raise NotHeld(f"{url} says {answer.text[:80]!r}, not {text!r}")
            time.sleep(0.05)


def new_service(tour: Tour) -> str:
    """A service from a template: repository, build, database, processes, route."""
    run = tour.ask("POST", "/components", {"name": "orders", "template": "python-service", "owner": "payments"})
    tour.urls["dev"] = next(iter(run["result"]["urls"].values()))
    return f"orders is live at {tour.urls['dev']} from commit {run['result']['commit'][:7]}"


def use_service(tour: Tour) -> str:
    """The service answers through the router and keeps what it is told in a PostgreSQL of its own."""
    item = tour.visit(f"{tour.urls['dev']}/items", method="POST", json={"name": "first order"})
    if item.status_code not in (200, 201):
        raise NotHeld(f"POST /items answered {item.status_code}")
    if "first order" not in tour.visit(f"{tour.urls['dev']}/items").text:
        raise NotHeld("the item is not there")
    reached = tour.client.call("POST", "/resources/dev/orders/db/credentials")
    with psycopg.connect(reached["variables"]["DATABASE_URL"]) as connection:
        version = str((connection.execute("SHOW server_version").fetchone() or ("?",))[0])
    return f"an item written over HTTP; its PostgreSQL {version} answers to a client of its own"


def add_queue(tour: Tour) -> str:
    """A queue for the service; it gets the variables and is switched over without an interruption."""
    tour.ask("POST", "/resources", {"component": "orders", "name": "events", "type": "queue"})
    if "first order" not in tour.visit(f"{tour.urls['dev']}/items").text:
        raise NotHeld("the service lost its data")
    return "dev/orders/events is there, and the service was switched to know it"


def eight_resources(tour: Tour) -> str:
    """2 databases, 2 queues, 2 buckets and 2 caches in one change: the article's mark is 90 seconds."""
    began = time.monotonic()
    tour.ask("POST", "/resources/batch", {"component": "reports", "resources": EIGHT})
    return f"2 databases, 2 queues, 2 buckets, 2 caches in {time.monotonic() - began:.1f} s, servers started on the way"


def own_environment(tour: Tour) -> str:
    """An environment of one's own, with the service in it at the version that runs in dev."""
    run = tour.ask("POST", "/environments", {"name": "dana-try", "from": "dev", "components": ["orders"]})
    url = next(iter(run["result"]["urls"].values()))
    if tour.visit(f"{url}/items").json() not in ([], {"items": []}):
        raise NotHeld("the new environment shares data with dev")
    return f"dana-try answers at {url}, with an empty database of its own"


def take_in(tour: Tour) -> str:
    """A repository that was not written for Pave: a Procfile, nothing else."""
    _commit(tour.folder, "one")
    run = tour.ask("POST", "/components/import", {"url": str(tour.folder), "name": "hello"})
    tour.urls["hello"] = next(iter(run["result"]["urls"].values()))
    tour.says(tour.urls["hello"], "one")
    return f"a repository with a Procfile answers at {tour.urls['hello']}"


def new_version(tour: Tour) -> str:
    """A new commit, deployed; no request is lost on the way."""
    _commit(tour.folder, "two")
    tour.ask("POST", "/stacks/dev/hello/deploy")
    tour.says(tour.urls["hello"], "two")
    return "commit two serves, the old processes were drained"


def rollback(tour: Tour) -> str:
    """Back to the version before, and pinned there."""
    tour.ask("POST", "/stacks/dev/hello/rollback", {"reason": "two was a mistake"})
    tour.says(tour.urls["hello"], "one")
    stack = tour.client.call("GET", "/stacks/dev/hello")
    if not stack["pin"]:
        raise NotHeld("the stack is not pinned")
    return f"commit one serves again, pinned: {stack['pin']}"


def undo_removal(tour: Tour) -> str:
    """A removed database comes back with its rows."""
    reached = tour.client.call("POST", "/resources/dev/reports/db1/credentials")
    with psycopg.connect(reached["variables"]["DATABASE_URL"]) as connection:
        connection.execute("CREATE TABLE kept (it text)")
        connection.execute("INSERT INTO kept VALUES ('still here')")
    tour.ask("DELETE", "/resources/dev/reports/db1")
    tour.ask("POST", "/resources/dev/reports/db1/restore")
    reached = tour.client.call("POST", "/resources/dev/reports/db1/credentials")
    with psycopg.connect(reached["variables"]["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT it FROM kept").fetchone()
    if row != ("still here",):
        raise NotHeld("the rows did not come back")
    return "removed, restored, its rows are there"


def self_heal(tour: Tour) -> str:
    """What was asked for by hand and not through Git: the state of the stack is what Git says, again."""
    run = tour.ask("POST", "/stacks/dev/orders/converge")
    changed = [one for one in run["plan"]["changes"] if one["action"] != "none"]
    if changed:
        raise NotHeld(f"an unchanged stack would change: {changed[0]['address']}")
    return "dev/orders is exactly what Git says; nothing to do"


def clean_up(tour: Tour) -> str:
    """Everything of the tour is taken away, by the same way in."""
    tour.ask("DELETE", "/environments/dana-try")
    stacks = [one["address"] for one in tour.client.call("GET", "/stacks")["stacks"]]
    for stack in stacks:
        if not stack.startswith("prod/"):
            tour.ask("DELETE", f"/stacks/{stack}")
    kept = tour.client.call("DELETE", "/stacks/prod/orders", {"dry_run": "true"})
    if kept["state"] != "denied":
        raise NotHeld("one person alone could remove a database of production")
    left = [one["address"] for one in tour.client.call("GET", "/stacks")["stacks"]]
    if "prod/orders" not in left or not all(one.startswith("prod/") for one in left):
        raise NotHeld(f"{left} are still there")
    return "what was removed waits in the trash for 7 days; production keeps its data until a second person agrees"


STEPS: tuple[tuple[str, Callable[[Tour], str]], ...] = (
    ("A service from a template", new_service),
    ("It answers, and keeps data", use_service),
    ("A queue for it", add_queue),
    ("Eight resources at once", eight_resources),
    ("An own environment", own_environment),
    ("An existing repository, as it is", take_in),
    ("A new version", new_version),
    ("A rollback", rollback),
    ("A removed database comes back", undo_removal),
    ("Git and the world agree", self_heal),
)
TEARDOWN = ("A clean teardown", clean_up)


def _commit(folder: Path, text: str) -> None:
    """Commit a tiny web program that says `text` to the visitor's repository."""
    repository = pygit2.init_repository(str(folder), initial_head="main")
    (folder / "web.py").write_text(_APP.replace("{text}", text))
    (folder / "Procfile").write_text("web: python web.py\n")
    (folder / "requirements.txt").write_text("")
    repository.index.add_all()
    repository.index.write()
    visitor = pygit2.Signature("A visitor", "visitor@example.invalid", int(time.time()), 0)
    parents = [] if repository.head_is_unborn else [repository.head.target]
    repository.create_commit("HEAD", visitor, visitor, f"Say {text}\n", repository.index.write_tree(), parents)
