"""The platform repository by Git: a branch is planned, judged, merged when it may be; main takes no push."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from command_line_for_tests import pave
from platform_for_tests import Platform, platform
from visitor_for_tests import Visitor, wait_for

pytestmark = pytest.mark.timeout(200)

DATABASE = """\
apiVersion: pave/v1
kind: Deployment
metadata: {{name: ledger, environment: {environment}}}
spec:
  component: component:default/ledger
  resources:
    db: {{type: postgres, inputs: {{backup_days: {days}}}}}
"""
OWNED = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {{name: {name}}}
spec: {{type: service, lifecycle: production, owner: payments}}
"""


THEIRS = """\
apiVersion: pave/v1
kind: Guardrail
metadata: {name: theirs, title: A rule of the payments team, owner: group:payments}
spec: {category: operations, level: advisory, require: 'true', message: No.}
"""
WAIVER = """\
apiVersion: pave/v1
kind: Waiver
metadata: {name: theirs}
spec: {guardrail: theirs, for: prod/ledger, reason: It is rebuilt every night., by: user:sam, until: 2027-02-01}
"""


@pytest.fixture(scope="module")
def visitor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Visitor]:
    folder = tmp_path_factory.mktemp("platform-changes")
    with platform(folder / "data") as there:
        visiting = Visitor(there, folder)
        visiting.clone("platform")
        yield visiting
        there.settle()
        there.check()


@pytest.fixture
def there(visitor: Visitor) -> Platform:
    return visitor.there


def begin(visitor: Visitor, branch: str) -> None:
    visitor.git("fetch", "--quiet", "origin", at="platform")
    visitor.git("checkout", "--quiet", "-B", branch, "origin/main", at="platform")


def places(there: Platform, commit: str) -> dict[str, tuple[str, str]]:
    """Where a commit is: state and reason by stack, or by environment where it reaches none."""
    found = there.get(f"/commits/{commit}/where", repository="platform")["places"]
    return {one["stack"] or one["environment"]: (one["state"], one["reason"]) for one in found}


def test_main_takes_no_push(visitor: Visitor) -> None:
    begin(visitor, "main")
    visitor.commit("platform", "deployments/dev/ledger.yaml", DATABASE.format(environment="dev", days=1))
    said = visitor.push("platform", check=False)
    assert "main of the platform repository is written by Pave alone" in said
    assert "git push origin HEAD:my-change" in said


def test_a_routine_change_is_planned_judged_and_merges_itself(visitor: Visitor, there: Platform) -> None:
    begin(visitor, "ledger")
    visitor.commit("platform", "catalog/components/ledger.yaml", OWNED.format(name="ledger"))
    visitor.commit("platform", "deployments/dev/ledger.yaml", DATABASE.format(environment="dev", days=1))
    said = visitor.push("platform", "ledger")
    assert "Change request platform/1" in said
    checked = there.ended(visitor.run_of(said))
    assert checked["state"] == "succeeded", checked
    assert [one["address"] for one in checked["plan"]["changes"]] == ["dev/ledger/db"]
    assert checked["plan"]["cost"]["text"].startswith("+5.8")
    merged = there.ended(checked["result"]["next"])
    assert merged["state"] == "succeeded", merged
    assert there.databases("dev/ledger/db")
    change = there.get("/changes/platform/1")
    assert (change["state"], change["merged"]) == ("merged", str(there.commits()[0].id))
    assert len(there.commits()[0].parent_ids) == 2, "Git knows the branch as merged"
    assert "ledger" not in visitor.git("ls-remote", "--heads", "origin", at="platform")
    nothing = ("unaffected", "it changes no stack there")
    for commit in (change["head"], change["merged"]):
        assert places(there, commit) == {"dev/ledger": ("live", ""), "staging": nothing, "prod": nothing}
    first = str(there.commits()[-1].id)
    assert set(places(there, first)) == {"dev", "staging", "prod"}


def test_what_a_guardrail_denies_waits_and_touches_nothing(visitor: Visitor, there: Platform) -> None:
    begin(visitor, "risky")
    visitor.commit("platform", "deployments/prod/ledger.yaml", DATABASE.format(environment="prod", days=1))
    run = there.ended(visitor.run_of(visitor.push("platform", "risky")))
    assert run["state"] == "denied"
    change = there.get("/changes/platform/2")
    assert change["state"] == "open"
    assert "keeps at least 7" in change["next"]
    assert there.ask("POST", "/changes/platform/2/merge", {}).status_code == 422
    assert there.file("deployments/prod/ledger.yaml") is None
    denied = change["head"]
    reason = "it is only in the change request platform/2, which was denied by its check"
    assert places(there, denied)["prod/ledger"] == ("absent", reason)
    visitor.commit("platform", "deployments/prod/ledger.yaml", DATABASE.format(environment="prod", days=14))
    better = there.ended(visitor.run_of(visitor.push("platform", "risky")))
    assert there.ended(better["result"]["next"])["state"] == "succeeded"
    assert there.databases("prod/ledger/db")
    later = str(there.commits()[0].id)[:7]
    assert places(there, denied)["prod/ledger"] == ("included", f"{later}, which is applied there, contains it")


