"""Dependencies between stacks of one environment, and the order that follows from them.

A component depends on another where its entity says so (`spec.dependsOn: [component:payments]`, Backstage), or where
its workload does (`metadata.annotations: {pave.dev/depends-on: "payments, ledger"}` in Score, which has no word of its
own for it). What is depended on is applied first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from pave.model.diagnostics import Refused, error
from pave.model.entity import Entity
from pave.model.names import Address, Ref
from pave.model.workload import Workload

ANNOTATION = "pave.dev/depends-on"


def needed(component: str, entities: Iterable[Entity], workload: Workload | None) -> tuple[str, ...]:
    """The components that a component says it depends on, sorted; itself left out."""
    found: set[str] = set()
    for entity in entities:
        if entity.kind != "Component" or entity.ref.name != component:
            continue
        for text in entity.spec.get("dependsOn") or ():
            ref = _reference(str(text))
            if ref is not None and ref.kind == "component":
                found.add(ref.name)
    said = (workload.annotations.get(ANNOTATION, "") if workload else "").split(",")
    found |= {one.strip() for one in said if one.strip()}
    return tuple(sorted(found - {component}))


def waves(stacks: Iterable[Address], edges: Mapping[Address, Iterable[Address]]) -> tuple[Address, ...]:
    """The stacks in an order in which each comes after what it depends on. Raises `Refused` for a circle."""
    wanted = sorted(stacks)
    graph = {stack: [one for one in edges.get(stack, ()) if one in wanted] for stack in wanted}
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as cycle:
        circle = " → ".join(str(one) for one in reversed(cycle.args[1]))
        raise Refused(
            error(
                f"Stacks depend on each other in a circle: {circle}",
                remedy="Take one `dependsOn` out of the circle.",
                address=str(cycle.args[1][0]),
            )
        ) from cycle


def _reference(text: str) -> Ref | None:
    try:
        return Ref.parse(text, kind="component")
    except Refused:
        return None
