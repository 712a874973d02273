"""Runs a template's steps in order: `if`, `each`, outputs of earlier steps, and the template's own output."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pave.adapters.scaffolder.actions import Workshop, act
from pave.adapters.scaffolder.expressions import render_value
from pave.adapters.scaffolder.failure import Failed, failed
from pave.adapters.scaffolder.forms import fill

FILE = "template.yaml"


def render(
    shop: Workshop, pages: Sequence[Mapping[str, Any]], steps: Sequence[Mapping[str, Any]], given: Mapping[str, Any],
    output: Mapping[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """Render a template; its repository, entities, links and log. Raises `Failed`."""
    parameters = fill(pages, given)
    done: dict[str, dict[str, Any]] = {}
    context: dict[str, Any] = {
        "parameters": parameters,
        "steps": done,
        "user": shop.user,
        "secrets": {},
        "context": {"task": {"id": ""}},
    }
    for step in steps:
        try:
            _run(shop, step, context, done)
        except Failed as problem:
            raise problem.at(step["id"]) from None
    said = render_value({key: output[key] for key in ("links", "text") if key in output}, context, FILE)
    shop.log.extend(f"{one.get('title', '')}: {one.get('content', '')}" for one in _wanted(said.get("text")))
    return {
        "repository": shop.repository,
        "source": shop.source,
        "entities": shop.entities,
        "links": [
            {key: str(value) for key, value in one.items() if key != "if" and value}
            for one in _wanted(said.get("links"))
        ],
        "log": shop.log,
    }


def _run(shop: Workshop, step: Mapping[str, Any], context: dict[str, Any], done: dict[str, dict[str, Any]]) -> None:
    name = step["id"]
    if step.get("each") is None:
        if _holds(step, context):
            shop.log.append(f"{name}: {step.get('name') or step['action']}")
            done[name] = {"output": act(shop, step["action"], _input(step, context))}
        else:
            shop.log.append(f"{name}: skipped, because its condition does not hold")
            done[name] = {"output": {}}
        return
    outputs: dict[str, list[Any]] = {}
    for each in _rounds(render_value(step["each"], context, FILE)):
        inner = {**context, "each": each}
        if not _holds(step, inner):
            continue
        shop.log.append(f"{name}: {step.get('name') or step['action']} ({each['key']})")
        for key, value in act(shop, step["action"], _input(step, inner)).items():
            outputs.setdefault(key, []).append(value)
    done[name] = {"output": outputs}


def _holds(step: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    return bool(render_value(step.get("if", True), context, FILE))


def _input(step: Mapping[str, Any], context: Mapping[str, Any]) -> Mapping[str, Any]:
    given: Mapping[str, Any] = render_value(step.get("input") or {}, context, FILE)
    return given


def _rounds(over: Any) -> Iterator[dict[str, Any]]:
    if isinstance(over, Mapping):
        yield from ({"key": key, "value": value} for key, value in over.items())
    elif isinstance(over, list):
        yield from ({"key": number, "value": value} for number, value in enumerate(over))
    else:
        raise failed("each goes over a list or an object", "Name one with a lone expression.", file=FILE)


def _wanted(rows: Any) -> list[Mapping[str, Any]]:
    return [one for one in rows or () if isinstance(one, Mapping) and one.get("if", True)]
