"""From a push to production and back, with the real git: one service through everything that may become of a version.

The tests are the chapters of one story, in order, on one platform.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from platform_for_tests import Platform, platform
from visitor_for_tests import Visitor, wait_for

pytestmark = pytest.mark.timeout(300)

HELLO = r'"service": "orders"[^}]*'


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    """A service from the template, cloned."""
    folder = tmp_path_factory.mktemp("delivery")
    with platform(folder / "data") as there:
        there.done("POST", "/components", {"name": "orders", "template": "python-service"})
        visiting = Visitor(there, folder)
        visiting.clone("orders")
        yield visiting
        there.check()


@pytest.fixture
def there(visitor: Visitor) -> Platform:
    return visitor.there


def live(there: Platform, stack: str, commit: str) -> bool:
    found = there.status(stack)
    return found is not None and found["commit"] == commit and found["phase"] == "live"


def greeting(visitor: Visitor, word: str) -> str:
    return visitor.edit("orders", "app/main.py", HELLO, f'"service": "orders", "greeting": "{word}"')


def steps_of(run: dict[str, Any]) -> dict[str, str]:
    return {f"{one['name']} {one['subject']}".strip(): one["state"] for one in run["steps"]}


def places(there: Platform, commit: str) -> dict[str, dict[str, Any]]:
    return {one["environment"]: one for one in there.get(f"/commits/{commit}/where")["places"]}


def test_a_push_is_tested_scanned_built_signed_and_live(visitor: Visitor, there: Platform) -> None:
    commit = greeting(visitor, "wave")
    said = visitor.push("orders")
    assert re.search(r"remote: Deploying orders \w{7} to dev, follow: http", said)
    run = there.ended(visitor.run_of(said))
    assert run["state"] == "succeeded", run
    steps = steps_of(run)
    for name in ("verify", "check", "check tests", "check secrets", "build", "sbom", "provenance", "judge", "smoke"):
        assert steps[name] == "done", steps
    assert "wave" in there.fetch("dev/orders").text
    assert live(there, "dev/orders", commit)
    assert run["actor"] == "user:default/dana"
    digest = run["result"]["artifact"]
    assert there.get(f"/artifacts/{digest}/verification")["ok"]
    names = {one["name"] for one in there.get(f"/artifacts/{digest}/materials")["materials"]["components"]}
    assert "fastapi" in names
    log = there.get(f"/runs/{run['id']}/log")
    assert any("passed" in line for line in log["lines"])
    assert log["ended"]


def test_pave_clone_needs_no_token_in_any_file(visitor: Visitor, there: Platform) -> None:
    argv = [sys.executable, "-m", "pave", "--data", str(there.data), "clone", "orders", "cloned"]
    environment = {**os.environ, "HOME": str(visitor.folder), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    subprocess.run(argv, cwd=visitor.folder, env=environment, check=True, capture_output=True, timeout=60)
    clone = visitor.folder / "cloned"
    token = (there.data / "server.token").read_text().strip()
    assert not [path for path in clone.rglob("*") if path.is_file() and token.encode() in path.read_bytes()]
    fetch = ["git", "-C", str(clone), "fetch", "--quiet"]
    subprocess.run(fetch, env=environment, check=True, capture_output=True, timeout=60)


def test_a_secret_does_not_come_in(visitor: Visitor, there: Platform) -> None:
    before = there.get("/runs", limit=1)["runs"][0]["id"]
    visitor.commit("orders", "app/settings.py", f'KEY = "AKIA{"QYLPMN5HHHFPZAM2"}"\n')
    said = visitor.push("orders", check=False)
    assert "app/settings.py:1" in said
    assert "gitleaks:allow" in said
    assert "QYLPMN5HHHFPZAM2" not in said
    visitor.git("reset", "--quiet", "--hard", "HEAD~1", at="orders")
    assert there.get("/runs", limit=1)["runs"][0]["id"] == before


def test_a_failing_test_stops_it_with_its_place(visitor: Visitor, there: Platform) -> None:
    serving = there.status("dev/orders")
    assert serving
    broken = visitor.commit("orders", "tests/test_more.py", "def test_more():\n    assert 1 == 2\n")
    run = there.ended(visitor.run_of(visitor.push("orders")))
    assert run["state"] == "failed"
    assert run["error"]["file"] == "tests/test_more.py"
    assert run["error"]["line"] == 2
    found = places(there, broken)["dev"]
    assert (found["state"], "checks failed: tests" in found["reason"]) == ("waiting", True)
    assert live(there, "dev/orders", serving["commit"])
    again = there.ended(there.asked("POST", f"/runs/{run['id']}/retry", {}))
    assert again["state"] == "failed"
    kept = {one["subject"]: one["detail"] for one in again["steps"] if one["name"] == "check"}
    assert "checked before" in kept["secrets"]
    assert "checked before" not in kept["tests"]
    visitor.commit("orders", "tests/test_more.py", "def test_more():\n    assert 1 == 1\n")
    assert there.ended(visitor.run_of(visitor.push("orders")))["state"] == "succeeded"


def test_main_is_not_rewritten(visitor: Visitor) -> None:
    visitor.git("commit", "--quiet", "--amend", "-m", "Another word", at="orders")
    assert "main is not rewritten" in visitor.push("orders", "main", "--force", check=False)
    visitor.git("reset", "--quiet", "--hard", "origin/main", at="orders")


def test_a_branch_is_checked_previewed_merged_and_cleared_away(visitor: Visitor, there: Platform) -> None:
    there.fetch("dev/orders", "/items")
    visitor.git("checkout", "--quiet", "-b", "bow", at="orders")
    head = greeting(visitor, "bow")
    run = there.ended(visitor.run_of(visitor.push("orders", "bow")))
    assert run["state"] == "succeeded", run
    change = there.get("/changes/orders/1")
    assert (change["state"], change["branch"], change["head"]) == ("open", "bow", head)
    assert {one["name"]: one["outcome"] for one in change["checks"]}["tests"] == "passed"
    assert "+" in change["diff"]["app/main.py"]
    stack = "preview-orders-1/orders"
    assert "bow" in there.fetch(stack).text
    assert there.databases(f"{stack}/db")
    assert places(there, head)["dev"]["reason"] == "it is only in the change request orders/1"
    there.ask("POST", "/changes/orders/1/comments", {"text": "Nice."})
    assert there.get("/changes/orders/1")["comments"][0]["text"] == "Nice."
    merged = there.done("POST", "/changes/orders/1/merge", {})
    assert there.get("/changes/orders/1")["state"] == "merged"
    there.ended(merged["result"]["next"])
    assert live(there, "dev/orders", head), "nothing was built again: the commit is the same"
    wait_for(lambda: there.status(stack) is None, "the end of the preview", there)
    assert there.databases(f"{stack}/db") == []
    assert there.file("environments/preview-orders-1.yaml") is None
    visitor.git("checkout", "--quiet", "main", at="orders")
    visitor.git("pull", "--quiet", "--prune", "origin", "main", at="orders")


def test_a_conflict_names_the_file(visitor: Visitor, there: Platform) -> None:
    visitor.git("checkout", "--quiet", "-b", "nod", at="orders")
    greeting(visitor, "nod")
    first = visitor.run_of(visitor.push("orders", "nod"))
    visitor.git("checkout", "--quiet", "main", at="orders")
    greeting(visitor, "smile")
    there.ended(visitor.run_of(visitor.push("orders")))
    there.ended(first)
    change = there.get("/changes/orders/2")
    assert change["conflict"] == "Both sides changed app/main.py"
    merge = there.ended(there.asked("POST", "/changes/orders/2/merge", {}))
    assert merge["state"] == "failed"
    assert "app/main.py" in merge["error"]["summary"]
    said = visitor.git("push", "origin", ":nod", at="orders")
    assert "closed: its branch is gone" in said
    assert there.get("/changes/orders/2")["state"] == "closed"
    wait_for(lambda: there.status("preview-orders-2/orders") is None, "the end of the preview", there)


def test_a_preview_is_seeded_once_and_goes_when_its_time_is_over(visitor: Visitor, there: Platform) -> None:
    pattern = there.file("environments/preview.yaml") or ""
    there.commit({"environments/preview.yaml": f"{pattern}  seed: python -c \"print('seeded', 6 * 7)\"\n"})
    visitor.git("checkout", "--quiet", "-b", "seeded", at="orders")
    greeting(visitor, "curtsy")
    run = there.ended(visitor.run_of(visitor.push("orders", "seeded")))
    assert run["state"] == "succeeded", run
    assert "seeded 42" in there.get(f"/runs/{run['id']}/log")["lines"]
    greeting(visitor, "kneel")
    again = there.ended(visitor.run_of(visitor.push("orders", "seeded")))
    assert steps_of(again)["seed"] == "skipped"
    name = "preview-orders-3"
    text = there.file(f"environments/{name}.yaml") or ""
    until = re.search(r"until: '?(\S+?)'?\n", text)
    assert until
    more = there.done("POST", f"/environments/{name}/extend", {"by": "2d"})
    assert more["state"] == "succeeded"
    longer = there.file(f"environments/{name}.yaml") or ""
    assert until[1] not in longer
    too_long = there.run("POST", f"/environments/{name}/extend", {"by": "60d"})
    assert [one["guardrail"] for one in too_long["verdict"]["findings"]] == ["preview-ends"]
    assert too_long["state"] == "denied"
    soon = (datetime.now(UTC) + timedelta(hours=3)).isoformat(timespec="seconds")
    there.commit({f"environments/{name}.yaml": re.sub(r"until: .*", f"until: '{soon}'", longer)})
    warned = f"SELECT data FROM events WHERE type = 'environment.ends' AND subject = 'environment/{name}'"
    ((told,),) = wait_for(lambda: there.control(warned), "the warning", there)
    assert (told["until"], told["remedy"]) == (soon, f"pave env extend {name} --by 3d")
    over = re.sub(r"until: .*", "until: '2026-01-01T00:00:00Z'", longer)
    there.commit({f"environments/{name}.yaml": over, "environments/preview.yaml": pattern})
    wait_for(lambda: there.file(f"environments/{name}.yaml") is None, "the end of the preview", there)
    wait_for(lambda: there.status(f"{name}/orders") is None, "the end of its stack", there)
    assert there.get("/changes/orders/3")["state"] == "open"
    assert there.ask("POST", "/changes/orders/3/close", {}).json()["state"] == "closed"
    visitor.git("checkout", "--quiet", "main", at="orders")


def test_the_same_digest_goes_to_production(visitor: Visitor, there: Platform) -> None:
    commit = str((there.status("dev/orders") or {})["commit"])
    assert places(there, commit)["prod"]["reason"] == "it has to be live in staging first"
    too_early = there.ask("POST", "/stacks/prod/orders/promote", {})
    assert too_early.status_code == 409, too_early.text
    for stack in ("staging/orders", "prod/orders"):
        there.done("POST", f"/stacks/{stack}/promote", {})
    deliveries = there.get("/deliveries", component="orders", limit=200)["deliveries"]
    digests = {one["stack"]: one["artifact"] for one in reversed(deliveries) if one["outcome"] == "live"}
    assert digests["dev/orders"] == digests["staging/orders"] == digests["prod/orders"]
    assert {name: one["state"] for name, one in places(there, commit).items()} == dict.fromkeys(
        ("dev", "staging", "prod"), "live"
    )


def test_a_version_goes_to_production_by_itself_step_by_step(visitor: Visitor, there: Platform) -> None:
    """Pushed once: dev, staging, then a canary in production, promoted without anybody; no request is lost."""
    commit = greeting(visitor, "tip")
    visitor.push("orders")
    url = httpx.URL(str(next(iter((there.status("prod/orders") or {})["urls"].values()))))
    answers: list[int] = []
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(headers={"Host": url.host}, timeout=10) as client:
            while not stop.wait(0.02):
                answers.append(client.get(f"http://127.0.0.1:{url.port}/").status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    seen: set[str] = set()

    def arrived() -> bool:
        text = there.file("deployments/prod/orders.yaml") or ""
        seen.update(re.findall(r"weight: (\d+)", text) if commit in text else ())
        return commit in text and "rollout" not in text and live(there, "prod/orders", commit)

    try:
        wait_for(arrived, "the arrival in production", there, 90)
    finally:
        stop.set()
        asking.join()
    assert {"10", "50"} <= seen
    assert set(answers) == {200}
    assert len(answers) > 200


def test_what_fails_under_load_goes_back_by_itself(visitor: Visitor, there: Platform) -> None:
    """It answers its probes and fails most requests of others: only the traffic shows it."""
    good = str((there.status("prod/orders") or {})["commit"])
    path = "orders/app/main.py"
    text = (visitor.folder / path).read_text()
    lines = (
        "request: Request) -> dict[str, str]:",
        '    """Say hello."""',
        '    if "probe" not in request.headers.get("user-agent", ""):',
        '        raise RuntimeError("not today")',
    )
    guard = "\n".join(lines)
    text = re.sub(r'def hello\(\) -> dict\[str, str\]:\n    """Say hello."""', f"def hello({guard}", text)
    text = text.replace("from fastapi import FastAPI", "from fastapi import FastAPI, Request")
    tests = "from app.main import app\n\n\ndef test_it():\n    assert app\n"
    (visitor.folder / "orders/tests/test_service.py").write_text(tests)
    bad = visitor.commit("orders", "app/main.py", text)
    visitor.push("orders")
    url = httpx.URL(str(next(iter((there.status("prod/orders") or {})["urls"].values()))))
    stop = threading.Event()

    def ask() -> None:
        with httpx.Client(headers={"Host": url.host}, timeout=10) as client:
            while not stop.wait(0.05):
                client.get(f"http://127.0.0.1:{url.port}/")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        found = wait_for(lambda: _delivery(there, "prod", bad, "rolled-back"), "the way back", there, 90)
    finally:
        stop.set()
        asking.join()
    assert "requests failed" in found["reason"] or "requests failed" in (there.commits()[0].message)
    wait_for(lambda: live(there, "prod/orders", good), "the version before", there)
    text = there.file("deployments/prod/orders.yaml") or ""
    assert good in text
    assert "rollout" not in text
    assert "pin" not in text, "the next version may come"
    time.sleep(2)
    assert live(there, "prod/orders", good), "what failed is not tried again by itself"
    place = places(there, bad)["prod"]
    assert (place["state"], "rolled back" in place["reason"]) == ("failed", True)


def test_what_was_delivered_is_measured(there: Platform) -> None:
    """Two versions came to production and a third went back: as the chapters before tell."""
    (orders,) = there.get("/dora", since="1h")["groups"]
    assert (orders["group"], orders["deployments"], orders["unrecovered"]) == ("orders", 2, 0), orders
    assert orders["change_fail_rate"] == pytest.approx(1 / 3)
    assert orders["rework_rate"] == pytest.approx(1 / 4), "the way back is the only one that nobody planned"
    assert 0 < orders["recovery_time"] < orders["lead_time"] < 300
    spent = orders["segments"]
    assert all(spent[name] > 0 for name in ("waiting", "checks", "build", "deploy")), spent
    by_team = there.get("/dora", by="team")["groups"]
    assert [one["group"] for one in by_team] == ["group:default/platform"]
    assert there.get("/dora", by="organisation")["groups"][0]["deployments"] == 2
    assert there.ask("GET", "/dora?since=yesterday").status_code == 422


def _delivery(there: Platform, environment: str, commit: str, outcome: str) -> dict[str, Any] | None:
    found = there.get("/deliveries", env=environment, component="orders")["deliveries"]
    return next((one for one in found if one["commit"] == commit and one["outcome"] == outcome), None)


def test_what_answers_with_errors_only_is_rolled_back_in_git_too(visitor: Visitor, there: Platform) -> None:
    visitor.git("revert", "--no-edit", "HEAD", at="orders")
    good = visitor.git("rev-parse", "HEAD", at="orders").strip()
    assert there.ended(visitor.run_of(visitor.push("orders")))["state"] == "succeeded"
    text = (visitor.folder / "orders/app/main.py").read_text()
    text = re.sub(r"(def hello\(\)[^\n]*\n[^\n]*\n)", r'\1    import os\n    assert "PORT" not in os.environ\n', text)
    bad = visitor.commit("orders", "app/main.py", text)
    run = there.ended(visitor.run_of(visitor.push("orders")))
    assert run["state"] == "failed"
    assert "answered 500" in run["error"]["summary"]
    back = there.ended(run["result"]["next"])
    assert (back["kind"], back["state"], back["actor"]) == ("stack.rollback", "succeeded", "system:default/pave")
    assert live(there, "dev/orders", good)
    assert there.fetch("dev/orders").status_code == 200
    record = _delivery(there, "dev", bad, "rolled-back")
    assert record
    assert record["recovered_at"]
    visitor.git("revert", "--no-edit", "HEAD", at="orders")
    assert there.ended(visitor.run_of(visitor.push("orders")))["state"] == "succeeded", (
        "the mend comes without a release"
    )


def test_a_rollback_is_pinned_and_a_push_respects_it(visitor: Visitor, there: Platform) -> None:
    there.done("POST", "/stacks/dev/orders/rollback", {"reason": "prices are wrong"})
    commit = greeting(visitor, "salute")
    assert "dev/orders is pinned (prices are wrong)" in visitor.push("orders")
    place = places(there, commit)["dev"]
    assert (place["reason"], place["remedy"]) == ("pinned: prices are wrong", "pave release dev/orders")
    there.done("POST", "/stacks/dev/orders/release")
    there.done("POST", "/stacks/dev/orders/deploy", {"revision": commit})
    assert places(there, commit)["dev"]["state"] == "live"


def test_several_go_back_together_or_not_at_all(visitor: Visitor, there: Platform) -> None:
    refused = there.ask("POST", "/rollbacks", {"stacks": ["dev/orders", "dev/nothing"], "reason": "both"})
    assert refused.status_code in (404, 422), refused.text
    there.settle(60)
    run = there.done("POST", "/rollbacks", {"stacks": ["dev/orders", "staging/orders"], "reason": "both"})
    assert len(there.commits_of(run["id"])) == 1
    for stack in ("dev/orders", "staging/orders"):
        assert (there.status(stack) or {})["pin"] == "both"


def test_a_sleeping_stack_wakes_with_the_first_request(visitor: Visitor, there: Platform) -> None:
    there.done("POST", "/stacks/staging/orders/sleep")
    assert "asleep: true" in (there.file("deployments/staging/orders.yaml") or "")
    assert not [name for name in there.programs() if name.startswith("staging.orders")]
    found = there.status("staging/orders")
    assert found
    url = httpx.URL(str(next(iter(found["urls"].values()))))
    answer = httpx.get(f"http://127.0.0.1:{url.port}/", headers={"Host": url.host}, timeout=40, follow_redirects=False)
    assert answer.status_code == 307
    assert there.fetch("staging/orders").status_code == 200
    assert "asleep" not in (there.file("deployments/staging/orders.yaml") or "")
    there.done("POST", "/environments/staging/sleep")
    assert not [name for name in there.programs() if name.startswith("staging.orders")]
    there.done("POST", "/environments/staging/wake")
    assert there.fetch("staging/orders").status_code == 200