def test_a_changed_module_is_planned_for_every_stack_that_it_serves(visitor: Visitor, there: Platform) -> None:
    begin(visitor, "module")
    path = visitor.folder / "platform/modules/local-postgres/main.tf"
    text = path.read_text().replace('variable "size" {', 'variable "note" {\n  default = ""\n}\n\nvariable "size" {', 1)
    visitor.commit("platform", "modules/local-postgres/main.tf", text)
    said = visitor.push("platform", "module")
    head = visitor.git("rev-parse", "HEAD", at="platform").strip()
    run = there.ended(visitor.run_of(said))
    assert run["state"] == "succeeded", run
    assert sorted(run["plan"]["stacks"]) == ["dev/ledger", "prod/ledger"]
    assert run["plan"]["changes"] == [], "another variable changes nothing that is there"
    assert there.ended(run["result"]["next"])["state"] == "succeeded"
    there.settle()
    assert {name: state for name, (state, _) in places(there, head).items()} == {
        "dev/ledger": "live",
        "staging": "unaffected",
        "prod/ledger": "live",
    }


def test_a_broken_file_is_said_with_its_line(visitor: Visitor, there: Platform) -> None:
    begin(visitor, "broken")
    visitor.commit(
        "platform",
        "environments/dev2.yaml",
        "apiVersion: pave/v1\nkind: Environment\nmetadata: {name: dev2}\nspec:\n  kind: developmental\n",
    )
    run = there.ended(visitor.run_of(visitor.push("platform", "broken")))
    assert run["state"] == "failed"
    assert (run["error"]["file"], run["error"]["line"]) == ("environments/dev2.yaml", 5)
    closed = there.ask("POST", "/changes/platform/4/close", {})
    assert closed.json()["state"] == "closed"
    asked = there.get(f"/commits/{there.get('/changes/platform/4')['head'][:9]}/where")
    assert asked["repository"] == "platform"


def test_two_changes_of_one_file_conflict_and_name_it(visitor: Visitor, there: Platform) -> None:
    begin(visitor, "one")
    visitor.commit("platform", "deployments/dev/ledger.yaml", DATABASE.format(environment="dev", days=2))
    begin(visitor, "two")
    visitor.commit("platform", "deployments/dev/ledger.yaml", DATABASE.format(environment="dev", days=3))
    first = visitor.run_of(visitor.push("platform", "one"))
    second = visitor.run_of(visitor.push("platform", "two"))
    there.ended(there.ended(first)["result"]["next"])
    there.ended(second)
    there.settle()
    states = {there.get(f"/changes/platform/{number}")["state"] for number in (5, 6)}
    assert states == {"merged", "open"}
    left = next(number for number in (5, 6) if there.get(f"/changes/platform/{number}")["state"] == "open")
    assert there.get(f"/changes/platform/{left}")["conflict"] == "Both sides changed deployments/dev/ledger.yaml"


def test_what_is_depended_on_comes_first_and_what_is_missing_is_named(visitor: Visitor, there: Platform) -> None:
    begin(visitor, "order")
    for name, needs in (("aaa", "zzz"), ("zzz", "")):
        entity = OWNED.format(name=name)
        entity = (
            entity.replace("owner: payments", f"owner: payments, dependsOn: [component:{needs}]") if needs else entity
        )
        visitor.commit("platform", f"catalog/components/{name}.yaml", entity)
        deployment = DATABASE.format(environment="dev", days=1).replace("ledger", name)
        visitor.commit("platform", f"deployments/dev/{name}.yaml", deployment)
    checked = there.ended(visitor.run_of(visitor.push("platform", "order")))
    merged = there.ended(checked["result"]["next"])
    assert merged["state"] == "succeeded", merged
    planned = [line for line in there.get(f"/runs/{merged['id']}/log")["lines"] if line.startswith("Planning")]
    assert planned == ["Planning dev/zzz", "Planning dev/aaa"]
    begin(visitor, "lost")
    text = OWNED.format(name="aaa").replace("owner: payments", "owner: payments, dependsOn: [component:gone]")
    visitor.commit("platform", "catalog/components/aaa.yaml", text)
    deployment = DATABASE.format(environment="dev", days=2).replace("ledger", "aaa")
    visitor.commit("platform", "deployments/dev/aaa.yaml", deployment)
    checked = there.ended(visitor.run_of(visitor.push("platform", "lost")))
    failed = there.ended(checked["result"]["next"])
    assert failed["state"] == "failed"
    assert failed["error"]["summary"] == "dev/aaa depends on dev/gone, which is not deployed there"
    lost = visitor.git("rev-parse", "HEAD", at="platform").strip()
    wait_for(lambda: places(there, lost)["dev/aaa"][0] == "failed", "the end of the second try", there)
    assert places(there, lost)["dev/aaa"][1].startswith("applying it failed: dev/aaa depends on dev/gone")


