"""What it costs: said before, kept within budgets, metered, exported, and compared with a cloud's bill.

The tests are the chapters of one story, in order, on one platform.
"""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from focus_for_tests import violations
from platform_for_tests import Platform, platform
from visitor_for_tests import wait_for

pytestmark = pytest.mark.timeout(200)

OWNED = """\
apiVersion: backstage.io/v1alpha1
kind: Component
metadata: {name: NAME}
spec: {type: service, lifecycle: production, owner: payments}
"""
DATABASE = 5.86
"""USD a month of a small database with the backups of one night: 730 × 0.008 + 1 × 0.02."""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with platform(tmp_path_factory.mktemp("costs") / "data") as running:
        owned = {f"catalog/components/{one}.yaml": OWNED.replace("NAME", one) for one in ("ledger", "orders")}
        running.commit(owned)
        running.done("POST", "/resources", wish("ledger", "db"))
        yield running
        running.check()


def wish(component: str, name: str, type_: str = "postgres") -> dict[str, Any]:
    return {"component": component, "env": "dev", "name": name, "type": type_}


def several(component: str, *names: str) -> dict[str, Any]:
    resources = [{"name": one, "type": "postgres"} for one in names]
    return {"component": component, "env": "dev", "resources": resources}


def budget(there: Platform, amount: str) -> None:
    """Say what dev may cost, and wait until that has no run any more."""
    text = there.file("environments/dev.yaml") or ""
    kept = "".join(line for line in text.splitlines(keepends=True) if "budget" not in line)
    there.commit({"environments/dev.yaml": f"{kept}  budget: {amount}\n"})
    there.settle()


def findings(run: dict[str, Any]) -> dict[str, str]:
    return {one["guardrail"]: one["message"] for one in run["verdict"]["findings"]}


def group(there: Platform, name: str, by: str = "service") -> dict[str, Any]:
    return next(one for one in there.get("/cost", by=by)["groups"] if one["group"] == name)


def test_a_dry_run_says_what_it_would_cost_and_what_the_cloud_would_ask(there: Platform) -> None:
    cost = there.ask("POST", "/resources?dry_run=true", wish("ledger", "more")).json()["plan"]["cost"]
    assert (cost["monthly"], cost["currency"], cost["unpriced"]) == ("5.86", "USD", [])
    assert (cost["low"], cost["high"]) == ("5.84", "6.04")
    assert float(cost["shadow"]) > 10
    (resource,) = cost["resources"]
    assert (resource["address"], resource["monthly"]) == ("dev/ledger/more", "5.86")
    assert cost["text"].startswith("+5.86 USD per month (+5.84 to +6.04), +13.98 in the cloud")


def test_below_the_budget_it_passes_and_a_change_over_it_is_denied_with_amounts(there: Platform) -> None:
    budget(there, "20 USD per month")
    looked = there.ask("POST", "/resources?dry_run=true", wish("ledger", "more")).json()
    assert looked["plan"]["cost"]["budgets"] == ["dev would spend 11.72 of 20.00 USD a month"]
    assert there.done("POST", "/resources", wish("ledger", "more"))["verdict"]["outcome"] == "allowed"
    denied = there.run("POST", "/resources/batch", several("ledger", "third", "fourth"))
    assert denied["state"] == "denied"
    assert findings(denied)["budget-spent"] == (
        "The change costs 11.72 USD a month more than there is left: dev would spend 23.44 of 20.00 USD a month."
    )
    assert there.databases("dev/ledger/third") == []
    assert there.done("POST", "/resources", wish("ledger", "name", "dns")), "what is free passes"


def test_over_four_fifths_somebody_is_asked(there: Platform) -> None:
    run = there.asked("POST", "/resources", wish("ledger", "third"))
    wait_for(lambda: there.get(f"/runs/{run}")["state"] == "waiting", "the question", there)
    (approval,) = there.get("/approvals")["approvals"]
    assert "dev would spend 17.58 of 20.00 USD a month" in approval["findings"][0]["message"]
    assert approval["findings"][0]["guardrail"] == "budget-nearly-spent"
    assert there.control("SELECT 1 FROM reservations WHERE state = 'reserved'") == [], "nothing is taken for a question"
    there.as_user("kim", "POST", f"/approvals/{approval['id']}/refuse", {"reason": "Two are enough."})
    assert there.ended(run)["state"] == "denied"


def test_a_budget_of_the_team_counts_in_all_environments(there: Platform) -> None:
    teams = there.file("catalog/teams.yaml") or ""
    more = teams.replace('"2000"\n', '"2000"\n    pave.dev/budget: 12 USD per month\n')
    there.commit({"catalog/teams.yaml": more})
    denied = there.run("POST", "/resources", {**wish("orders", "db"), "env": "staging"})
    assert "payments would spend 17.58 of 12.00 USD a month" in findings(denied)["budget-spent"]
    assert group(there, "group:default/payments", "team")["budget"] == "12.00"
    there.commit({"catalog/teams.yaml": teams})


