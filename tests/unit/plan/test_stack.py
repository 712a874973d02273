from __future__ import annotations

from dataclasses import replace

import pytest

from pave.model.deployment import Deployment
from pave.model.diagnostics import Refused
from pave.model.environment import Binding, Environment
from pave.model.module import Input, Module, Output
from pave.model.names import Address, Ref
from pave.model.workload import Container, Need, Port, Workload
from pave.plan.stack import Surroundings, build

ORDERS = Address("dev", "orders")
OPS = Ref.parse("group:platform")


def module(name: str, type_: str, inputs: dict[str, Input], *outputs: str) -> Module:
    folder = name.replace("/", "-")
    named = {key: replace(value, name=key) for key, value in inputs.items()}
    return Module(
        name,
        "1.0.0",
        type_,
        "terraform",
        f"modules/{folder}",
        f"tree-{folder}",
        OPS,
        inputs=named,
        outputs={one: Output(one, sensitive=one == "password") for one in outputs},
    )


TEXT, REQUIRED = Input("", default=""), Input("", required=True)
SIZE = Input("", type="string", default="small", choices=("small", "medium"))
MODULES = {
    one.name: one
    for one in (
        module("local/postgres", "postgres", {"address": REQUIRED, "owner": TEXT, "size": SIZE}, "host", "password"),
        module("local/big", "postgres", {"address": REQUIRED, "size": SIZE}, "host", "password"),
        module("local/link", "link", {"to": TEXT}, "value"),
        module(
            "local/workload",
            "workload",
            dict.fromkeys(("address", "artifact", "containers", "ports", "host", "scale"), REQUIRED),
            "url",
        ),
    )
}
DEV = Environment(
    "dev",
    "development",
    OPS,
    bindings=(
        Binding("workload", "local/workload"),
        Binding("postgres", "local/postgres"),
        Binding("postgres", "local/big", klass="large", inputs={"size": "medium"}),
        Binding("link", "local/link"),
    ),
)
AROUND = Surroundings(DEV, MODULES, Ref.parse("group:payments"))
DEPLOYED = Deployment(ORDERS, Ref.parse("component:orders"), "orders", "c" * 40, "sha256:abc")


def workload(needs: dict[str, Need] | None = None, **variables: str) -> Workload:
    container = Container("web", ".", ("python", "-m", "orders"), variables=variables)
    return Workload(
        "orders", (container,), (Port("web", 80, target_port=8000),), needs or {"db": Need("db", "postgres")}
    )


def refusals(deployment: Deployment, asked: Workload | None) -> str:
    with pytest.raises(Refused) as refused:
        build(deployment, asked, AROUND)
    return "\n".join(str(one) for one in refused.value.diagnostics)


def test_outputs_are_wired_by_reference_and_texts_stay_texts() -> None:
    stack = build(DEPLOYED, workload(URL="pg://${resources.db.host}/${metadata.name}", PRICE="5 $$ %{x}"), AROUND)
    calls = stack.root.document["module"]
    variables = calls["workload"]["containers"][0]["variables"]
    assert variables == {"URL": "pg://${module.db.host}/orders", "PRICE": "5 $ %%{x}"}
    assert calls["db"]["source"] == "./modules/local-postgres"
    assert calls["db"]["address"] == "dev/orders/db"
    assert calls["db"]["owner"] == "group:default/payments"
    assert calls["workload"]["host"] == "orders.dev.localhost"
    assert calls["workload"]["artifact"] == "sha256:abc"
    assert stack.root.sources == {"local-postgres": "tree-local-postgres", "local-workload": "tree-local-workload"}


def test_the_most_specific_binding_serves_and_the_deployment_overrides() -> None:
    needs = {"db": Need("db", "postgres", "large")}
    assert build(DEPLOYED, workload(needs), AROUND).part("db").module.name == "local/big"
    assert build(DEPLOYED, workload(needs), AROUND).part("db").inputs["size"] == "medium"
    smaller = replace(DEPLOYED, inputs={"db": {"size": "small"}})
    assert build(smaller, workload(needs), AROUND).part("db").inputs["size"] == "small"


def test_a_resource_that_was_added_reaches_the_workload_by_convention() -> None:
    added = replace(DEPLOYED, resources={"reports": Need("reports", "postgres")})
    around = replace(
        AROUND,
        modules={
            **MODULES,
            "local/postgres": replace(
                MODULES["local/postgres"],
                outputs={one: Output(one) for one in ("host", "port", "username", "password", "database")},
            ),
        },
    )
    bare = build(added, workload({}), around).root.document["module"]["workload"]["containers"][0]["variables"]
    assert "${module.reports.password}" in bare["DATABASE_URL"]
    own = build(added, workload({}, DATABASE_URL="mine"), around).root.document["module"]["workload"]
    assert own["containers"][0]["variables"]["DATABASE_URL"] == "mine"
    assert "${module.reports.host}" in own["containers"][0]["variables"]["REPORTS_DATABASE_URL"]


def test_resources_need_no_workload() -> None:
    only = Deployment(ORDERS, Ref.parse("component:orders"), resources={"db": Need("db", "postgres")})
    assert [str(part.address) for part in build(only, None, AROUND).parts] == ["dev/orders/db"]


def test_everything_that_is_wrong_is_said_at_once() -> None:
    needs = {"db": Need("db", "postgress"), "cache": Need("cache", "redis")}
    told = refusals(DEPLOYED, workload(needs, A="${resources.nope.host}"))
    assert "'postgress'" in told
    assert "Did you mean 'postgres'?" in told
    assert "'redis'" in told
    assert "no resource 'nope'" in told


def test_a_missing_output_names_the_nearest_one() -> None:
    told = refusals(DEPLOYED, workload(A="${resources.db.hots}"))
    assert "containers.web.variables.A uses ${resources.db.hots}" in told
    assert "Did you mean 'host'?" in told


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"size": "huge"}, "must be one of small, medium"),
        ({"siez": "small"}, "Did you mean 'size'?"),
    ],
)
def test_inputs_are_checked_against_the_module(inputs: dict[str, str], said: str) -> None:
    assert said in refusals(replace(DEPLOYED, inputs={"db": inputs}), workload())


def test_a_circle_is_told_before_any_engine_is_asked() -> None:
    needs = {
        "a": Need("a", "link", params={"to": "${resources.b.value}"}),
        "b": Need("b", "link", params={"to": "${resources.a.value}"}),
    }
    assert "in a circle: " in refusals(DEPLOYED, workload(needs))
