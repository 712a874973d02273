"""Alerts and objectives as written: what is asked of the metrics, when that is bad, and whom it concerns.

`pave.observe` compiles and evaluates them. What could not be read is kept too, as `BrokenRule`: a rule with an error is
reported, and never silently off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from fnmatch import fnmatchcase

from pave.model.diagnostics import Diagnostic
from pave.model.names import Address, Ref

SEVERITIES = ("info", "warning", "critical")
"""The mildest first."""
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds at which the router's histogram of durations has its borders: a latency objective lies at one of them."""


@dataclass(frozen=True)
class Target:
    """A stack as rules see it. `types` are the types of its resources, `inputs` what each was made with."""

    address: Address
    environment_kind: str
    component_type: str = ""
    owner: Ref | None = None
    types: frozenset[str] = frozenset()
    inputs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Applies:
    """Which stacks a rule is about: each list that is not empty has to name the stack.

    `environments` are names or kinds, `components` names with `*` for any part, `types` those of components
    (`service`), `resources` types of which the stack has one (`route`, `postgres`).
    """

    environments: tuple[str, ...] = ()
    components: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()

    def to(self, target: Target) -> bool:
        """Whether the rule looks at this stack."""
        place = {target.address.environment, target.environment_kind}
        return (
            (not self.environments or bool(place & set(self.environments)))
            and (not self.components or any(fnmatchcase(target.address.component, one) for one in self.components))
            and (not self.types or target.component_type in self.types)
            and (not self.resources or bool(target.types & set(self.resources)))
        )


@dataclass(frozen=True)
class Asked:
    """One question about one metric, over the time `over` up to now. `otherwise` is the answer where there is none."""

    metric: str
    aggregation: str
    over: timedelta
    where: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    otherwise: float | None = None


@dataclass(frozen=True)
class Alert:
    """`when` is a CEL condition over the answers to `ask`, for each stack and combination of the labels in `by`.

    It fires once it has held for `hold`, and is over once it has not for `keep`. Where an answer is missing the alert
    stays as it is, unless `no_data` says `fire`. `file` is empty for one that Pave comes with.
    """

    name: str
    title: str
    severity: str
    ask: Mapping[str, Asked]
    when: str
    owner: Ref | None = None
    by: tuple[str, ...] = ()
    hold: timedelta = timedelta(0)
    keep: timedelta = timedelta(minutes=1)
    applies: Applies = field(default_factory=Applies)
    say: str = ""
    runbook: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    no_data: str = "keep"
    off: bool = False
    file: str = ""


@dataclass(frozen=True)
class SLO:
    """A share of good requests (`objective`, 0 to 1) over `window`.

    `indicator` is `availability` (no 5xx) or `latency` (within `threshold` seconds, one of `BUCKETS`).
    """

    name: str
    title: str
    indicator: str
    objective: float
    window: timedelta
    threshold: float = 0.5
    owner: Ref | None = None
    applies: Applies = field(default_factory=Applies)
    runbook: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    off: bool = False
    file: str = ""


@dataclass(frozen=True)
class BrokenRule:
    """An alert or objective that cannot be evaluated, and why."""

    name: str
    problem: Diagnostic
    owner: Ref | None = None
