"""The golden path of guardrails: denied with its smallest fix, approved by a second person, excused for a time.

Steps like those of `golden_path`, on the `orders` service that it made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pave.cli.client import Client, Refusal, Target
from pave.cli.delivery_path import git, wait_until
from pave.cli.golden_path import NotHeld, Tour

_LEDGER = {"component": "orders", "name": "ledger", "type": "postgres", "env": "prod"}
_REPLICA = {"component": "reports", "name": "replica", "type": "postgres", "env": "prod"}
_WAIVER = """\
apiVersion: pave/v1
kind: Waiver
metadata: {{name: reports-replica}}
spec:
  guardrail: postgres-backup-in-production
  for: prod/reports/replica
  reason: It is filled anew from the ledger every night.
  by: user:kim
  until: "{until}"
"""
_SHORT, _LONGEST = 8, 64  # seconds
_OPEN = ("pending", "running")


def _settled(tour: Tour, run: Mapping[str, Any]) -> Mapping[str, Any]:
    """A run once it has ended, or waits for a person."""
    while run["state"] in _OPEN:
        run = tour.client.call("GET", f"/runs/{run['id']}", {"wait": 5})
    return run


def denied(tour: Tour) -> str:
    """A guardrail denies a change before anything happens, and says what would pass; the fix is one command."""
    run = _settled(tour, tour.client.call("POST", "/resources", body={**_LEDGER, "inputs": {"backup_days": 1}}))
    if run["state"] != "denied":
        raise NotHeld(f"a production database without backups was not denied but {run['state']}")
    finding = run["verdict"]["findings"][0]
    tour.urls["denied"] = str(run["id"])
    patch = ", ".join(f"{name} = {value}" for name, value in finding["patch"]["inputs"].items())
    return f"{finding['message']} Would pass with {patch}"


def fixed(tour: Tour) -> str:
    """The smallest fix, applied for real: the same wish with what the finding offers."""
    run = tour.ask("POST", f"/runs/{tour.urls['denied']}/fix")
    made = [one["address"] for one in run["plan"]["changes"] if one["action"] == "create"]
    if made != ["prod/orders/ledger"]:
        raise NotHeld(f"the fix made {made}")
    return f"pave fix {tour.urls['denied']}: prod/orders/ledger is there, {run['verdict']['outcome']}"


def approved(tour: Tour) -> str:
    """What would remove data waits for a second person: with a token of their own, and never whoever asked."""
    run = tour.client.call("DELETE", "/resources/prod/orders/ledger")
    run = _settled(tour, run)
    if run["state"] != "waiting":
        raise NotHeld(f"one person alone removed a database of production: {run['state']}")
    question = f"/approvals/{run['result']['approval']}/approve"
    try:
        tour.client.call("POST", question, body={"reason": "I asked for it"})
    except Refusal as refusal:
        refused = str(refusal)
    else:
        raise NotHeld("whoever asked for it could approve it")
    kim = Client(Target(tour.client.url, _token_of_kim(tour, "catalog:read", "component:write")))
    try:
        kim.call("POST", question, body={"reason": "The ledger moved to reports."})
    finally:
        kim.close()
    ended = _settled(tour, _woken(tour, str(run["id"])))
    if ended["state"] != "succeeded":
        raise NotHeld(f"what was approved {ended['state']}: {ended['error']}")
    return f"{refused.rstrip('.')}; user:kim approved it, and exactly the plan that was shown was carried out"


def _token_of_kim(tour: Tour, *scopes: str) -> str:
    body = {"user": "kim", "scopes": scopes, "for": "10m"}
    return str(tour.client.call("POST", "/tokens", body=body)["token"])


def _woken(tour: Tour, run: str) -> Mapping[str, Any]:
    """A run that waited, once it goes on."""

    def found() -> Mapping[str, Any] | None:
        now: Mapping[str, Any] = tour.client.call("GET", f"/runs/{run}")
        return now if now["state"] != "waiting" else None

    answer: Mapping[str, Any] = wait_until("that the run goes on", found)
    return answer


def excused(tour: Tour) -> str:
    """An exception is a file in Git with a reason and an end, which kim asks for and another person merges."""
    git(tour, "clone", "--quiet", f"{tour.client.url}/git/platform.git", str(tour.folder / "platform"))
    tour.urls["kim"] = _token_of_kim(tour, "catalog:read", "component:write")
    lasts = _SHORT
    while (until := _with_waiver(tour, lasts)) is None:
        lasts *= 2  # on a slow machine it was over before it had arrived
        if lasts > _LONGEST:
            raise NotHeld("no waiver came to have an effect")
    time.sleep(max((until - datetime.now(UTC)).total_seconds(), 0) + 0.1)
    again = _settled(tour, tour.client.call("POST", "/resources", body={**_REPLICA, "inputs": {"backup_days": 2}}))
    message = next((str(one["message"]) for one in (again["verdict"] or {}).get("findings", ())), "")
    if again["state"] != "denied" or "The waiver reports-replica ended" not in message:
        raise NotHeld(f"after its end it is {again['state']}: {message}")
    return f"kim asked, dana merged; passed while it lasted ({lasts} s), then denied: {message}"


def _with_waiver(tour: Tour, lasts: int) -> datetime | None:
    """Have a waiver merged and ask for what it excuses; when it ends, or None where that was too early for it."""
    until = datetime.now(UTC) + timedelta(seconds=lasts)
    branch = f"replica-{lasts}"
    git(tour, "fetch", "--quiet", "origin", at="platform")
    git(tour, "checkout", "--quiet", "-B", branch, "origin/main", at="platform")
    path = tour.folder / "platform" / "waivers" / "reports-replica.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(_WAIVER.format(until=until.isoformat(timespec="milliseconds")))
    git(tour, "add", "--all", at="platform")
    git(tour, "commit", "--quiet", "-m", "Let the replica of reports do without backups for a moment", at="platform")
    git(tour, "push", "--quiet", "origin", branch, at="platform", token=tour.urls["kim"])
    tour.ask("POST", f"/changes/{wait_until('the check of the waiver', lambda: _checked(tour, branch))}/merge")
    run = _settled(tour, tour.client.call("POST", "/resources", body={**_REPLICA, "inputs": {"backup_days": 1}}))
    excuses = {one["waiver"] for one in (run["verdict"] or {}).get("findings", ())}
    if run["state"] == "succeeded" and "reports-replica" in excuses:
        return until
    if run["state"] == "denied" and datetime.now(UTC) >= until:
        return None
    raise NotHeld(f"with the waiver it {run['state']}: {run['verdict'] or run['error']}")


def _checked(tour: Tour, branch: str) -> str:
    """The change request of a branch of the platform repository once its check has passed; empty until then."""
    changes = tour.client.call("GET", "/changes", {"repository": "platform"})["changes"]
    change = next((one for one in changes if one["branch"] == branch and one["run"]), None)
    if change is None or tour.client.call("GET", f"/runs/{change['run']}")["state"] != "succeeded":
        return ""
    return str(change["id"])


def merged(tour: Tour, branch: str) -> bool:
    """Whether a branch of the platform repository has become part of it."""
    query = {"repository": "platform", "state": "all"}
    found = [one for one in tour.client.call("GET", "/changes", query)["changes"] if one["branch"] == branch]
    return bool(found and found[0]["state"] == "merged")


STEPS: tuple[tuple[str, Callable[[Tour], str]], ...] = (
    ("A guardrail denies, and says what would pass", denied),
    ("The fix, with one command", fixed),
    ("A second person approves", approved),
    ("An exception that ends by itself", excused),
)
