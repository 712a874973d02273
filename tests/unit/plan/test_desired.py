"""Every intent: what it edits, that asking again edits nothing, and what it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import yaml

from pave.model.deployment import Deployment
from pave.model.deployment_file import read_deployment, write_deployment
from pave.model.diagnostics import Refused
from pave.model.entity import Entity
from pave.model.environment import Binding, Environment
from pave.model.environment_file import read_environment, write_environment
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.model.workload import Need
from pave.plan.desired import desired
from pave.plan.wanted import Desired, Made, Preview
from pave.request import intent as wish
from pave.request.intent import KINDS, Intent

OPS, PAYMENTS = Ref.parse("group:platform"), Ref.parse("group:payments")
ORDERS, SHOP = Address("dev", "orders"), Address("dev", "shop")
ONE, TWO = "1" * 40, "2" * 40
FIRST, SECOND = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
BINDINGS = (Binding("postgres", "local/postgres"), Binding("queue", "local/queue"))
RUNNING = Deployment(
    ORDERS,
    Ref.parse("component:orders"),
    repository="orders",
    commit=ONE,
    artifact=FIRST,
    resources={"db": Need("db", "postgres"), "trial": Need("trial", "queue")},
    inputs={"db": {"size": "small"}},
    ends={"trial": "2026-12-01T00:00:00Z"},
    scale=2,
    pin="too slow",
)
FILES: dict[str, bytes] = {
    "environments/dev.yaml": write_environment(Environment("dev", "development", OPS, bindings=BINDINGS)),
    "environments/prod.yaml": write_environment(Environment("prod", "production", OPS, inherits="dev")),
    "deployments/dev/orders.yaml": write_deployment(RUNNING),
}
MADE = Made("orders", TWO, SECOND, "score.yaml", owner=PAYMENTS)


def snapshot(files: Mapping[str, bytes]) -> Snapshot:
    """The repository as the pure stages see it, from its files."""
    environments = [read_environment(data, path) for path, data in files.items() if path.startswith("environments/")]
    deployments = [read_deployment(data, path) for path, data in files.items() if path.startswith("deployments/")]
    registered = [yaml.safe_load(data) for path, data in files.items() if path.startswith("catalog/")]
    entities = [
        Entity(
            Ref(one["kind"].lower(), "default", one["metadata"]["name"]),
            one["kind"],
            one["apiVersion"],
            one["metadata"],
            one["spec"],
        )
        for one in registered
    ]
    return Snapshot(
        "base",
        environments={one.name: replace(one, bindings=one.bindings or BINDINGS) for one in environments},
        deployments={one.address: one for one in deployments},
        entities={one.ref: one for one in entities},
    )


def changed(granted: Desired, files: Mapping[str, bytes]) -> dict[str, bytes | None]:
    return {path: data for path, data in granted.edits.items() if files.get(path) != data}


def laid(files: Mapping[str, bytes], edits: Mapping[str, bytes | None]) -> dict[str, bytes]:
    return {path: data for path, data in {**files, **edits}.items() if data is not None}


def add(name: str = "events", type_: str = "queue", stack: Address = ORDERS, **inputs: object) -> wish.AddResource:
    return wish.AddResource(stack.at(name), type_, inputs=inputs)


PREVIEW = Preview(
    Address("preview-orders-3", "orders"),
    Environment("preview-orders-3", "preview", PAYMENTS, inherits="dev", until="2026-12-01T00:00:00Z", drift=""),
    RUNNING,
)
ADDED_TO_SHOP = add("db", "postgres", SHOP)
WISHES: dict[str, tuple[Intent, Made, set[str]]] = {
    "component.create": (
        wish.CreateComponent("shop", "python-service"),
        replace(MADE, repository="shop", template="python-service"),
        {"catalog/components/shop.yaml", "deployments/dev/shop.yaml"},
    ),
    "component.import": (
        wish.ImportComponent("/somewhere/shop", environment=""),
        replace(MADE, repository="shop", url="/somewhere/shop"),
        {"catalog/components/shop.yaml"},
    ),
    "stack.deploy": (wish.Deploy(ORDERS), MADE, {"deployments/dev/orders.yaml"}),
    "resource.add": (ADDED_TO_SHOP, MADE, {"catalog/components/shop.yaml", "deployments/dev/shop.yaml"}),
    "resources.add": (
        wish.AddResources((add(), add("more", "postgres", size="medium"))),
        Made(),
        {"deployments/dev/orders.yaml"},
    ),
    "resource.remove": (wish.RemoveResource(ORDERS.at("db")), Made(), {"deployments/dev/orders.yaml"}),
    "resource.restore": (
        wish.RestoreResource(ORDERS.at("old")),
        Made(trashed_type="postgres"),
        {"deployments/dev/orders.yaml"},
    ),
    "stack.remove": (wish.RemoveStack(ORDERS), Made(), {"deployments/dev/orders.yaml"}),
    "environment.create": (
        wish.CreateEnvironment("dana-try", "dev", ("orders",)),
        Made(owner=PAYMENTS),
        {"environments/dana-try.yaml", "deployments/dana-try/orders.yaml"},
    ),
    "environment.delete": (
        wish.DeleteEnvironment("prod"),
        Made(),
        {"environments/prod.yaml"},
    ),
    "stack.rollback": (
        wish.Rollback(ORDERS, reason="two was a mistake"),
        Made(earlier={ORDERS: replace(RUNNING, commit=TWO, artifact=SECOND, pin=None)}),
        {"deployments/dev/orders.yaml"},
    ),
    "stacks.rollback": (
        wish.RollbackAll((wish.Rollback(ORDERS, reason="both were"),)),
        Made(earlier={ORDERS: replace(RUNNING, commit=TWO, artifact=SECOND, pin=None)}),
        {"deployments/dev/orders.yaml"},
    ),
    "stack.promote": (
        wish.Promote(ORDERS),
        Made(promoted=replace(RUNNING, commit=TWO, artifact=SECOND)),
        {"deployments/dev/orders.yaml"},
    ),
    "stack.advance": (
        wish.Advance(ORDERS, ONE, 10),
        Made(decision={"decision": "finished"}),
        set(),
    ),
    "stack.sleep": (wish.Sleep(ORDERS), Made(), {"deployments/dev/orders.yaml"}),
    "stack.wake": (wish.Wake(ORDERS), Made(), set()),
    "resource.extend": (
        wish.ExtendResource(ORDERS.at("trial"), "2026-12-05T00:00:00Z"),
        Made(),
        {"deployments/dev/orders.yaml"},
    ),
    "environment.sleep": (wish.SleepEnvironment("dev"), Made(), {"deployments/dev/orders.yaml"}),
    "environment.wake": (wish.WakeEnvironment("dev"), Made(), set()),
    "environment.extend": (
        wish.ExtendEnvironment("prod", "2026-12-01T00:00:00Z"),
        Made(),
        {"environments/prod.yaml"},
    ),
    "change.check": (
        wish.CheckChange("orders", 3, TWO),
        replace(MADE, preview=PREVIEW),
        {"environments/preview-orders-3.yaml", "deployments/preview-orders-3/orders.yaml"},
    ),
    "change.merge": (
        wish.MergeChange("platform", 3, TWO),
        Made(title="Merge platform/3", edits={"guardrails/x.yaml": b"kind: Guardrail\n"}),
        {"guardrails/x.yaml"},
    ),
    "stack.release": (wish.ReleasePin(ORDERS), Made(), {"deployments/dev/orders.yaml"}),
    "stack.converge": (wish.Converge(ORDERS), Made(), set()),
}
GONE_AFTERWARDS = {"resource.remove", "stack.remove", "environment.delete"}


def test_every_kind_of_intent_is_tried() -> None:
    assert set(WISHES) == set(KINDS)


@pytest.mark.parametrize("kind", WISHES)
def test_an_intent_edits_its_files_and_no_others(kind: str) -> None:
    intent, made, paths = WISHES[kind]
    assert set(changed(desired(intent, snapshot(FILES), made), FILES)) == paths


@pytest.mark.parametrize("kind", WISHES)
def test_asking_again_edits_nothing(kind: str) -> None:
    intent, made, _ = WISHES[kind]
    after = laid(FILES, desired(intent, snapshot(FILES), made).edits)
    if kind in GONE_AFTERWARDS:
        with pytest.raises(Refused):
            desired(intent, snapshot(after), made)
    else:
        assert changed(desired(intent, snapshot(after), made), after) == {}


def after(intent: Intent, made: Made = Made(), stack: Address = ORDERS) -> Deployment | None:  # noqa: B008 — frozen
    edits = desired(intent, snapshot(FILES), made).edits
    return snapshot(laid(FILES, edits)).deployments.get(stack)


def test_a_deployment_takes_the_new_version_and_keeps_what_was_asked_for_beside_it() -> None:
    expected = replace(RUNNING, commit=TWO, artifact=SECOND, pin=None)
    assert after(wish.Deploy(ORDERS), MADE) == expected


def test_further_inputs_are_laid_on_those_that_are_there() -> None:
    found = after(add("db", "postgres", backup_days=3))
    assert found is not None
    assert found.inputs["db"] == {"size": "small", "backup_days": 3}
    assert found.commit == ONE


def test_who_first_asks_for_something_registers_it() -> None:
    edits = desired(ADDED_TO_SHOP, snapshot(FILES), MADE).edits
    assert snapshot(laid(FILES, edits)).entities[Ref.parse("component:shop")].owner == PAYMENTS
    assert set(desired(add(), snapshot({**FILES, **edits}), MADE).edits) >= {"deployments/dev/orders.yaml"}


def test_a_stack_of_resources_alone_goes_with_its_last_one() -> None:
    files = laid(FILES, desired(ADDED_TO_SHOP, snapshot(FILES), MADE).edits)
    edits = desired(wish.RemoveResource(SHOP.at("db")), snapshot(files), Made()).edits
    assert edits == {"deployments/dev/shop.yaml": None}


def test_an_environment_of_ones_own_starts_where_the_other_is_but_unpinned() -> None:
    found = after(wish.CreateEnvironment("try", "dev", ("orders",)), Made(owner=OPS), Address("try", "orders"))
    assert found == replace(RUNNING, address=Address("try", "orders"), pin=None)


def test_a_new_environment_says_nothing_that_it_inherits() -> None:
    """One made like production must not begin to repair what production only reports."""
    edits = desired(wish.CreateEnvironment("try", "prod"), snapshot(FILES), Made(owner=PAYMENTS)).edits
    written = yaml.safe_load(edits["environments/try.yaml"] or b"")
    assert written["spec"] == {"kind": "production", "owner": "group:payments", "inherits": "prod"}


def test_with_an_environment_go_its_stacks() -> None:
    files = laid(FILES, desired(wish.CreateEnvironment("try", "dev", ("orders",)), snapshot(FILES), MADE).edits)
    granted = desired(wish.DeleteEnvironment("try"), snapshot(files), Made())
    assert granted.edits == {"environments/try.yaml": None, "deployments/try/orders.yaml": None}
    assert granted.stacks == (Address("try", "orders"),)


def test_a_rollback_is_pinned_with_its_reason() -> None:
    earlier = replace(RUNNING, commit=TWO, pin=None)
    assert after(wish.Rollback(ORDERS, reason="slow"), Made(earlier={ORDERS: earlier})) == replace(earlier, pin="slow")
    assert "1111111" in str(after(wish.Rollback(ORDERS), Made(earlier={ORDERS: earlier})).pin)


def test_what_takes_a_failed_rollback_back_keeps_the_pin_that_was_there() -> None:
    earlier = replace(RUNNING, commit=TWO, pin="wait for prices")
    back = wish.Rollback(ORDERS, TWO, automatic=True)
    assert after(back, Made(earlier={ORDERS: earlier})) == earlier
    assert after(wish.Rollback(ORDERS, automatic=True), Made(earlier={ORDERS: earlier})).pin is None


def test_a_rollback_lets_what_is_there_end_when_it_says_now() -> None:
    earlier = replace(RUNNING, commit=TWO, ends={"trial": "2026-11-20T00:00:00Z"})
    assert after(wish.Rollback(ORDERS, reason="slow"), Made(earlier={ORDERS: earlier})).ends == RUNNING.ends


ASKED = Made(asked_at=datetime(2026, 11, 24, 12, tzinfo=UTC), owner=PAYMENTS)


def test_what_is_asked_for_a_time_ends_that_long_after_it_was_asked_for() -> None:
    found = after(wish.AddResource(ORDERS.at("more"), "queue", lifetime="3d"), ASKED)
    assert found.ends == {"more": "2026-11-27T12:00:00Z", **RUNNING.ends}
    again = after(wish.AddResource(ORDERS.at("trial"), "queue"), ASKED)
    assert again.ends == RUNNING.ends, "said nothing, moved nothing"


def test_what_is_removed_or_extended_meanwhile_is_not_what_ended() -> None:
    end = RUNNING.ends["trial"]
    gone = after(wish.RemoveResource(ORDERS.at("trial"), end))
    assert (set(gone.resources), dict(gone.ends)) == ({"db"}, {})
    assert "ended on 2026-12-01" in desired(wish.RemoveResource(ORDERS.at("trial"), end), snapshot(FILES), MADE).title
    longer = laid(
        FILES, desired(wish.ExtendResource(ORDERS.at("trial"), "2026-12-09T00:00:00Z"), snapshot(FILES), MADE).edits
    )
    with pytest.raises(Refused, match="given more"):
        desired(wish.RemoveResource(ORDERS.at("trial"), end), snapshot(longer), MADE)


def test_an_environment_that_got_more_time_is_not_taken_away() -> None:
    edits = desired(wish.CreateEnvironment("try", "dev", lifetime="2d"), snapshot(FILES), ASKED).edits
    files = laid(FILES, edits)
    assert snapshot(files).environments["try"].until == "2026-11-26T12:00:00Z"
    ended = wish.DeleteEnvironment("try", "2026-11-26T12:00:00Z")
    assert desired(ended, snapshot(files), MADE).edits == {"environments/try.yaml": None}
    longer = laid(files, desired(wish.ExtendEnvironment("try", "2026-12-01T00:00:00Z"), snapshot(files), MADE).edits)
    with pytest.raises(Refused, match="given more"):
        desired(ended, snapshot(longer), MADE)


def test_an_environment_sleeps_and_wakes_as_a_whole_and_only_what_runs_something() -> None:
    files = laid(FILES, desired(ADDED_TO_SHOP, snapshot(FILES), MADE).edits)
    files = laid(files, desired(wish.SleepEnvironment("dev"), snapshot(files), MADE).edits)
    assert {str(one.address): one.asleep for one in snapshot(files).deployments.values()} == {
        "dev/orders": True,
        "dev/shop": False,
    }
    awake = desired(wish.WakeEnvironment("dev"), snapshot(files), MADE)
    assert awake.stacks == (ORDERS,)
    assert laid(files, awake.edits)["deployments/dev/orders.yaml"] == FILES["deployments/dev/orders.yaml"]


def test_releasing_a_pin_changes_nothing_else() -> None:
    assert after(wish.ReleasePin(ORDERS)) == replace(RUNNING, pin=None)


REFUSED: dict[str, tuple[Intent, Made, str, str]] = {
    "an environment that is not there": (add(stack=Address("test", "orders")), Made(), "no environment", "dev, prod"),
    "a type that nothing serves": (add("x", "postgress"), Made(), "postgress", "'postgres'"),
    "a name that leads elsewhere": (add("../x"), Made(), "cannot be used", "'x'"),
    "two stacks in one change": (wish.AddResources((add(), ADDED_TO_SHOP)), Made(), "one stack", "dev/orders"),
    "a stack that is not there": (wish.RemoveStack(Address("dev", "order")), Made(), "no stack", "dev/orders"),
    "a resource that was not added": (wish.RemoveResource(ORDERS.at("x")), Made(), "not added", "score.yaml"),
    "more time for what stays": (
        wish.ExtendResource(ORDERS.at("db"), "2027-01-01"),
        Made(),
        "no end",
        "dev/orders/trial",
    ),
    "an end that is no time": (wish.ExtendResource(ORDERS.at("trial"), "soon"), Made(), "no time", "2026-12-20"),
    "no duration": (wish.AddResource(ORDERS.at("x"), "queue", lifetime="soon"), ASKED, "no duration", "3d"),
    "longer than time": (wish.AddResource(ORDERS.at("x"), "queue", lifetime="9999999w"), ASKED, "time goes on", "3d"),
    "a sleeping nowhere": (wish.SleepEnvironment("test"), Made(), "no environment", "dev, prod"),
    "a version that never was": (wish.Rollback(ORDERS), Made(), "no earlier version", "pave deploy"),
    "an heir left behind": (wish.DeleteEnvironment("dev"), Made(), "inherit from dev", "prod"),
    "another parent": (wish.CreateEnvironment("prod", "prod"), Made(), "there already", "another name"),
    "a component of nothing": (wish.CreateEnvironment("try", "dev", ("shop",)), Made(), "no stack dev/shop", "dev/or"),
    "a name for no environment": (wish.CreateEnvironment("Try It", "dev"), Made(), "cannot be used", "try-it"),
    "deployed to nowhere": (wish.Deploy(Address("test", "orders")), MADE, "no environment", "dev"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_cannot_be_is_refused_with_a_way_out(why: str) -> None:
    intent, made, said, remedy = REFUSED[why]
    with pytest.raises(Refused) as refused:
        desired(intent, snapshot(FILES), made)
    first = refused.value.diagnostics[0]
    assert said in first.summary
    assert remedy in f"{first.detail} {first.remedy}"