def test_two_runs_side_by_side_spend_the_last_of_a_budget_once(there: Platform) -> None:
    budget(there, "30 USD per month")
    runs: list[str] = []
    wishes = (several("ledger", "a", "b"), several("orders", "a", "b"))
    threads = [
        threading.Thread(target=lambda one=one: runs.append(there.asked("POST", "/resources/batch", one)))
        for one in wishes
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    ended = [there.ended(one) for one in runs]
    assert sorted(one["state"] for one in ended) == ["denied", "succeeded"]
    (denied,) = [one for one in ended if one["state"] == "denied"]
    assert "of 30.00 USD a month" in findings(denied)["budget-spent"]
    assert there.control("SELECT scope, state FROM reservations WHERE amount > 11") == [("environment/dev", "settled")]


def test_what_is_there_is_metered_and_estimate_and_actual_stand_side_by_side(there: Platform) -> None:
    there.restart()
    found = wait_for(lambda: (one := group(there, "ledger"))["so_far"] != "0.00" and one, "the meter", there, 30)
    assert float(found["monthly"]) == pytest.approx(float(found["projection"]), abs=float(found["monthly"]))
    explained = there.get("/cost/resources/dev/ledger/db")
    (hours, backup) = explained["lines"]
    assert (hours["typical"], hours["unit"], hours["unit_price"], hours["monthly"]) == ("730", "Hours", "0.008", "5.84")
    assert hours["so_far"] == "0.01"
    assert backup["source"] == "a share of this machine"
    assert explained["equivalent"] == "aws/postgres"
    assert any(one["sku"] == "rds-postgres-t4g-micro" for one in explained["shadow"])
    before = there.control("SELECT resource, sku, quantity FROM charges WHERE scenario = 'actual' ORDER BY 1, 2")
    there.restart()
    there.get("/cost")
    again = there.control("SELECT resource, sku, quantity FROM charges WHERE scenario = 'actual' ORDER BY 1, 2")
    hour = there.control("SELECT count(DISTINCT k) FROM charges, jsonb_object_keys(hours) AS k")
    assert again == before or hour != [(1,)], "the same hour counts once, unless the next one has begun"


def test_the_export_validates_as_focus_1_2(there: Platform) -> None:
    exported = there.get("/cost/export", scenario="all")
    assert violations(exported["csv"]) == []
    rows = list(csv.DictReader(io.StringIO(exported["csv"])))
    assert len(rows) == exported["rows"] >= 6
    assert {one["x_Scenario"] for one in rows} == {"actual", "low", "typical", "high"}
    assert {one["SubAccountId"] for one in rows} == {"dev"}
    command = [sys.executable, "-m", "pave", "--data", str(there.data), "cost", "export"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert violations(said) == []
    assert said.startswith("BilledCost,BillingAccountId,")


def test_a_bill_is_imported_row_by_row_and_counts_instead_of_the_meter(there: Platform, tmp_path: Any) -> None:
    now = datetime.now(UTC)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    exported = list(csv.DictReader(io.StringIO(there.get("/cost/export")["csv"])))
    row = {
        **next(one for one in exported if one["ResourceId"] == "dev/ledger/db"),
        "BillingAccountId": "1234",
        "ResourceId": "arn:db",
        "ProviderName": "AWS",
        "SkuId": "S",
        "SkuPriceId": "P",
        "ListUnitPrice": "0.5",
        "PricingQuantity": "24",
        "ListCost": "12",
        "EffectiveCost": "9.5",
        "ChargePeriodStart": day.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "ChargePeriodEnd": (day + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "Tags": '{"pave.dev/address": "dev/ledger/db"}',
    }
    file = tmp_path / "november.csv"
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(row))
        writer.writeheader()
        writer.writerows([row, {**row, "BillingCurrency": "EUR"}, {**row, "ListUnitPrice": "-1"}])
    command = [sys.executable, "-m", "pave", "--data", str(there.data), "cost", "import", str(file)]
    for _ in range(2):
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        assert "1 rows, 9.50 USD" in said
        assert "november.csv:3  it is billed in EUR, and the platform counts in USD" in said
        assert "november.csv:4" in said
    assert group(there, "dev/ledger/db", "resource")["so_far"] == "9.50"
    body = {"export": file.read_text(), "name": "november.csv"}
    assert there.as_user("nobody", "POST", "/cost/import", body).status_code == 403


def test_a_price_that_can_be_none_stops_the_change_that_brings_it(there: Platform) -> None:
    findings_before = len(there.get("/findings")["findings"])
    head = "SkuId,PricingUnit,ListUnitPrice,BillingCurrency\n"
    path = "modules/local-queue/prices.csv"
    kept = there.file(path)
    there.commit({path: f"{head}local-queue-hours,Hours,-1,USD\n"})
    found = wait_for(lambda: there.get("/findings")["findings"][findings_before:], "the finding", there)
    assert any("ListUnitPrice -1 is negative" in str(one) for one in found)
    there.commit({path: kept})
    there.settle()


def test_costs_are_shown_as_tables(there: Platform) -> None:
    def said(*words: str) -> str:
        command = [sys.executable, "-m", "pave", "--data", str(there.data), "cost", *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout

    by_environment = said("--by", "environment")
    assert "in the cloud" in by_environment
    assert "of 30.00" in by_environment
    assert "local-postgres-hours" in said("explain", "dev/ledger/db")
