"""Alerts compiled and evaluated: CEL conditions over answers of the metrics, for each stack that a rule is about.

A rule that cannot be compiled, asks what cannot be answered or answers anything but true or false is broken. That is a
result of its own (`Broken`): whoever evaluates has to report it, and what it would have watched stays as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from pave.model.alert import Alert, Target
from pave.model.names import Address, Ref
from pave.observe.measured import BY_NAME
from pave.observe.series import Aggregation, Kind, Line, Question
from pave.verdict.condition import condition
from pave.verdict.guardrail import fill

PLACE = ("environment", "component")
"""The labels that say of which stack a number is."""
_OF_COUNTERS = (Aggregation.RATE, Aggregation.INCREASE)
_QUANTILES = (Aggregation.P50, Aggregation.P95, Aggregation.P99)


class Seen(str, Enum):
    """What one look says: the condition holds, it does not, it cannot be known, or there is nothing to look at."""

    HOLDS = "holds"
    WELL = "well"
    UNKNOWN = "unknown"
    GONE = "gone"


@dataclass(frozen=True)
class Query:
    """A question without its time: about all stacks at once, over the time `over` in `steps` parts."""

    metric: str
    aggregation: Aggregation
    over: timedelta
    where: tuple[tuple[str, str | tuple[str, ...]], ...] = ()
    by: tuple[str, ...] = ()
    steps: int = 1

    def at(self, now: datetime) -> Question:
        """The question as it is asked at `now`."""
        by = (*PLACE, *(one for one in self.by if one not in PLACE))
        step = self.over / self.steps
        return Question(self.metric, self.aggregation, now - self.over, now, step, dict(self.where), by)


Answers = Mapping[Query, Sequence[Line]]


@dataclass(frozen=True)
class Observed:
    """One look at one rule, on one stack, for one combination of labels."""

    rule: str
    stack: Address
    severity: str
    seen: Seen
    message: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """What makes it the same alert at the next look."""
        return fingerprint(self.rule, str(self.stack), self.labels)


@dataclass(frozen=True)
class Broken:
    """A rule that cannot be evaluated, and why."""

    rule: str
    problem: str


@dataclass(frozen=True)
class Rule:
    """What is the same for all that one rule watches, whatever it was made from."""

    name: str
    title: str
    severity: str
    owner: Ref | None
    hold: timedelta
    keep: timedelta
    runbook: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    file: str = ""


@dataclass(frozen=True)
class CompiledAlert:
    """An alert ready to be evaluated; `problem` says why it cannot be."""

    alert: Alert
    program: Any
    problem: str = ""

    @property
    def rule(self) -> Rule:
        """Its rule."""
        one = self.alert
        return Rule(one.name, one.title, one.severity, one.owner, one.hold, one.keep, one.runbook, one.labels, one.file)

    def queries(self) -> Mapping[str, Query]:
        """What has to be answered, by the names that the condition uses."""
        return {
            name: Query(one.metric, Aggregation(one.aggregation), one.over, tuple(one.where.items()), self.alert.by)
            for name, one in self.alert.ask.items()
        }

    def look(self, targets: Iterable[Target], answers: Answers) -> Iterator[Observed | Broken]:
        """What is seen on each stack; where the rule turns out to be broken, that too, once."""
        if self.problem:
            yield Broken(self.alert.name, self.problem)
            return
        told = False
        by_stack = {name: _by_stack(answers.get(query, ())) for name, query in self.queries().items()}
        for target in targets:
            if not self.alert.applies.to(target):
                continue
            for labels in self._instances(target.address, by_stack):
                found, problem = self._one(target, labels, by_stack)
                yield found
                if problem and not told:
                    told = True
                    yield Broken(self.alert.name, f"on {target.address}: {problem}")

    def _instances(self, stack: Address, by_stack: Mapping[str, Any]) -> list[dict[str, str]]:
        if not self.alert.by:
            return [{}]
        keys = {
            tuple(line.labels.get(name, "") for name in self.alert.by)
            for lines in by_stack.values()
            for line in lines.get(stack, ())
        }
        return [dict(zip(self.alert.by, key, strict=True)) for key in sorted(keys)]

    def _one(self, target: Target, labels: dict[str, str], by_stack: Mapping[str, Any]) -> tuple[Observed, str]:
        alert = self.alert
        values = {
            name: _value(by_stack[name].get(target.address, ()), labels, one.otherwise)
            for name, one in alert.ask.items()
        }
        known = {name: value for name, value in values.items() if value is not None}
        seen, problem = Seen.UNKNOWN, ""
        if len(known) == len(values):
            seen, problem = self._holds(target, labels, known)
        elif alert.no_data == "fire":
            seen = Seen.HOLDS
        shown = {name: in_words(value) for name, value in known.items()}
        say = alert.say or f"{alert.title} ({', '.join(f'{key} {value}' for key, value in shown.items())})"
        message = fill(say, {**labels, **shown, "stack": str(target.address)})
        return Observed(alert.name, target.address, alert.severity, seen, message, labels, known), problem

    def _holds(self, target: Target, labels: dict[str, str], values: Mapping[str, float]) -> tuple[Seen, str]:
        import cel  # noqa: PLC0415 — see pave.verdict.guardrail.program

        resource = labels.get("resource", "").rpartition("/")[2]
        variables = {**values, "labels": labels, "inputs": dict(target.inputs.get(resource, {}))}
        try:
            holds = self.program.execute(cel.Context(variables=variables))
        except Exception as problem:  # noqa: BLE001 — whatever a rule does wrong is said, and nothing else is hurt
            return Seen.UNKNOWN, _first_line(problem)
        if holds is True or holds is False:
            return (Seen.HOLDS if holds else Seen.WELL), ""
        return Seen.UNKNOWN, f"its condition is {type(holds).__name__}, not true or false"


def compile_alert(alert: Alert) -> CompiledAlert:
    """An alert with its condition compiled, or with why it cannot be."""
    compiled, problem = condition(alert.when)
    return CompiledAlert(alert, compiled, problem or next(_unanswerable(alert), ""))


def _unanswerable(alert: Alert) -> Iterator[str]:
    """Why questions about what Pave measures itself cannot be answered; an application's own metrics are not known."""
    for name, one in alert.ask.items():
        aggregation, metric = Aggregation(one.aggregation), BY_NAME.get(one.metric)
        if aggregation in _QUANTILES and not one.metric.endswith("_bucket"):
            yield f"{name} asks for a quantile of {one.metric}, which is no histogram"
        if metric is None:
            continue
        if aggregation in _OF_COUNTERS and metric.kind is not Kind.COUNTER:
            yield f"{name} asks for the {aggregation.value} of {one.metric}, which does not only count up"
        known = {*PLACE, *metric.labels}
        for label in (*alert.by, *one.where):
            if label not in known:
                yield f"{one.metric} has no label {label!r}; it has {', '.join(sorted(known))}"


def fingerprint(rule: str, subject: str, labels: Mapping[str, str]) -> str:
    """Twelve letters that name one alert."""
    said = "\0".join([rule, subject, *(f"{key}={value}" for key, value in sorted(labels.items()))])
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def in_words(value: float) -> str:
    """A number as people read it: `0.034`, `12.5`, `1,024`."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"


def _by_stack(lines: Iterable[Line]) -> dict[Address, list[Line]]:
    found: dict[Address, list[Line]] = {}
    for line in lines:
        environment, component = (line.labels.get(one, "") for one in PLACE)
        found.setdefault(Address(environment, component), []).append(line)
    return found


def _value(lines: Iterable[Line], labels: Mapping[str, str], otherwise: float | None) -> float | None:
    for line in lines:
        if all(line.labels.get(key, "") == value for key, value in labels.items()) and line.last is not None:
            return line.last
    return otherwise


def _first_line(problem: BaseException) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0].rstrip(".")
