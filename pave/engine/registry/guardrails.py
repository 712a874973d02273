"""Guardrails: the rules in force, what they found lately, what they say of what is there, and whether they hold."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context, address_of
from pave.engine.judgement.facts import LOOKED_AT, Asking, Facts
from pave.engine.judgement.policies import RuleState, policy_tests, rules_in_force, tried_on
from pave.engine.judgement.rejudging import STAGE, verdict_of
from pave.engine.judgement.spending import Bill
from pave.engine.judgement.trying import lately, tried
from pave.engine.judging import moment
from pave.engine.operations import Nothing, Operation
from pave.model.diagnostics import Refused, Unknown, error
from pave.model.guardrail import Example
from pave.model.guardrail_file import read_guardrail
from pave.model.schema import nearest
from pave.request.access import SYSTEM
from pave.request.roles import Verb
from pave.verdict.examples import outcome_of, run_examples, subject_of
from pave.verdict.guardrail import Compiled, compile_all


class GuardrailView(BaseModel):
    """A rule in force."""

    name: str
    title: str
    level: str = Field(description="advisory warns, soft needs an approval, hard denies.")
    category: str
    stages: list[str] = Field(default_factory=list, description="When it is asked: request, plan, deploy, schedule.")
    owner: str
    applies: dict[str, Any] = Field(default_factory=dict, description="What it looks at.")
    require: str = Field(description="The CEL condition that must hold; of a policy in Rego, where it stands.")
    message: str = ""
    remedy: str
    found: int = Field(0, description="How often it found something in the last 30 days, what was waived left out.")
    problem: str = Field("", description="Why it cannot be evaluated; such a rule denies.")
    language: str = Field("CEL", description="CEL, or Rego where it stands below policies/.")


class GuardrailList(BaseModel):
    """All rules in force."""

    guardrails: list[GuardrailView]


class GuardrailTest(BaseModel):
    """The outcome of all rules' own examples."""

    passed: int
    failures: list[dict[str, Any]]


class OneGuardrail(BaseModel):
    """Names a guardrail."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Its name.")
    on: str = Field("", description="A stack, such as prod/orders, to ask it about as it is now.")


class WaiverView(BaseModel):
    """An exception in force, or that was."""

    name: str
    guardrail: str
    scope: str = Field(description="The address, or the beginning of one, that it is for.")
    reason: str
    by: str
    until: datetime
    ended: bool


class GuardrailExplained(BaseModel):
    """One rule, with what came of it."""

    guardrail: GuardrailView
    examples: list[dict[str, Any]] = Field(default_factory=list)
    lately: str = Field(description="On how much of what was judged in the last 30 days it would have fired.")
    places: list[str] = Field(default_factory=list, description="Where.")
    waivers: list[WaiverView] = Field(default_factory=list)
    findings: list[dict[str, Any]] = Field(
        default_factory=list, description="What it says of the stack that was named."
    )


class Finding(BaseModel):
    """What a guardrail says of something that is there."""

    stack: str
    guardrail: str
    level: str
    message: str
    remedy: str = ""
    address: str = ""
    waiver: str = ""
    judged_at: datetime


class FindingList(BaseModel):
    """What guardrails say of what is there."""

    findings: list[Finding]
    judged: int = Field(description="How many stacks were judged.")


class FindingFilter(BaseModel):
    """Which findings."""

    model_config = ConfigDict(extra="forbid")

    env: str = Field("", description="Only of this environment.")
    guardrail: str = Field("", description="Only of this guardrail.")


class Draft(BaseModel):
    """A rule that is not there yet."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Its name: lower-case letters, digits and dashes.")
    require: str = Field("true", description="The CEL condition that must hold.")
    title: str = Field("", description="The rule in one sentence.")
    message: str = Field("", description="What is wrong where it does not hold, with {address} and the like.")
    remedy: str = Field("", description="What would pass.")
    category: Literal["security", "compliance", "cost", "reliability", "operations"] = "operations"
    level: Literal["advisory", "soft", "hard"] = Field("advisory", description="Begin with advisory, and see.")
    type: str = Field("", description="Only for resources of this type.")
    environment: str = Field("", description="Only in environments of this kind.")
    owner: str = Field("group:platform", description="Who answers for it.")


