"""What is wanted for a time: it ends by itself, in Git, judged; it gets more time, sleeps, and has its quota.

The tests are the chapters of one story, in order, on one platform.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from platform_for_tests import Platform, platform
from visitor_for_tests import Visitor, wait_for

pytestmark = pytest.mark.timeout(200)

OWNED = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: ledger}
spec: {type: service, lifecycle: production, owner: payments}
"""
TEAM = "catalog/teams.yaml"


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("lifetimes") / "data", PAVE_RESYNC_SECONDS="2") as running:
        running.commit({"catalog/components/ledger.yaml": OWNED})
        yield running
        running.check()


def trial(name: str = "trial", env: str = "dev", **more: Any) -> dict[str, Any]:
    return {"component": "ledger", "env": env, "name": name, "type": "postgres", **more}


def end_of(there: Platform, name: str = "trial", stack: str = "dev/ledger") -> str:
    found = there.status(stack) or {"resources": []}
    return next((str(one["until"]) for one in found["resources"] if one["address"] == f"{stack}/{name}"), "gone")


def let_end(there: Platform, path: str, name: str) -> None:
    """Write an end that was a minute ago, as time would have it."""
    past = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    pattern = re.compile(rf"({name}: .*until: ).*?([}},]|$)", re.MULTILINE)
    text, count = pattern.subn(rf'\g<1>"{past}"\2', there.file(path) or "")
    assert count, there.file(path)
    there.commit({path: text})


def test_what_is_asked_for_a_time_says_when_it_ends(there: Platform) -> None:
    asked = datetime.now(UTC)
    there.done("POST", "/resources", trial(**{"for": "3d"}))
    there.done("POST", "/resources", trial("kept"))
    left = datetime.fromisoformat(end_of(there)) - asked
    assert timedelta(days=3, seconds=-2) < left < timedelta(days=3, seconds=30)
    assert end_of(there, "kept") == ""
    nothing = there.refused("POST", "/resources/dev/ledger/kept/extend", {"by": "1d"})
    assert nothing["summary"] == "dev/ledger/kept has no end"
    assert there.ask("POST", "/resources", trial("x", **{"for": "soon"})).status_code == 422


def test_its_owner_is_told_a_day_before_and_gives_it_more_time(there: Platform) -> None:
    there.done("POST", "/resources", trial(**{"for": "20h"}))
    told = wait_for(lambda: there.control("SELECT data FROM events WHERE type = 'resource.ends'"), "the warning", there)
    assert told[0][0]["owner"] == "group:default/payments"
    assert told[0][0]["remedy"] == "pave extend dev/ledger/trial --by 3d"
    before = datetime.fromisoformat(end_of(there))
    run = there.done("POST", "/resources/dev/ledger/trial/extend", {"by": "3d"})
    assert datetime.fromisoformat(end_of(there)) - before == timedelta(days=3)
    assert run["plan"]["changes"] == [], "nothing is touched for it"
    (commit,) = there.commits_of(run["id"])
    assert "Pave-Actor: user:default/dana" in next(one for one in there.commits() if str(one.id) == commit).message


def test_more_time_is_judged_and_too_much_asks_a_person(there: Platform) -> None:
    before = end_of(there)
    run = there.asked("POST", "/resources/dev/ledger/trial/extend", {"by": "20w"})
    wait_for(lambda: there.get(f"/runs/{run}")["state"] == "waiting", "the question", there)
    found = there.get(f"/runs/{run}")["verdict"]["findings"]
    assert [one["guardrail"] for one in found] == ["temporary-ends"]
    assert end_of(there) == before
    there.ask("POST", f"/runs/{run}/cancel")
    assert there.ended(run)["state"] == "cancelled"


def test_what_is_over_goes_by_a_commit_of_its_own(there: Platform) -> None:
    let_end(there, "deployments/dev/ledger.yaml", "trial")
    wait_for(lambda: end_of(there) == "gone", "its end", there)
    there.settle()
    assert there.databases("dev/ledger/trial") == []
    assert len(there.databases("dev/ledger/kept")) == 1
    removed = next(one for one in there.get("/runs")["runs"] if one["kind"] == "resource.remove")
    assert (removed["actor"], removed["state"]) == ("system:default/pave", "succeeded")
    assert removed["verdict"]["outcome"] == "allowed"
    (commit,) = there.commits_of(removed["id"])
    message = next(one.message for one in there.commits() if str(one.id) == commit)
    assert message.startswith("Remove dev/ledger/trial, which ended on ")
    assert "Pave-Actor: system:default/pave" in message


def test_in_production_even_the_end_asks_a_person_and_more_time_is_the_other_answer(there: Platform) -> None:
    there.done("POST", "/resources", trial(env="prod", inputs={"backup_days": 7}, **{"for": "2d"}))
    let_end(there, "deployments/prod/ledger.yaml", "trial")

    def asks() -> Any:
        found = there.get("/approvals")["approvals"]
        return found[0] if found else None

    question = wait_for(asks, "the question", there)
    assert question["requester"] == "system:default/pave"
    assert [one["guardrail"] for one in question["findings"]] == ["data-removal-in-production"]
    longer = there.asked("POST", "/resources/prod/ledger/trial/extend", {"by": "1d"})
    assert there.ended(longer)["state"] == "succeeded"
    approved = there.as_user("kim", "POST", f"/approvals/{question['id']}/approve", {"reason": "It was a trial."})
    assert approved.status_code == 200, approved.text
    ended = there.ended(question["run"])
    assert ended["state"] == "failed"
    assert "was given more since" in ended["error"]["summary"]
    assert len(there.databases("prod/ledger/trial")) == 1


