"""Guardrails instead of approvals: what is denied says how to pass, an exception is a person's, once.

The tests are the chapters of one story, in order, on one platform.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from typing import Any

import psycopg.sql
import pytest
from platform_for_tests import Platform, platform
from visitor_for_tests import wait_for

from pave.verdict.subject import EXAMPLE

pytestmark = pytest.mark.timeout(200)

OWNED = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: ledger}
spec: {type: service, lifecycle: production, owner: payments}
"""
LEDGER = """\
apiVersion: pave/v1
kind: Deployment
metadata: {name: ledger, environment: prod}
spec:
  component: component:default/ledger
  resources:
    db: {type: postgres, inputs: {backup_days: 7}}
    more: {type: postgres, inputs: {backup_days: 7}}
"""
NO_DATABASES = """\
apiVersion: pave/v1
kind: Guardrail
metadata: {name: no-databases, title: Nobody has a database, owner: group:platform}
spec:
  category: operations
  level: advisory
  stages: [schedule]
  applies: {type: postgres}
  require: change.type != "postgres"
  message: "{address} is a database."
"""
WAIVER = """\
apiVersion: pave/v1
kind: Waiver
metadata: {{name: {name}}}
spec:
  guardrail: postgres-backup-in-production
  for: prod/ledger/small
  reason: It is filled anew from the ledger every night.
  by: user:dana
  until: {until}
"""
POLICY = """\
package main

# METADATA
# title: Small databases are for trying
# custom: {owner: group:payments, stages: [plan, schedule], remedy: Take a medium one.}
deny_small contains msg if {
    input.environment.kind == "production"
    input.change.type == "postgres"
    input.inputs.size == data.sizes.refused
    msg := sprintf("%s is small", [input.change.address])
}
"""
OF_THE_PLAN = """\
package terraform

warn contains sprintf("%s keeps %d days", [one.address, one.change.after.backup_days]) if {
    some one in input.resource_changes
    one.type == "pave_database"
}

deny contains "a password is to be seen" if {
    some one in input.resource_changes
    not one.change.after.password in {null, "(sensitive)"}
    one.change.after.password
}
"""
TESTS = """\
package main

test_small if deny_small with input as {
    "environment": {"kind": "production"}, "change": {"type": "postgres", "address": "a/b/c"}, "inputs": {"size": "s"},
} with data.sizes.refused as "s"
"""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("guardrails") / "data", PAVE_RESYNC_SECONDS="3") as running:
        running.commit({"catalog/components/ledger.yaml": OWNED, "deployments/prod/ledger.yaml": LEDGER})
        wait_for(lambda: (running.status("prod/ledger") or {}).get("phase") == "live", "prod/ledger", running)
        yield running
        running.check()


def remove(there: Platform, resource: str) -> str:
    """Ask for a removal, which somebody has to approve; the run, once it waits."""
    run = there.asked("DELETE", f"/resources/prod/ledger/{resource}")
    wait_for(lambda: there.get(f"/runs/{run}")["state"] == "waiting", "the question", there)
    return run


def approval_of(there: Platform, run: str) -> dict[str, Any]:
    found = [one for one in there.get("/approvals", state="all")["approvals"] if one["run"] == run]
    return max(found, key=lambda one: str(one["asked_at"]))


def small(days: int) -> dict[str, Any]:
    named = {"component": "ledger", "env": "prod", "name": "small", "type": "postgres"}
    return {**named, "inputs": {"backup_days": days}}


def findings(run: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["guardrail"]: one for one in run["verdict"]["findings"]}


def test_what_is_denied_says_what_would_pass(there: Platform) -> None:
    run = there.run("POST", "/resources", small(1))
    assert run["state"] == "denied"
    found = findings(run)["postgres-backup-in-production"]
    assert found["patch"] == {"inputs": {"backup_days": 7}}
    looked = there.ask("POST", "/resources?dry_run=true", small(1)).json()
    assert looked["verdict"]["outcome"] == "denied"
    assert there.ask("POST", "/resources?dry_run=true", small(7)).json()["state"] == "succeeded"


