"""A snapshot: everything that the platform repository says at one commit, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from pave.model.alert import SLO, Alert, BrokenRule
from pave.model.dashboard import Dashboard
from pave.model.deployment import Deployment
from pave.model.diagnostics import Diagnostic
from pave.model.entity import Entity
from pave.model.environment import Environment
from pave.model.guardrail import Guardrail
from pave.model.module import Module
from pave.model.names import Address, Ref
from pave.model.notifications import Notifications
from pave.model.people import People
from pave.model.policy import Policies
from pave.model.price import PriceSheet
from pave.model.roadmap import RoadmapItem
from pave.model.scorecard import Scorecard
from pave.model.template import Template
from pave.model.waiver import Waiver


@dataclass(frozen=True)
class Snapshot:
    """One commit of the platform repository. What could not be read stands in `findings`; the rest goes on.

    `environments` are complete with what they inherit, `written` are the same as their files say.
    `inputs` maps each stack to its change detector: a digest over the Git ids of everything that its
    plan depends on; equal digests cost no engine call. `guardrails_digest` is over the rules, the policies
    and the waivers.
    `unreadable` are the stacks whose file is there but cannot be read: they are neither wanted differently nor
    gone, and must be left as they are. `alerts` and `slos` are those that Pave comes with, and over them the
    repository's own.
    """

    commit: str
    environments: Mapping[str, Environment] = field(default_factory=dict)
    written: Mapping[str, Environment] = field(default_factory=dict)
    modules: Mapping[str, Module] = field(default_factory=dict)
    sheets: Mapping[str, PriceSheet] = field(default_factory=dict)
    deployments: Mapping[Address, Deployment] = field(default_factory=dict)
    entities: Mapping[Ref, Entity] = field(default_factory=dict)
    templates: Mapping[str, Template] = field(default_factory=dict)
    guardrails: Mapping[str, Guardrail] = field(default_factory=dict)
    policies: Policies = field(default_factory=Policies)
    waivers: Mapping[str, Waiver] = field(default_factory=dict)
    dashboards: Mapping[str, Dashboard] = field(default_factory=dict)
    alerts: Mapping[str, Alert] = field(default_factory=dict)
    slos: Mapping[str, SLO] = field(default_factory=dict)
    broken_rules: tuple[BrokenRule, ...] = ()
    notifications: Mapping[Ref, Notifications] = field(default_factory=dict)
    guardrails_digest: str = ""
    scorecards: Mapping[str, Scorecard] = field(default_factory=dict)
    roadmap: Mapping[str, RoadmapItem] = field(default_factory=dict)
    inputs: Mapping[Address, str] = field(default_factory=dict)
    unreadable: frozenset[Address] = frozenset()
    findings: tuple[Diagnostic, ...] = ()

    @cached_property
    def people(self) -> People:
        """Who is in which team, and what is written about them; made when somebody first asks."""
        return People(self.entities)
