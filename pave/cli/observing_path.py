"""The end of the golden path: a release that breaks under real traffic, an alert, the way back, and what it cost.

Steps like those of `golden_path`, on the `orders` service in production.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from statistics import median
from typing import Any

from pave.cli.delivery_path import at, commit, git, wait_until
from pave.cli.golden_path import NotHeld, Tour
from pave.cli.guardrail_path import merged
from pave.cli.receiver import ADDRESS, Receiver, Visitors, visiting

_ALERT = "availability-burn"
_STACK = "prod/orders"
_CHANNEL = f"""\
apiVersion: pave/v1
kind: Notifications
metadata: {{name: payments}}
spec:
  for: group:payments
  channels:
    - {{name: pager, type: webhook, address: {ADDRESS}, severity: critical, topics: [alert]}}
"""
_DEPLOY = "  deploy:\n"
_SUBSCRIBED = f"{_DEPLOY}    rollbackOn: [{_ALERT}]\n"
_LEAK = """\\1    counted = hello.__dict__
    counted["visits"] = counted.get("visits", 0) + 1
    if counted["visits"] > 100 and counted["visits"] % 2:
        raise RuntimeError("no connection is left for this visit")
"""
_BRANCH = "page-payments"


def subscribe(tour: Tour) -> str:
    """The team says where it is reached, and production that it goes back on an alert: files in Git."""
    if not (tour.folder / "platform").is_dir():
        git(tour, "clone", "--quiet", f"{tour.client.url}/git/platform.git", str(tour.folder / "platform"))
    git(tour, "fetch", "--quiet", "origin", at="platform")
    git(tour, "checkout", "--quiet", "-B", _BRANCH, "origin/main", at="platform")
    channel = tour.folder / "platform" / "notifications" / "group" / "payments.yaml"
    channel.parent.mkdir(parents=True, exist_ok=True)
    channel.write_text(_CHANNEL)
    production = tour.folder / "platform" / "environments" / "prod.yaml"
    production.write_text(production.read_text().replace(_DEPLOY, _SUBSCRIBED, 1))
    git(tour, "add", "--all", at="platform")
    git(tour, "commit", "--quiet", "-m", f"Page payments, and go back where {_ALERT} fires", at="platform")
    git(tour, "push", "--quiet", "origin", _BRANCH, at="platform")
    wait_until("the merge of it", lambda: merged(tour, _BRANCH))
    tour.client.call("POST", "/notifications/test", body={"to": "group:payments", "channel": "pager"})
    wait_until("the test message", lambda: _receiver(tour).said("notification.test"))
    return f"payments is paged by a webhook, which was tried; prod goes back where {_ALERT} fires"


def _receiver(tour: Tour) -> Receiver:
    if tour.receiver is None:
        raise NotHeld("there is no receiver of alerts")
    return tour.receiver


def release(tour: Tour) -> str:
    """A version that passes its tests, its smoke tests and its rollout, and breaks with its hundredth visitor."""
    tour.urls["before"] = str(tour.client.call("GET", f"/stacks/{_STACK}")["commit"])
    git(tour, "pull", "--quiet", "origin", "main")
    made = commit(
        tour,
        "Count visits in memory",
        (r"    import os\n    assert [^\n]*\n", ""),
        (r"(def hello\(\)[^\n]*\n[^\n]*\n)", _LEAK),
    )
    git(tour, "push", "--quiet", "origin", "main")
    wait_until("its arrival in production", lambda: _outcome(tour, made) == "live")
    tour.urls["broken"] = made
    return f"{made[:7]} passed its tests, was promoted by itself, got a tenth of the requests first, and looks well"


def _delivery(tour: Tour, commit_id: str) -> Mapping[str, Any] | None:
    """How the promotion of a commit to production goes; None before it began."""
    found = tour.client.call("GET", "/deliveries", {"component": "orders", "env": "prod"})["deliveries"]
    return next((one for one in found if one["commit"] == commit_id and one["cause"] == "promotion"), None)


def _outcome(tour: Tour, commit_id: str) -> str:
    found = _delivery(tour, commit_id)
    if found is not None and found["outcome"] in ("failed", "superseded"):
        raise NotHeld(f"{commit_id[:7]} did not come to production: {found['outcome']}, {found['reason']}")
    return str(found["outcome"]) if found else ""


def alert(tour: Tour) -> str:
    """Visitors come: requests fail, the team is paged, and production goes back without anybody."""
    broken, before = tour.urls["broken"], tour.urls["before"]
    url = next(iter(tour.client.call("GET", f"/stacks/{_STACK}")["urls"].values()))
    with visiting(url) as visitors:
        told, message = wait_until("the alert", lambda: _receiver(tour).said("alert.firing", _ALERT))
        wait_until("the way back", lambda: _outcome(tour, broken) == "rolled-back")
        wait_until("the version before", at(tour, _STACK, before))
        back = time.monotonic()
        wait_until("good answers", lambda: _well(visitors, back))
    if not any(broken.startswith(one["commit"]) for one in message["alerts"][0]["changes"][:1] if one["commit"]):
        raise NotHeld(f"the alert does not name the release that broke it: {message['facts']}")
    first = visitors.bad[0]
    return (
        f"{len(visitors.bad)} of {len(visitors.answers)} requests failed; payments was paged {told - first:.1f} s "
        f"after the first, and {before[:7]} served again {max(back - told, 0):.1f} s later"
    )


def _well(visitors: Visitors, since: float) -> bool:
    """Whether everybody is answered again; what was under way when the versions changed places may still fail."""
    return visitors.well_since(max(since, visitors.bad[-1]))


def figures(tour: Tour) -> str:
    """The failed deployment in the figures, which are those that its record gives by hand."""
    one = _delivery(tour, tour.urls["broken"])
    if one is None:
        raise NotHeld("the failed deployment is not on record")
    back = _seconds(one["failed_at"], one["recovered_at"])
    shown = next(one for one in tour.client.call("GET", "/dora")["groups"] if one["group"] == "orders")
    ended = [
        found
        for found in tour.client.call("GET", "/deliveries", {"component": "orders", "env": "prod"})["deliveries"]
        if found["outcome"] in ("live", "failed", "rolled-back")
    ]
    changes = [found for found in ended if found["cause"] != "rollback"]
    failed = [found for found in changes if found["outcome"] != "live"]
    by_hand = {
        "change_fail_rate": len(failed) / len(changes),
        "recovery_time": median(_seconds(found["failed_at"], found["recovered_at"]) for found in failed),
        "rework_rate": sum(found["cause"] == "rollback" or bool(found["recovers"]) for found in ended) / len(ended),
    }
    wrong = {name: shown[name] for name, value in by_hand.items() if abs(shown[name] - value) > 1e-6}
    if wrong:
        raise NotHeld(f"the figures say {wrong}, and the record {by_hand}")
    week = tour.client.call("GET", "/insights")["delivery"][-1]
    if week["recovery_time"] is None:
        raise NotHeld("insights do not know of the recovery")
    return (
        f"pave dora: {shown['deployments']} deployments, lead time {shown['lead_time']:.0f} s, "
        f"{shown['change_fail_rate']:.0%} failed, recovered in {back:.1f} s, {shown['rework_rate']:.0%} rework"
    )


def _seconds(began: str, ended: str) -> float:
    return (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()


STEPS: tuple[tuple[str, Callable[[Tour], str]], ...] = (
    ("Paged by a webhook, and back on an alert", subscribe),
    ("A release that breaks under traffic", release),
    ("The alert fires, and production goes back", alert),
    ("What it cost, in DORA's figures", figures),
)
