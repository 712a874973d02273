"""Guardrails: the rules in force, and whether they do what their own examples say."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from pave.engine.context import Context
from pave.engine.operations import Nothing, Operation
from pave.verdict.guardrail import compile_all, run_examples


class GuardrailView(BaseModel):
    """A rule in force."""

    name: str
    title: str
    level: str = Field(description="advisory warns, soft needs an approval, hard denies.")
    category: str
    owner: str
    require: str = Field(description="The CEL condition that must hold.")
    remedy: str
    problem: str = Field("", description="Why it cannot be evaluated; such a rule denies.")


class GuardrailList(BaseModel):
    """All rules in force."""

    guardrails: list[GuardrailView]


class GuardrailTest(BaseModel):
    """The outcome of all rules' own examples."""

    passed: int
    failures: list[dict[str, Any]]


def _list(context: Context, _: Nothing) -> GuardrailList:
    compiled = compile_all(context.world.snapshots.current().guardrails.values())
    return GuardrailList(
        guardrails=[
            GuardrailView(
                name=one.rule.name,
                title=one.rule.title,
                level=one.rule.level,
                category=one.rule.category,
                owner=str(one.rule.owner),
                require=one.rule.require,
                remedy=one.rule.remedy,
                problem=one.problem,
            )
            for one in compiled
        ]
    )


def _test(context: Context, _: Nothing) -> GuardrailTest:
    compiled = compile_all(context.world.snapshots.current().guardrails.values())
    failures = [failure for one in compiled for failure in run_examples(one)]
    examples = sum(len(one.rule.examples) for one in compiled)
    return GuardrailTest(passed=examples - len(failures), failures=[one.as_data() for one in failures])


_READ: dict[str, Any] = {"scopes": ("catalog:read",), "read_only": True, "input": Nothing}

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="guardrail.list",
        summary="The rules in force",
        rest="GET /guardrails",
        cli="guardrail list",
        output=GuardrailList,
        handler=_list,
        **_READ,
    ),
    Operation(
        name="guardrail.test",
        summary="Try every rule on its own examples",
        rest="GET /guardrails/test",
        cli="guardrail test",
        output=GuardrailTest,
        handler=_test,
        **_READ,
    ),
)
