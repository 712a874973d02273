"""An environment: a place to run, and which module serves which resource type there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pave.model.diagnostics import Source
from pave.model.names import Ref
from pave.model.workload import Need

KINDS = ("development", "preview", "staging", "production")


@dataclass(frozen=True)
class Binding:
    """`type` (and optionally `class`, `id`) is served by `module` with these inputs."""

    type: str
    module: str
    klass: str = ""
    id: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def matches(self, need: Need) -> bool:
        """Whether this binding may serve `need`."""
        return self.type == need.type and self.klass in ("", need.klass) and self.id in ("", need.id)

    @property
    def specificity(self) -> int:
        """How exactly it matches: an id weighs more than a class, a class more than neither."""
        return 2 * bool(self.id) + bool(self.klass)


STRATEGIES = ("replace", "blue-green", "canary")


@dataclass(frozen=True)
class Deploy:
    """How new versions arrive: `source` is a branch or the environment to promote from.

    `after` (`10m`) is how long a version must have been well there; `windows` say when one may arrive (`allow`,
    `freeze`). `strategy` is one of `STRATEGIES`; `steps` are the shares of a canary in percent, `bake` (`30s`) is
    how long each is watched. `provenance` and `signature` are `required` or empty. A version goes back by itself where
    one of the alerts in `rollback_on` fires within `rollback_within` (`15m` where it says nothing) of its arrival.
    """

    source: str = ""
    after: str = ""
    strategy: str = "replace"
    steps: tuple[int, ...] = ()
    bake: str = ""
    provenance: str = ""
    signature: str = ""
    windows: tuple[Mapping[str, str], ...] = ()
    rollback_on: tuple[str, ...] = ()
    rollback_within: str = ""


@dataclass(frozen=True)
class Environment:
    """One environment, after `inherits` was resolved. `drift` is `repair` or `report`.

    `lifetime` (`3d`) is what an environment made from it gets, `until` (ISO time) when this one ends; `sleep`
    (`after 30m idle`) when its stacks go to sleep; `seed` is run once in a new one.
    """

    name: str
    kind: str
    owner: Ref
    title: str = ""
    bindings: tuple[Binding, ...] = ()
    deploy: Deploy = field(default_factory=Deploy)
    drift: str = "repair"
    inherits: str = ""
    lifetime: str = ""
    until: str = ""
    sleep: str = ""
    seed: str = ""
    budget: str = ""
    source: Source = field(default_factory=Source, compare=False)

    @property
    def is_pattern(self) -> bool:
        """Whether it is what previews are made from, and no place to run."""
        return self.kind == "preview" and not self.until

    def binding_for(self, need: Need) -> Binding | None:
        """The most specific binding for `need`; of equals, the one written first."""
        matching = [one for one in self.bindings if one.matches(need)]
        return max(matching, key=lambda one: one.specificity, default=None)
