"""The golden path of delivery: push with the real git, review with a preview, promote, fail and recover.

Steps like those of `golden_path`, on the `orders` service that it made.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from pave.adapters import subprocesses
from pave.adapters.subprocesses import Command
from pave.cli.golden_path import NotHeld, Tour

_VISITOR = ("-c", "user.name=A visitor", "-c", "user.email=visitor@example.invalid", "-c", "init.defaultBranch=main")
_SECONDS = 90.0


def git(tour: Tour, *arguments: str, at: str = "orders", token: str = "") -> str:
    """The real git, as the visitor or who else's token it is, which is in its environment and nowhere else."""
    folder = tour.folder / at
    header = f"Authorization: Bearer {token or tour.client.token}"
    environment = {
        "PATH": os.environ.get("PATH", subprocesses.PATH),
        "HOME": str(tour.folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "http.extraHeader",
        "GIT_CONFIG_VALUE_0": header,
        "NO_PROXY": "localhost,127.0.0.1",
    }
    program = subprocesses.find("git", environment)
    place = folder if folder.is_dir() else tour.folder
    result = subprocesses.run(Command((program, *_VISITOR, *arguments), place, environment, seconds=_SECONDS))
    if not result.ok:
        raise NotHeld(f"git {arguments[0]}: {result.text.strip()[-400:]}")
    return result.text


def commit(tour: Tour, message: str, *edits: tuple[str, str]) -> str:
    """Replace the greeting of the service by something else, and commit that; the commit."""
    path = tour.folder / "orders" / "app" / "main.py"
    text = path.read_text()
    for pattern, replacement in edits:
        text, count = re.subn(pattern, replacement, text)
        if not count:
            raise NotHeld(f"app/main.py has nothing like {pattern}")
    path.write_text(text)
    git(tour, "commit", "--quiet", "--all", "-m", message)
    return git(tour, "rev-parse", "HEAD").strip()


def wait_until(what: str, found: Callable[[], Any], seconds: float = _SECONDS) -> Any:
    """Wait until `found` finds something. Raises `NotHeld`."""
    until = time.monotonic() + seconds
    while not (answer := found()):
        if time.monotonic() > until:
            raise NotHeld(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.05)
    return answer


def at(tour: Tour, stack: str, commit_id: str) -> Callable[[], bool]:
    """Whether a commit is live there."""

    def there() -> bool:
        found = tour.client.call("GET", f"/stacks/{stack}")
        return bool(found["commit"] == commit_id and found["phase"] == "live")

    return there


def push(tour: Tour) -> str:
    """A clone, a commit, a push: tested, scanned, built, signed and live, without anybody in between."""
    git(tour, "clone", "--quiet", f"{tour.client.url}/git/orders.git", str(tour.folder / "orders"))
    made = commit(tour, "Greet with a wave", (r'"service": "orders"', '"service": "orders", "greeting": "wave"'))
    began = time.monotonic()
    said = git(tour, "push", "origin", "main")
    if "remote: Deploying" not in said:
        raise NotHeld(f"the push was not told what happens next: {said[-300:]}")
    wait_until("the deployment", at(tour, "dev/orders", made))
    if "wave" not in tour.visit(tour.urls["dev"]).text:
        raise NotHeld("the new version does not answer")
    return f"{made[:7]} is live on dev {time.monotonic() - began:.1f} s after git push"


def _finished(tour: Tour, change: str) -> Callable[[], Mapping[str, Any] | None]:
    def ended() -> Mapping[str, Any] | None:
        found: Mapping[str, Any] = tour.client.call("GET", f"/changes/{change}")
        run = tour.client.call("GET", f"/runs/{found['run']}") if found["run"] else None
        if run is None or run["state"] in ("pending", "running", "waiting"):
            return None
        if run["state"] != "succeeded":
            raise NotHeld(f"the checks of {change} {run['state']}: {(run['error'] or {}).get('summary')}")
        answer: Mapping[str, Any] = run
        return answer

    return ended


def change_request(tour: Tour) -> str:
    """A branch becomes a change request with checks and a preview that has a database of its own."""
    git(tour, "checkout", "--quiet", "-b", "bow")
    commit(tour, "Greet with a bow", ('"greeting": "wave"', '"greeting": "bow"'))
    began = time.monotonic()
    git(tour, "push", "--quiet", "origin", "bow")
    run = wait_until("the check of orders/1", _finished(tour, "orders/1"))
    url = next(iter(run["result"]["urls"].values()))
    if "bow" not in tour.visit(url).text or "first order" in tour.visit(f"{url}/items").text:
        raise NotHeld("the preview is not a world of its own")
    return f"orders/1 is checked, and previewed at {url} with an empty database, in {time.monotonic() - began:.1f} s"


def platform_change(tour: Tour) -> str:
    """A change of the platform repository shows its plan, verdict and cost before anything happens."""
    wanted = {"component": "orders", "name": "archive", "type": "postgres", "env": "dev"}
    shown = tour.client.call("POST", "/resources", {"dry_run": "true"}, wanted)
    cost = shown["plan"].get("cost", {}).get("text", "")
    if shown["state"] != "succeeded" or not cost:
        raise NotHeld(f"no verdict or no cost: {shown['state']}")
    return f"one more database would be {shown['verdict']['outcome']}, at {cost}"


def merge(tour: Tour) -> str:
    """Merged: live on dev with the digest that was checked, the preview gone."""
    tour.ask("POST", "/changes/orders/1/merge")
    head = tour.client.call("GET", "/changes/orders/1")["merged"]
    wait_until("the deployment of the merge", at(tour, "dev/orders", head))

    def gone() -> bool:
        return all(one["environment"] != "preview-orders-1" for one in tour.client.call("GET", "/stacks")["stacks"])

    wait_until("the end of the preview", gone)
    git(tour, "checkout", "--quiet", "main")
    git(tour, "pull", "--quiet", "origin", "main")
    return f"{head[:7]} is live on dev, and the preview is gone"


def promotion(tour: Tour) -> str:
    """To staging and to production: the same digest, never built again."""
    for stack in ("staging/orders", "prod/orders"):
        tour.ask("POST", f"/stacks/{stack}/promote")
    artifacts = {
        one["artifact"]
        for one in tour.client.call("GET", "/deliveries", {"component": "orders"})["deliveries"]
        if one["stack"] in ("staging/orders", "prod/orders")
    }
    if len(artifacts) != 1:
        raise NotHeld(f"production runs something else: {sorted(artifacts)}")
    return f"{next(iter(artifacts))[:19]} runs in staging and production; its provenance was verified on the way"


def bad_release(tour: Tour) -> str:
    """A version that passes its tests and then only answers with errors is rolled back, in Git too."""
    before = tour.client.call("GET", "/stacks/dev/orders")["commit"]
    broken = commit(
        tour,
        "Count visits",
        (
            r"(def hello\(\)[^\n]*\n[^\n]*\n)",
            r'\1    import os\n    assert "PORT" not in os.environ, "not in production"\n',
        ),
    )
    git(tour, "push", "--quiet", "origin", "main")

    def rolled_back() -> bool:
        deliveries = tour.client.call("GET", "/deliveries", {"component": "orders", "env": "dev"})["deliveries"]
        return any(one["commit"] == broken and one["outcome"] == "rolled-back" for one in deliveries)

    wait_until("the way back", rolled_back)
    wait_until("the version before", at(tour, "dev/orders", before))
    tour.visit(tour.urls["dev"]).raise_for_status()
    return f"{broken[:7]} answered with errors only; {before[:7]} serves again, and Git says so"


def where(tour: Tour) -> str:
    """One question, one answer per environment."""
    live = tour.client.call("GET", "/stacks/prod/orders")["commit"]
    found = tour.client.call("GET", f"/commits/{live}/where")["places"]
    told = ", ".join(f"{one['environment']}: {one['state']}" for one in found)
    if not any(one["environment"] == "prod" and one["state"] == "live" for one in found):
        raise NotHeld(f"{live[:7]} should be live in production: {told}")
    return f"{live[:7]} is {told}"


STEPS: tuple[tuple[str, Callable[[Tour], str]], ...] = (
    ("A push with the real git", push),
    ("A change request with a preview", change_request),
    ("Verdict and cost before the change", platform_change),
    ("Merged, and the preview is gone", merge),
    ("Promoted to production", promotion),
    ("A bad release goes back by itself", bad_release),
    ("Is my commit live?", where),
)