class Drafted(BaseModel):
    """A file to commit."""

    path: str
    text: str
    lately: str = Field(description="On how much of what was judged in the last 30 days it would have fired.")
    places: list[str] = Field(default_factory=list, description="Where.")


class WaiverList(BaseModel):
    """Exceptions, those that end first in front."""

    waivers: list[WaiverView]


def _view(one: Compiled, found: int) -> GuardrailView:
    rule = one.rule
    return GuardrailView(
        name=rule.name,
        title=rule.title,
        level=rule.level,
        category=rule.category,
        stages=list(rule.stages),
        owner=str(rule.owner),
        applies=dict(rule.applies),
        require=rule.require,
        message=rule.message,
        remedy=rule.remedy,
        found=found,
        problem=one.problem,
    )


def _policy_view(one: RuleState, found: int) -> GuardrailView:
    rule = one.rule
    return GuardrailView(
        name=rule.name,
        title=rule.title or rule.name,
        level=rule.level,
        category=rule.category,
        stages=list(rule.stages),
        owner=str(rule.owner),
        require=", ".join(one.places),
        message=rule.description,
        remedy=rule.remedy,
        found=found,
        problem=one.problem,
        language="Rego",
    )


def _list(context: Context, _: Nothing) -> GuardrailList:
    compiled = compile_all(context.world.snapshots.current().guardrails.values())
    found: Counter[str] = Counter()
    for judgement in lately(context.world):
        said = judgement.verdict.get("findings", ()) if judgement.run else ()
        found.update({str(one["guardrail"]) for one in said if not one.get("waiver")})
    policies = rules_in_force(context.world, context.world.snapshots.current().policies)
    views = [_view(one, found[one.rule.name]) for one in compiled]
    return GuardrailList(guardrails=[*views, *(_policy_view(one, found[one.rule.name]) for one in policies)])


def _test(context: Context, _: Nothing) -> GuardrailTest:
    snapshot = context.world.snapshots.current()
    compiled = compile_all(snapshot.guardrails.values())
    failures = [failure for one in compiled for failure in run_examples(one)]
    passed = sum(len(one.rule.examples) for one in compiled) - len(failures)
    more, wrong = policy_tests(context.world, snapshot.policies)
    return GuardrailTest(passed=passed + more, failures=[one.as_data() for one in (*failures, *wrong)])


def _explain(context: Context, given: OneGuardrail) -> GuardrailExplained:
    world, snapshot = context.world, context.world.snapshots.current()
    rule = snapshot.guardrails.get(given.name)
    policies = rules_in_force(world, snapshot.policies) if rule is None else ()
    policy = next((one for one in policies if one.rule.name == given.name), None)
    if rule is not None:
        (compiled,) = compile_all([rule])
        result = tried(rule, [one for one in lately(world) if one.run])
        view, examples = _view(compiled, result.fired), rule.examples
    elif policy is not None:
        judged = (one for one in lately(world) if one.run)
        (result,) = tried_on(world, snapshot.policies, [policy.rule], judged)
        view, examples = _policy_view(policy, result.fired), ()
    else:
        names = [*snapshot.guardrails, *(one.rule.name for one in policies)]
        remedy = nearest(given.name, names) or "`pave guardrail list` names them."
        raise Unknown(error(f"There is no guardrail {given.name[:80]!r}", remedy=remedy))
    findings: list[dict[str, Any]] = []
    if given.on:
        facts = Facts(
            Bill(world, snapshot, snapshot), Asking(SYSTEM, LOOKED_AT, "engine", automatic=True), moment(world)
        )
        verdict = verdict_of(facts, address_of(given.on))
        findings = [one.as_data() for one in verdict.findings if one.guardrail in (view.name, "guardrail.error")]
    return GuardrailExplained(
        guardrail=view,
        examples=[{"given": dict(one.given), "expect": one.expect} for one in examples],
        lately=result.text,
        places=list(result.places),
        waivers=[one for one in _waivers(context) if one.guardrail == view.name],
        findings=findings,
    )


