"""When policies are asked, about what, and what becomes of it: with an engine that only remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from pave.engine.judgement.policies import changed_policies, policy_findings, policy_tests, rules_in_force, tried_on
from pave.model.names import Address
from pave.model.policy import Policies
from pave.model.policy_file import read_policies
from pave.model.snapshot import Snapshot
from pave.ports import PolicyTest
from pave.verdict.bounds import MOST_TEXT
from pave.verdict.guardrail import Subject
from pave.verdict.policy import Answers
from pave.verdict.subject import EXAMPLE

ONE = "package main\n\ndeny contains 1 if input.inputs.public\n"
PLAN = "package main\n\nwarn contains 1 if input.resource_changes[_].type\n"


class Engine:
    """Finds what is public."""

    def __init__(self, problem: str = "", tests: Sequence[PolicyTest] = ()) -> None:
        self.asked: list[Sequence[Mapping[str, Any]]] = []
        self._problem, self._tests = problem, tests

    def ask(self, policies: Policies, inputs: Sequence[Mapping[str, Any]]) -> Answers:
        self.asked.append(inputs)
        if self._problem:
            return Answers(problem=self._problem)
        rules = {one.name: (f"{one.file}:{one.line}",) for one in policies.rules}
        found = [{"main.deny": [1] if one.get("inputs", {}).get("public") else []} for one in inputs]
        return Answers(rules, {}, found, [{} for _ in inputs])

    def test(self, policies: Policies) -> tuple[Sequence[PolicyTest], str]:
        return self._tests, self._problem


def policies(**files: str) -> Policies:
    return read_policies({f"policies/{name}.rego": text.encode() for name, text in files.items()})


def subject(name: str, **inputs: Any) -> Subject:
    address = Address("prod", "orders", name)
    return Subject(address, {**EXAMPLE, "inputs": inputs, "change": {**EXAMPLE["change"], "address": str(address)}})


def world(engine: Engine) -> Any:
    return SimpleNamespace(policies=engine)


def test_the_engine_is_asked_once_for_all_and_only_where_there_is_something_to_ask() -> None:
    engine = Engine()
    snapshot = Snapshot("c", policies=policies(one=ONE))
    both = [subject("a", public=True), subject("b", public=False)]
    assert policy_findings(world(engine), Snapshot("c"), both, ["plan"]) == ()
    assert policy_findings(world(engine), snapshot, both, ["request"]) == ()
    assert policy_findings(world(engine), snapshot, [], ["plan"]) == ()
    assert engine.asked == []
    (found,) = policy_findings(world(engine), snapshot, both, ["plan"])
    assert (found.guardrail, str(found.address), len(engine.asked)) == ("main.deny", "prod/orders/a", 1)


def test_a_change_sees_the_resources_of_its_own_module_call() -> None:
    engine = Engine()
    addresses = ("module.db.x.y", "module.db[0].x.y", "module.db_more.x.y", "module.other.x.y")
    resources = {Address("prod", "orders"): [{"address": one} for one in addresses]}
    snapshot = Snapshot("c", policies=policies(plan=PLAN))
    assert policy_findings(world(engine), snapshot, [subject("db")], ["plan"], resources) == ()
    (given,) = engine.asked[0]
    assert [one["address"] for one in given["resource_changes"]] == ["module.db.x.y", "module.db[0].x.y"]
    (broken,) = policy_findings(world(engine), snapshot, [subject("db")], ["plan"])
    assert broken.guardrail == "guardrail.error"


def test_what_is_too_large_is_not_handed_on() -> None:
    engine = Engine()
    large = subject("a", text="x" * (MOST_TEXT + 1))
    (found,) = policy_findings(world(engine), Snapshot("c", policies=policies(one=ONE)), [large], ["plan"])
    assert (found.guardrail, engine.asked) == ("guardrail.error", [[{}]])


def test_rules_are_listed_with_what_is_wrong_and_without_an_engine_too() -> None:
    broken = policies(one=ONE, two="package two\n\ndeny contains 1 if input.nothing\n")
    states = {one.rule.name: one.problem for one in rules_in_force(world(Engine()), broken)}
    assert states == {"main.deny": "", "two.deny": "policies/two.rego: it reads input.nothing, which no change has"}
    (state,) = rules_in_force(world(Engine("no engine")), policies(one=ONE))
    assert (state.rule.name, state.places, state.problem) == ("main.deny", ("policies/one.rego:3",), "no engine")
    assert rules_in_force(world(Engine("no engine")), Policies()) == ()


def test_tests_count_and_each_problem_is_told_once() -> None:
    tests = [PolicyTest("main.test_a", "a_test.rego:1"), PolicyTest("main.test_b", "a_test.rego:2", "it does not hold")]
    passed, failures = policy_tests(world(Engine(tests=tests)), policies(one=ONE))
    assert (passed, [one.summary for one in failures]) == (1, ["main.test_b: it does not hold"])
    passed, failures = policy_tests(world(Engine("no engine")), policies(one=ONE, plan=PLAN))
    assert (passed, len(failures)) == (0, 1)
    _, failures = policy_tests(world(Engine()), policies(one=ONE, two="deny contains 1 if true\n"))
    assert [one.path for one in failures] == ["policies/two.rego"]


def test_a_changed_rule_is_tried_on_what_was_judged() -> None:
    before, after = policies(one=ONE, plan=PLAN), policies(one=ONE + "\n# another\n", plan=PLAN)
    (rule,) = changed_policies(before, after)
    judged: Any = [SimpleNamespace(subjects=[subject("a", public=True).data, subject("b").data, {"not": "one"}])]
    (tried,) = tried_on(world(Engine()), after, [rule], judged)
    assert (tried.judged, tried.fired, tried.places) == (2, 1, ("prod/orders/a",))
    of_plan = next(one for one in after.rules if one.name == "main.warn")
    (untried,) = tried_on(world(Engine()), after, [of_plan], judged)
    assert untried.judged == 0
    data = read_policies({"policies/one.rego": ONE.encode(), "policies/data/a.yaml": b"a: 1\n"})
    assert [one.name for one in changed_policies(policies(one=ONE), data)] == ["main.deny"]
    assert changed_policies(before, before) == ()