def test_whoever_is_not_of_the_platforms_team_runs_no_module_by_pushing_a_branch(
    visitor: Visitor, there: Platform
) -> None:
    begin(visitor, "theirs")
    visitor.commit("platform", "modules/local-queue/extra.tf", 'variable "extra" {\n  default = ""\n}\n')
    sam = Visitor(there, visitor.folder, there.token("sam"))
    said = sam.push("platform", "theirs")
    assert "user:sam may not change modules/local-queue/extra.tf" in said
    (change,) = [one for one in there.get("/changes")["changes"] if one["branch"] == "theirs"]
    assert (change["author"], change["run"]) == ("user:default/sam", "")
    asked = there.ended(there.asked("POST", f"/changes/{change['id']}/check", {}))
    assert asked["state"] == "succeeded", "the platform's own team may look"
    assert there.get(f"/changes/{change['id']}")["state"] == "open", "its author may not merge it"


def test_a_waiver_takes_the_team_of_its_rule_and_a_second_person(visitor: Visitor, there: Platform) -> None:
    there.commit({"guardrails/theirs.yaml": THEIRS})
    begin(visitor, "waiver")
    visitor.commit("platform", "waivers/theirs.yaml", WAIVER)
    sam = Visitor(there, visitor.folder, there.token("sam"))
    assert there.ended(visitor.run_of(sam.push("platform", "waiver")))["state"] == "succeeded"
    (change,) = [one for one in there.get("/changes")["changes"] if one["branch"] == "waiver"]
    change = there.get(f"/changes/{change['id']}")
    assert change["state"] == "open"
    assert any("an exception takes a second person" in one["text"] for one in change["comments"])
    own = there.as_user("sam", "POST", f"/changes/{change['id']}/merge", {})
    assert own.status_code == 403, own.text
    merged = there.as_user("kim", "POST", f"/changes/{change['id']}/merge", {})
    assert merged.status_code == 202, merged.text
    assert there.ended(merged.json()["id"])["state"] == "succeeded"
    assert [one["name"] for one in there.get("/waivers")["waivers"]] == ["theirs"]
    twice = WAIVER.replace("name: theirs", "name: again").replace("prod/ledger", "prod")
    there.commit({"waivers/again.yaml": twice})
    said = [one["summary"] for one in there.get("/findings")["findings"]]
    assert any(
        "the waivers again and theirs are both for what prod and prod/ledger have in common" in one for one in said
    )
    there.commit({"waivers/again.yaml": None, "waivers/theirs.yaml": None, "guardrails/theirs.yaml": None})


def test_what_somebody_may_is_told_with_file_and_line(there: Platform) -> None:
    said = pave(there.data, "can", "user:sam", "deploy", "prod/ledger", "--explain")
    assert "user:sam may deploy prod/ledger" in said
    assert re.search(r"user:sam is a member of group:payments +catalog/people.yaml:\d+", said), said
    refused = pave(there.data, "can", "user:dana", "waive", "guardrail:gone", "--explain")
    assert "platform-engineer" in refused
    no = pave(there.data, "can", "user:sam", "administer", "platform", code=3)
    assert "It would be allowed if user:sam were a member of group:platform" in no
    answer = there.as_user("lee", "GET", "/access?verb=deploy&address=prod/ledger").json()
    assert (answer["user"], answer["allowed"], answer["role"]) == ("user:default/lee", True, "owner")


def test_who_is_not_in_the_catalog_reads_nothing(there: Platform) -> None:
    for path in ("/overview", "/stacks", "/entities", "/events"):
        answer = there.as_user("stranger", "GET", path)
        assert answer.status_code == 403, (path, answer.text)
    assert there.as_user("stranger", "GET", "/whoami").status_code == 200
    assert there.as_user("sam", "GET", "/entities").status_code == 200


def test_a_push_whose_end_nobody_saw_is_found(visitor: Visitor, there: Platform) -> None:
    """The server dies right after the push is in: the next start acts on it, once."""
    begin(visitor, "late")
    visitor.commit("platform", "catalog/components/late.yaml", OWNED.format(name="late"))
    visitor.commit(
        "platform", "deployments/dev/late.yaml", DATABASE.format(environment="dev", days=1).replace("ledger", "late")
    )
    visitor.push("platform", "late")
    there.kill()
    there.up()
    wait_for(lambda: there.databases("dev/late/db"), "the change", there)
    there.settle()
    changes = there.get("/changes", state="all", repository="platform")["changes"]
    assert [one["state"] for one in changes if one["branch"] == "late"] == ["merged"]