def test_an_environment_is_made_for_a_time_and_a_quota_holds_without_anything_in_it(there: Platform) -> None:
    there.done("POST", "/environments", {"name": "try-one", "from": "dev", "for": "2d", "owner": "payments"})
    (found,) = [one for one in there.get("/environments")["environments"] if one["name"] == "try-one"]
    assert found["until"]
    teams = there.file(TEAM) or ""
    limited = teams.replace('cost-center: "2000"\n', 'cost-center: "2000"\n    pave.dev/quota-environments: "1"\n', 1)
    assert limited != teams
    there.commit({TEAM: limited})
    quota = there.get("/quotas", team="payments")["quotas"][0]
    assert (quota["environments"], quota["most_environments"], quota["state"]) == (1, 1, "full")
    assert quota["resources"] == 2
    denied = there.run("POST", "/environments", {"name": "try-two", "from": "dev", "owner": "payments"})
    assert denied["state"] == "denied"
    assert [one["guardrail"] for one in denied["verdict"]["findings"]] == ["environment-quota"]
    there.commit({TEAM: teams})
    let_go = (there.file("environments/try-one.yaml") or "").splitlines()
    past = ["  until: '2026-01-01T00:00:00Z'" if "until" in line else line for line in let_go]
    there.commit({"environments/try-one.yaml": "\n".join(past) + "\n"})
    wait_for(lambda: there.file("environments/try-one.yaml") is None, "its end", there)


def test_a_token_for_somebody_else_is_the_platform_teams_to_give(there: Platform) -> None:
    made = there.ask("POST", "/tokens", {"user": "kim", "scopes": ["catalog:read"], "for": "1h"})
    assert made.status_code == 200, made.text
    kim = {"Authorization": f"Bearer {made.json()['token']}"}
    assert there.ask("GET", "/whoami", **kim).json()["actor"] == "user:default/kim"
    assert there.ask("POST", "/tokens", {"user": "kim", "scopes": ["catalog:read"]}, **kim).status_code == 403
    nobody = there.ask("POST", "/tokens", {"user": "kimm", "scopes": ["catalog:read"]})
    assert (nobody.status_code, "kim" in nobody.json()["remedy"]) == (404, True)
    beyond = there.ask("POST", "/tokens", {"user": "kim", "scopes": ["root"]})
    assert (beyond.status_code, "root" in beyond.text) == (422, True)
    assert there.ask("POST", "/tokens", {"user": "kim", "scopes": ["catalog:read"], "for": "60w"}).status_code == 422
    for (data,) in there.control("SELECT data FROM events WHERE type = 'token.created'"):
        assert made.json()["token"] not in str(data)


def test_a_fix_is_applied_with_one_command(there: Platform) -> None:
    denied = there.run("POST", "/resources", trial("books", "prod", inputs={"backup_days": 1}))
    assert denied["state"] == "denied"
    looked = there.ask("POST", f"/runs/{denied['id']}/fix?dry_run=true").json()
    assert looked["state"] == "succeeded"
    fixed = there.done("POST", f"/runs/{denied['id']}/fix")
    assert fixed["verdict"]["outcome"] in ("allowed", "allowed-with-warnings")
    assert "backup_days: 7" in (there.file("deployments/prod/ledger.yaml") or "")
    assert there.ask("POST", f"/runs/{fixed['id']}/fix").status_code == 409


def test_a_rule_is_hardened_by_a_change_request_that_says_how_often_it_would_have_fired(
    there: Platform, tmp_path: Path
) -> None:
    """The same function at every stage, and what it said stands with the digests of what it was said about."""
    before = there.ask("POST", "/resources?dry_run=true", trial("long")).json()["verdict"]["guardrails"]
    visitor = Visitor(there, tmp_path)
    visitor.clone("platform")
    visitor.git("checkout", "--quiet", "-b", "harden", at="platform")
    visitor.edit("platform", "guardrails/temporary-ends.yaml", "level: soft", "level: hard")
    visitor.edit("platform", "guardrails/temporary-ends.yaml", "expect: needs-approval", "expect: denied")
    run = there.ended(visitor.run_of(visitor.push("platform", "harden")))
    assert run["state"] == "succeeded", run
    change = there.get("/changes/platform/1")
    (said,) = [one["text"] for one in change["comments"]]
    assert re.fullmatch(
        r"temporary-ends would have fired on 1 of \d+ changes of the last 30 days: dev/ledger/trial\.", said
    )
    if not run["result"].get("next"):
        there.done("POST", "/changes/platform/1/merge")
    wait_for(lambda: "level: hard" in (there.file("guardrails/temporary-ends.yaml") or ""), "the merge", there)
    there.settle()
    denied = there.run("POST", "/resources", trial("long", **{"for": "20w"}))
    assert (denied["state"], denied["verdict"]["findings"][0]["guardrail"]) == ("denied", "temporary-ends")
    assert denied["verdict"]["guardrails"] not in ("", before), "another set of rules"
    assert set(denied["verdict"]["plans"]) == {"dev/ledger"}
    kept = there.control(f"SELECT verdict FROM judgements WHERE run = '{denied['id']}'")
    assert kept[0][0]["plans"] == denied["verdict"]["plans"]
