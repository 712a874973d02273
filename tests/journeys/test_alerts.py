"""A release that breaks: the alert reaches a real receiver, the version goes back by itself, and all of it is shown.

It needs what is measured of everything, so it is skipped where nothing is.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line_for_tests import pave
from platform_for_tests import Platform, commit_all, platform, repository
from receiver_for_tests import Receiver, receiving
from visitor_for_tests import Visitor

pytest.importorskip("pave.adapters.postgres.metrics", reason="nothing is measured here")
pytestmark = pytest.mark.timeout(300)

APP = """\
import http.server
import os


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(BAD if self.path == "/orders" else 200)
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""
COMPONENT = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata:
  name: orders
  annotations:
    pave.dev/rollback-on: availability-burn
    pave.dev/runbook: docs/runbook.md
spec: {type: service, lifecycle: production, owner: group:payments}
"""
CHANNEL = """\
apiVersion: pave/v1
kind: Notifications
metadata: {name: payments}
spec:
  for: group:payments
  channels: [{name: chat, type: webhook, address: chat}]
"""
FILES = {
    "Procfile": "web: python app.py\n",
    "requirements.txt": "",
    "app.py": APP.replace("BAD", "200"),
    "catalog-info.yaml": COMPONENT,
}


@dataclass
class Broken:
    """What came of it: times are of the machine's clock, seconds."""

    there: Platform
    receiver: Receiver
    good: str = ""
    bad: str = ""
    failed_at: float = 0.0
    told_at: float = 0.0
    statuses: list[int] = field(default_factory=list)

    def said(self, event: str) -> list[dict[str, Any]]:
        return [one for post in self.receiver.got for one in post["messages"] if one["event"] == event]

    def wait(self, holds: Any, what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"{what}: not within {seconds} s\n{self.there.said()}"
            time.sleep(0.1)


@contextlib.contextmanager
def asking(broken: Broken) -> Iterator[None]:
    """Somebody who asks for their orders ten times a second."""
    stop = threading.Event()
    found = broken.there.status("dev/orders")
    assert found is not None
    url = httpx.URL(next(iter(found["urls"].values())))

    def ask() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{url.port}", headers={"Host": url.host}, timeout=5) as client:
            while not stop.wait(0.1):
                with contextlib.suppress(httpx.HTTPError):
                    broken.statuses.append(client.get("/orders").status_code)
                    if broken.statuses[-1] >= 500 and not broken.failed_at:
                        broken.failed_at = time.monotonic()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(10)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broken]:
    folder = tmp_path_factory.mktemp("alerts")
    with receiving() as receiver, platform(folder / "data", PAVE_NOTIFY_ADDRESSES=f"chat={receiver.url}") as there:
        found = Broken(there, receiver)
        visitor = Visitor(there, folder)
        visitor.clone("platform")
        visitor.git("checkout", "--quiet", "-B", "reach-us", "origin/main", at="platform")
        visitor.commit("platform", "notifications/group/payments.yaml", CHANNEL)
        checked = there.ended(visitor.run_of(visitor.push("platform", "reach-us")))
        there.ended(checked["result"]["next"])
        repository(folder / "import", FILES)
        there.done("POST", "/components/import", {"url": str(folder / "import"), "name": "orders"})
        found.good = (there.status("dev/orders") or {})["commit"]
        with asking(found):
            found.wait(lambda: len(found.statuses) > 300, "thirty seconds of good service")
            (folder / "import" / "app.py").write_text(APP.replace("BAD", "500"))
            commit_all(folder / "import", "Answer orders with an error")
            there.done("POST", "/stacks/dev/orders/deploy", {})
            found.wait(lambda: found.failed_at, "the bad version answers")
            found.wait(lambda: found.said("alert.firing"), "somebody is told")
            found.told_at = time.monotonic()
            found.wait(lambda: (there.status("dev/orders") or {})["commit"] == found.good, "the good version is back")
            found.wait(lambda: found.said("alert.resolved"), "somebody is told that it is over", 150)
        yield found
        there.settle()
        there.check()


def test_somebody_is_told_soon(broken: Broken) -> None:
    assert broken.told_at - broken.failed_at <= 30, "the figure itself is a benchmark's matter"
    (message,) = broken.said("alert.firing")[:1]
    assert message["title"].startswith("dev/orders: ")
    rules = {one["rule"] for said in broken.said("alert.firing") for one in said["alerts"]}
    assert "availability-burn" in rules


def test_it_says_what_was_changed_before_and_what_to_do(broken: Broken) -> None:
    alert = next(
        one for said in broken.said("alert.firing") for one in said["alerts"] if one["rule"] == "availability-burn"
    )
    assert alert["changes"][0]["cause"] == "deploy"
    assert alert["runbook"] == "docs/runbook.md"
    assert alert["rollback"]


def test_the_version_went_back_once_and_by_itself(broken: Broken) -> None:
    found = broken.there.get("/deliveries", component="orders", limit=20)["deliveries"]
    back = [one for one in found if one["cause"] == "rollback"]
    assert len(back) == 1
    (failed,) = [one for one in found if one["outcome"] == "rolled-back"]
    assert back[0]["recovers"].startswith(failed["run"])
    run = broken.there.get(f"/runs/{back[0]['run']}")
    assert run["actor"] == "system:default/pave"
    assert broken.statuses[-1] == 200


def test_the_rollback_is_told_with_its_reason(broken: Broken) -> None:
    broken.wait(lambda: broken.said("run.finished"), "the rollback is told")
    (message,) = broken.said("run.finished")
    assert message["title"] == "dev/orders was rolled back"
    assert "the alert availability-burn fires" in message["text"]


def test_the_command_line_shows_it(broken: Broken) -> None:
    data: Path = broken.there.data
    assert "Broken rules" not in pave(data, "alert", "list")
    listed = pave(data, "alert", "list", "--state", "resolved")
    assert "requests to dev/orders failed in a minute" in listed
    shown = pave(data, "alert", "show", listed.rpartition(" ")[2].strip() or listed.split()[-1])
    assert "Changed before" in shown
    assert "availability" in pave(data, "slo", "list")
    assert "a minute, 20 seconds" in pave(data, "slo", "show", "dev/orders")
    assert "in force" in pave(data, "alert", "rules", "--on", "dev/orders").lower()
    told = pave(data, "notification", "list", "--to", "group:payments")
    assert "dev/orders was rolled back" in told
    assert "payments chat" in pave(data, "alert", "test", "down", "--on", "dev/orders")
    broken.wait(lambda: broken.said("alert.test"), "the test arrives")