def test_a_waiver_in_git_lets_it_pass_until_it_ends(there: Platform) -> None:
    there.commit({"waivers/small.yaml": WAIVER.format(name="small", until=datetime.now(UTC).date() + timedelta(9))})
    run = there.done("POST", "/resources", small(1))
    assert findings(run)["postgres-backup-in-production"]["waiver"] == "small"
    assert run["verdict"]["outcome"] == "allowed"
    there.commit({"waivers/small.yaml": WAIVER.format(name="small", until="2026-01-31")})
    ended = there.run("POST", "/resources", small(2))
    assert ended["state"] == "denied"
    assert "The waiver small ended on 2026-02-01" in findings(ended)["postgres-backup-in-production"]["message"]
    there.commit({"waivers/small.yaml": None})


def test_what_removes_data_waits_for_a_second_person(there: Platform) -> None:
    run = remove(there, "more")
    approval = approval_of(there, run)
    assert approval["approvers"] == ["group:default/payments", "group:default/platform"]
    assert [one["action"] for one in approval["plan"]["changes"]] == ["delete"]
    assert len(there.databases("prod/ledger/more")) == 1, "nothing is done yet"
    own = there.ask("POST", f"/approvals/{approval['id']}/approve", {"reason": "I know"})
    assert (own.status_code, "user:dana asked for this" in own.text) == (403, True)
    there.restart()
    approved = there.as_user("kim", "POST", f"/approvals/{approval['id']}/approve", {"reason": "It is empty."})
    assert approved.status_code == 200, approved.text
    done = there.ended(run)
    assert done["state"] == "succeeded", done
    assert there.databases("prod/ledger/more") == []
    again = there.as_user("kim", "POST", f"/approvals/{approval['id']}/approve", {})
    assert again.status_code == 409, "an approval is good for one run"
    used = approval_of(there, run)
    assert (used["state"], used["decided_by"], used["reason"]) == ("used", "user:default/kim", "It is empty.")
    assert used["waited"] > 0
    there.done("POST", "/resources/prod/ledger/more/restore", {})


def test_what_is_refused_says_by_whom_and_why(there: Platform) -> None:
    run = remove(there, "more")
    approval = approval_of(there, run)["id"]
    there.as_user("kim", "POST", f"/approvals/{approval}/refuse", {"reason": "The report needs it."})
    ended = there.ended(run)
    assert ended["state"] == "denied"
    assert ended["error"]["summary"] == "user:kim refused it: The report needs it."
    assert len(there.databases("prod/ledger/more")) == 1


def test_whoever_is_in_no_team_of_it_may_not_answer(there: Platform) -> None:
    run = remove(there, "more")
    approval = approval_of(there, run)["id"]
    answer = there.as_user("nobody", "POST", f"/approvals/{approval}/approve", {})
    assert answer.status_code == 403, answer.text
    assert there.ask("POST", f"/runs/{run}/cancel").status_code == 200
    assert there.ended(run)["state"] == "cancelled"
    late = there.as_user("kim", "POST", f"/approvals/{approval}/approve", {})
    assert late.status_code == 409, late.text
    assert there.get("/approvals")["approvals"] == []


def test_a_plan_that_changed_after_the_question_needs_another_answer(there: Platform) -> None:
    run = remove(there, "more")
    before = approval_of(there, run)
    text = there.file("deployments/prod/ledger.yaml") or ""
    there.commit({"deployments/prod/ledger.yaml": text.replace("backup_days: 7", "backup_days: 8", 1)})
    wait_for(lambda: there.open_runs() == [run], "everything else", there)
    there.as_user("kim", "POST", f"/approvals/{before['id']}/approve", {})
    wait_for(lambda: approval_of(there, run)["id"] != before["id"], "another question", there)
    assert len(there.databases("prod/ledger/more")) == 1, "what was approved is not what would be done"
    there.as_user("kim", "POST", f"/approvals/{approval_of(there, run)['id']}/approve", {})
    assert there.ended(run)["state"] == "succeeded"


def test_every_change_has_what_rules_may_read(there: Platform) -> None:
    kept = there.control("SELECT subjects FROM judgements WHERE run <> ''")
    subjects = [one for (found,) in kept for one in found]
    assert subjects
    for subject in subjects:
        assert _shape(subject) == _shape(EXAMPLE)


def _shape(data: Mapping[str, Any]) -> dict[str, Any]:
    """The names of the groups and of what is in them; inputs, checks and containers differ from change to change."""
    found = {
        name: sorted(group) if isinstance(group, Mapping) and name != "inputs" else "" for name, group in data.items()
    }
    return {**found, "containers": sorted({key for one in data["workload"]["containers"] for key in one})} | (
        {} if data["workload"]["containers"] else {"containers": sorted(EXAMPLE["workload"]["containers"][0])}
    )


