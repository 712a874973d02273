"""Dependencies between stacks: who says so, and the order that follows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pave.model.diagnostics import Refused
from pave.model.entity import Entity
from pave.model.names import Address, Ref
from pave.model.workload import Container, Workload
from pave.plan.waves import needed, waves


def component(name: str, *needs: str) -> Entity:
    ref = Ref("component", "default", name)
    return Entity(ref, "Component", "backstage.io/v1alpha1", {"name": name}, {"dependsOn": list(needs)})


def test_the_catalog_and_the_workload_say_so() -> None:
    entities = [component("orders", "component:payments", "resource:db", "component:default/ledger", "orders", "::")]
    workload = Workload("orders", (Container("web", "."),), annotations={"pave.dev/depends-on": "mail, payments"})
    assert needed("orders", entities, workload) == ("ledger", "mail", "payments")
    assert needed("shop", entities, None) == ()


def test_a_circle_is_named() -> None:
    a, b, c = (Address("dev", name) for name in "abc")
    with pytest.raises(Refused, match="dev/a") as refused:
        waves([a, b, c], {a: [b], b: [c], c: [a]})
    assert "circle" in str(refused.value)


@given(st.sets(st.tuples(st.integers(0, 9), st.integers(0, 9)).filter(lambda pair: pair[0] > pair[1])))
def test_each_comes_after_what_it_depends_on(pairs: set[tuple[int, int]]) -> None:
    stacks = [Address("dev", f"s{number}") for number in range(10)]
    edges = {stacks[one]: [stacks[other] for first, other in pairs if first == one] for one in range(10)}
    order = waves(stacks, edges)
    assert sorted(order) == sorted(stacks)
    assert all(order.index(stacks[other]) < order.index(stacks[one]) for one, other in pairs)
