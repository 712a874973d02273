"""The platform as a product: what people miss is counted, what they say is answered, and components are scored."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from platform_for_tests import Platform, platform

_ORDERS = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: ledger, description: What was paid., annotations: {pave.dev/runbook: https://example.com/runbook}}
spec: {type: service, lifecycle: production, owner: payments, system: shop}
"""
_PLAN = """\
apiVersion: pave/v1
kind: RoadmapItem
metadata: {name: kafka, title: Kafka topics, owner: "group:platform"}
spec: {state: planned, when: 2027-Q1}
"""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("product") / "data") as running:
        running.commit({"catalog/ledger.yaml": _ORDERS, "roadmap/kafka.yaml": _PLAN}, "Plan Kafka")
        yield running


def test_what_is_not_there_is_remembered_and_ranked(there: Platform) -> None:
    for user in ("sam", "lee"):
        body = {"component": "ledger", "name": "topic", "type": "kafka"}
        assert there.as_user(user, "POST", "/resources", body).status_code == 422
    assert there.get("/entities", text="nothing like that")["entities"] == []
    there.ask("POST", "/feedback", {"text": "A Kafka topic, please", "kind": "need"})
    found = there.get("/demand")["wishes"]
    assert found[0] == {"kind": "type", "what": "kafka", "people": 2, "asked": 2}
    assert {(one["kind"], one["what"]) for one in found} == {
        ("type", "kafka"),
        ("search", "nothing like that"),
        ("need", "a kafka topic, please"),
    }


def test_an_answer_reaches_who_asked_and_nobody_else(there: Platform) -> None:
    said = there.as_user("sam", "POST", "/feedback", {"text": "Backups to S3", "about": "pave backups"}).json()
    assert there.as_user("kim", "POST", f"/feedback/{said['id']}/reply", {"text": "No."}).status_code == 403
    there.ask("POST", f"/feedback/{said['id']}/reply", {"text": "In January.", "state": "planned"})
    (mine,) = there.as_user("sam", "GET", "/feedback").json()["feedback"]
    assert (mine["reply"], mine["state"]) == ("In January.", "planned")
    assert there.as_user("lee", "GET", "/feedback").json()["feedback"] == []
    told = there.control("SELECT data FROM events WHERE type = 'feedback.answered'")
    assert told[0][0]["to"] == "user:default/sam"


def test_the_survey_is_asked_once_a_month(there: Platform) -> None:
    assert there.get("/survey")["due"]
    wrong = there.ask("POST", "/survey", {"answers": {"soon": 7}})
    assert (wrong.status_code, "not on the scale" in wrong.text) == (422, True)
    assert not there.ask("POST", "/survey", {"answers": {"soon": 5}}).json()["due"]
    assert there.ask("POST", "/survey", {"answers": {"soon": 1}}).status_code == 409
    assert there.get("/insights")["survey"] == {"soon": {}}, "one answer would say who gave it"


def test_a_component_is_scored_with_its_next_step(there: Platform) -> None:
    scores = {one["scorecard"]: one for one in there.get("/scores/ledger")["scores"]}
    assert set(scores) == {"production-readiness", "security", "ownership-and-docs", "cost"}
    assert scores["production-readiness"]["level"] == ""
    assert "Deploy it" in scores["production-readiness"]["next"]
    passed = {one["name"] for one in scores["ownership-and-docs"]["checks"] if one["passed"]}
    assert {"owned", "described", "people", "in-a-system"} <= passed
    assert there.get("/scores/ledger/badge", scorecard="security")["message"] == "not yet"
    assert there.ask("GET", "/scores/ledgr").status_code == 404


def test_pave_says_how_it_is_and_what_it_means_to_do(there: Platform) -> None:
    health = there.get("/health")
    assert {one["name"] for one in health["parts"]} >= {
        "database",
        "queue",
        "reconciler",
        "disk",
        "collector",
        "alerting",
        "notifier",
    }
    assert all(one["state"] != "bad" for one in health["parts"])
    assert [one["name"] for one in there.get("/roadmap")["items"]] == ["kafka"]
    newest = there.get("/changelog")["changes"][0]
    assert (newest["title"], newest["concerns"]) == ("Plan Kafka", ["roadmap"])