def _draft(context: Context, given: Draft) -> Drafted:
    path = f"guardrails/{given.name}.yaml"
    applies = {"type": given.type, "environment": given.environment}
    data: dict[str, Any] = {
        "apiVersion": "pave/v1",
        "kind": "Guardrail",
        "metadata": {"name": given.name, "title": given.title or given.name, "owner": given.owner},
        "spec": {
            "category": given.category,
            "level": given.level,
            "stages": ["plan"],
            **({"applies": {key: one for key, one in applies.items() if one}} if any(applies.values()) else {}),
            "require": given.require,
            "message": given.message or "{address} does not hold to it.",
            "remedy": {"say": given.remedy or "Say here what would pass."},
            "examples": [{"given": {}, "expect": "allowed"}],
        },
    }
    rule = read_guardrail(yaml.safe_dump(data).encode(), path)
    (compiled,) = compile_all([rule])
    example = Example({}, "allowed")
    data["spec"]["examples"][0]["expect"] = outcome_of(compiled, subject_of(compiled, example))
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)
    if compiled.problem:
        remedy = "Correct it; docs/guardrails.md has what a condition may read."
        raise Refused(error(f"The condition is no CEL: {compiled.problem}", remedy=remedy, path="require"))
    result = tried(rule, [one for one in lately(context.world) if one.run])
    return Drafted(path=path, text=text, lately=result.text, places=list(result.places))


def _findings(context: Context, given: FindingFilter) -> FindingList:
    world, snapshot = context.world, context.world.snapshots.current()
    stacks = sorted(one for one in snapshot.deployments if given.env in ("", one.environment))
    found, judged = [], 0
    for stack in stacks:
        judgement = world.judgements.of(str(stack), STAGE)
        if judgement is None:
            continue
        judged += 1
        found += [
            Finding(
                stack=str(stack),
                judged_at=judgement.at,
                **{
                    key: str(one.get(key, ""))
                    for key in ("guardrail", "level", "message", "remedy", "address", "waiver")
                },
            )
            for one in judgement.verdict.get("findings", ())
            if given.guardrail in ("", one["guardrail"])
        ]
    return FindingList(findings=found, judged=judged)


def _waivers(context: Context) -> list[WaiverView]:
    now = moment(context.world)
    return [
        WaiverView(
            name=one.name,
            guardrail=one.guardrail,
            scope=one.scope,
            reason=one.reason,
            by=str(one.by),
            until=one.until,
            ended=one.until <= now,
        )
        for one in sorted(context.world.snapshots.current().waivers.values(), key=lambda one: one.until)
    ]


def _waiver_list(context: Context, _: Nothing) -> WaiverList:
    return WaiverList(waivers=_waivers(context))


_READ: dict[str, Any] = {"scopes": ("catalog:read",), "read_only": True, "verb": Verb.READ}

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="guardrail.list",
        summary="The rules in force",
        rest="GET /guardrails",
        cli="guardrail list",
        input=Nothing,
        output=GuardrailList,
        handler=_list,
        **_READ,
    ),
    Operation(
        name="guardrail.test",
        summary="Try every rule on its own examples, and the policies by their own tests",
        rest="GET /guardrails/test",
        cli="guardrail test",
        input=Nothing,
        output=GuardrailTest,
        handler=_test,
        **_READ,
    ),
    Operation(
        name="guardrail.new",
        summary="The file of a new rule, tried on what was judged lately",
        rest="POST /guardrails/draft",
        cli="guardrail new {name}",
        input=Draft,
        output=Drafted,
        handler=_draft,
        **_READ,
    ),
    Operation(
        name="guardrail.findings",
        summary="What the rules say of what is there",
        rest="GET /guardrails/findings",
        cli="guardrail findings",
        input=FindingFilter,
        output=FindingList,
        handler=_findings,
        **_READ,
    ),
    Operation(
        name="guardrail.explain",
        summary="One rule: what it wants, what it found, who is excused from it",
        rest="GET /guardrails/{name}",
        cli="guardrail explain {name}",
        input=OneGuardrail,
        output=GuardrailExplained,
        handler=_explain,
        **_READ,
    ),
    Operation(
        name="waiver.list",
        summary="Exceptions from guardrails, with their end",
        rest="GET /waivers",
        cli="waiver list",
        input=Nothing,
        output=WaiverList,
        handler=_waiver_list,
        **_READ,
    ),
)