def test_what_is_there_is_judged_again_when_a_rule_changes(there: Platform) -> None:
    wait_for(lambda: there.get("/guardrails/findings")["judged"], "the first look", there)
    assert [one["guardrail"] for one in there.get("/guardrails/findings")["findings"]] == []
    there.commit({"guardrails/no-databases.yaml": NO_DATABASES})
    found = wait_for(
        lambda: there.get("/guardrails/findings", guardrail="no-databases")["findings"], "a finding", there
    )
    assert {one["address"] for one in found} >= {"prod/ledger/db"}
    assert [one for one in there.get("/runs")["runs"] if one["state"] == "denied"], "and nothing was undone for it"
    explained = there.get("/guardrails/no-databases", on="prod/ledger")
    assert re.match(r"no-databases would have fired on \d+ of \d+ changes of the last 30 days", explained["lately"])
    assert {one["guardrail"] for one in explained["findings"]} == {"no-databases"}
    there.commit({"guardrails/no-databases.yaml": None})
    wait_for(lambda: not there.get("/guardrails/findings", guardrail="no-databases")["findings"], "its end", there)


def test_a_new_rule_is_tried_before_it_is_there(there: Platform) -> None:
    draft = there.ask("POST", "/guardrails/draft", {"name": "small-only", "require": 'inputs.size == "small"'})
    assert draft.status_code == 200, draft.text
    assert draft.json()["path"] == "guardrails/small-only.yaml"
    assert "small-only would have fired on" in draft.json()["lately"]
    broken = there.ask("POST", "/guardrails/draft", {"name": "small-only", "require": "inputs.size ==="})
    assert broken.status_code == 422, broken.text


@pytest.mark.skipif(find_spec("regorus") is None, reason="this needs the extra [rego]")
def test_policies_in_rego_are_guardrails_too(there: Platform) -> None:
    policies = {
        "policies/sizes.rego": POLICY,
        "policies/plan.rego": OF_THE_PLAN,
        "policies/sizes_test.rego": TESTS,
        "policies/data/sizes.yaml": "sizes: {refused: small}\n",
    }
    passed = there.get("/guardrails/test")["passed"]
    there.commit(policies)
    denied = there.ask("POST", "/resources?dry_run=true", small(7)).json()["verdict"]
    assert denied["outcome"] == "denied"
    said = {one["guardrail"]: one for one in denied["findings"]}
    assert said["main.deny_small"]["message"] == "prod/ledger/small is small (policies/sizes.rego)"
    assert said["main.deny_small"]["remedy"] == "Take a medium one."
    assert "module.small.pave_database.this keeps 7 days" in said["terraform.warn"]["message"]
    assert "terraform.deny" not in said
    run = there.run("POST", "/resources", small(7))
    assert (run["state"], set(findings(run))) == ("denied", set(said)), "the plan that was kept says the same"
    listed = {one["name"]: one for one in there.get("/guardrails")["guardrails"]}
    assert (listed["main.deny_small"]["language"], listed["main.deny_small"]["problem"]) == ("Rego", "")
    assert there.get("/guardrails/test") == {"passed": passed + 1, "failures": []}
    explained = there.get("/guardrails/main.deny_small", on="prod/ledger")
    assert "main.deny_small would have fired on" in explained["lately"]
    assert {one["address"] for one in explained["findings"]} == {"prod/ledger/db", "prod/ledger/small"}
    there.commit({"policies/sizes.rego": "package main\n\ndeny contains 1 if {\n"})
    broken = there.ask("POST", "/resources?dry_run=true", small(7)).json()["verdict"]
    assert "guardrail.error" in {one["guardrail"] for one in broken["findings"]}
    assert any("policies/sizes.rego" in one["summary"] for one in there.get("/guardrails/test")["failures"])
    there.commit(dict.fromkeys(policies))


def test_nobody_answers_in_time(there: Platform) -> None:
    run = remove(there, "db")
    with there.database("pave", purpose="control") as connection:
        past = psycopg.sql.SQL("now() - interval '1 second'")
        connection.execute(psycopg.sql.SQL("UPDATE approvals SET expires_at = {}").format(past))
        connection.execute(psycopg.sql.SQL("UPDATE runs SET not_before = {} WHERE id = {}").format(past, run))
    ended = there.ended(run, 90)
    assert ended["state"] == "denied"
    assert ended["error"]["summary"].startswith("Nobody approved it until")
    assert len(there.databases("prod/ledger/db")) == 1
