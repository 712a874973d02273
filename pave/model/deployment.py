"""Desired state of one stack: `deployments/<environment>/<component>.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pave.model.names import Address, Ref
from pave.model.workload import Need


@dataclass(frozen=True)
class Rollout:
    """A version on its way: it gets `weight` percent of the requests, the version of commit `before` the others."""

    weight: int
    before: str = ""


@dataclass(frozen=True)
class Deployment:
    """Which commit and artifact of a component run where, and the resources asked for beyond its workload.

    A stack without a source has resources only: databases before there is a service. `pin` holds the
    reason for which automatic deployment waits. `rollout` is there while a version is on its way; a stack
    that is `asleep` runs nothing until somebody asks it for something. `ends` maps a resource that was asked for a
    time to its end (ISO time); the others stay.
    """

    address: Address
    component: Ref
    repository: str = ""
    commit: str = ""
    artifact: str = ""
    workload: str = "score.yaml"
    resources: Mapping[str, Need] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    ends: Mapping[str, str] = field(default_factory=dict)
    scale: int = 1
    pin: str | None = None
    rollout: Rollout | None = None
    asleep: bool = False
