"""What guardrails look at: one planned change with everything that is known around it, as plain data.

The shape is `EXAMPLE`, the same for every change, whatever asks: a rule may rely on each field being there. Where
something is not known it says so in a word (`unknown`, `missing`), and no secret is ever in it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from pave.model.deployment import Deployment
from pave.model.duration import instant
from pave.model.entity import Entity
from pave.model.environment import Environment
from pave.model.module import Module
from pave.model.names import Address, Ref
from pave.model.windows import closed
from pave.model.workload import SOURCE_IMAGE, Container, Workload
from pave.plan.change import Action, Change, Plan
from pave.request.places import DATA_CLASS
from pave.verdict.bounds import unbounded
from pave.verdict.guardrail import Subject

FOREVER = 1_000_000.0
"""Hours, or days, of what has no end."""
COST_CENTER, LIFECYCLE = "pave.dev/cost-center", "lifecycle"
_SECRET_NAME = re.compile(r"PASS(WORD|WD|PHRASE)?$|SECRET|TOKEN|API_?KEY|PRIVATE_?KEY|CREDENTIAL", re.IGNORECASE)
_IN_URL = re.compile(r"://[^\s:/@${]*:(?!\$\{)[^\s/@${]+@")
_SHORTEST_SECRET = 6

EXAMPLE: Mapping[str, Any] = {
    "environment": {
        "name": "example", "kind": "development", "owner": "group:default/example", "inherits": "dev",
        "provenance": "", "signature": "", "hours_left": FOREVER, "new": False,
    },
    "component": {
        "name": "service", "owner": "group:default/example", "artifact": "sha256:0", "commit": "0" * 40,
        "lifecycle": "production", "cost_center": "1000", "data_class": "internal", "known": True,
    },
    "change": {
        "address": "example/service/thing", "name": "thing", "action": "create", "type": "thing",
        "module": "local/thing", "module_version": "1.0.0", "stateful": False, "drifted": False, "hours_left": FOREVER,
    },
    "inputs": {},
    "module": {
        "name": "local/thing", "version": "1.0.0", "provider": "local", "region": "local", "encrypted": "yes",
        "tls": "yes", "public": "no", "protected": "yes", "privileged": "no", "supported_days": FOREVER,
    },
    "workload": {
        "containers": [{
            "name": "web", "image": ".", "built_here": True, "pinned": True, "registry": "", "limits": ["memory"],
            "requests": ["cpu"], "readiness": True, "liveness": False, "plain_secrets": [],
        }],
        "ports": 1,
    },
    "evidence": {
        "checks": {}, "provenance": "verified", "signature": "verified", "scanned": True,
        "vulnerabilities": {"high": 0, "medium": 0, "low": 0}, "licences": [],
    },
    "actor": {"ref": "user:default/example", "kind": "user", "agent": False, "teams": ["group:default/example"]},
    "approval": {"by": ""},
    "request": {"kind": "stack.deploy", "door": "api", "automatic": False},
    "plan": {"creates": 1, "updates": 0, "replaces": 0, "deletes": 0, "data_lost": 0, "stacks": 1},
    "cost": {
        "delta": 0.0, "monthly": 0.0, "currency": "USD", "unpriced": [],
        "environment": {"budget": 0.0, "spent": 0.0, "share": 0.0},
        "team": {"budget": 0.0, "spent": 0.0, "share": 0.0}, "budgets": "no budget is set",
    },
    "team": {
        "name": "example", "resources": 1, "environments": 1, "quota": {"resources": 200, "environments": 20},
    },
    "time": {"now": "2026-01-05T10:00:00+00:00", "open": True, "closed_because": ""},
}  # fmt: skip
"""A subject that nothing is wrong with: the shape of all, and what the examples of a guardrail are laid over."""


@dataclass(frozen=True)
class Around:
    """What is known around the plan of one stack. The mappings have the shapes of `EXAMPLE`."""

    environment: Environment
    deployment: Deployment | None
    owner: Ref | None
    now: datetime
    actor: Mapping[str, Any]
    request: Mapping[str, Any]
    evidence: Mapping[str, Any]
    cost: Mapping[str, Any]
    team: Mapping[str, Any]
    plan: Mapping[str, Any]
    modules: Mapping[str, Module]
    workload: Workload | None = None
    entities: Mapping[Ref, Entity] | None = None
    approved_by: str = ""
    new: bool = False


def subjects_of(
    plan: Plan, known: Around, *, moved: bool = False, extended: Collection[str] = ()
) -> tuple[Subject, ...]:
    """What there is to judge in a plan: each change that does something, with all that is known around it.

    Where the environment itself `moved` and nothing in the stack changes, the stack is looked at as a whole: another
    end, budget or window is judged too. So are the resources that got another end, `extended`.
    """
    around = _around(plan.stack, known)
    found = tuple(
        _subject(one, around, known)
        for one in plan.changes
        if one.action is not Action.NONE or one.address.resource in extended
    )
    if found or not moved:
        return found
    return (_subject(Change(plan.stack, Action.NONE, ""), around, known),)


KNOWN_AT_THE_DOOR = ("environment", "component", "actor", "approval", "request", "team", "time")
"""What a rule of the stage `request` may read: nothing is planned yet."""


def at_the_door(stack: Address, known: Around) -> Subject:
    """What there is to judge of a request before anything is planned."""
    around = _around(stack, known)
    return Subject(stack, {name: around[name] for name in KNOWN_AT_THE_DOOR})


def _around(stack: Address, known: Around) -> dict[str, Any]:
    environment = known.environment
    shut = closed(environment.deploy.windows, known.now)
    until = instant(environment.until) if environment.until else None
    return {
        "environment": {
            "name": environment.name,
            "kind": environment.kind,
            "owner": str(environment.owner),
            "inherits": environment.inherits,
            "provenance": environment.deploy.provenance,
            "signature": environment.deploy.signature,
            "hours_left": (until - known.now) / timedelta(hours=1) if until else FOREVER,
            "new": known.new,
        },
        "component": _component(stack, known),
        "evidence": dict(known.evidence),
        "actor": dict(known.actor),
        "approval": {"by": known.approved_by},
        "request": dict(known.request),
        "plan": dict(known.plan),
        "cost": dict(known.cost),
        "team": dict(known.team),
        "time": {
            "now": known.now.isoformat(),
            "open": shut is None,
            "closed_because": shut.reason if shut else "",
        },
    }


def _component(stack: Address, known: Around) -> dict[str, Any]:
    deployment, entities = known.deployment, known.entities or {}
    entity = next(
        (one for ref, one in entities.items() if (ref.kind, ref.name) == ("component", stack.component)), None
    )
    chain = [entity, entities.get(known.owner) if known.owner else None]
    return {
        "name": stack.component,
        "owner": str(known.owner) if known.owner else "",
        "artifact": deployment.artifact if deployment else "",
        "commit": deployment.commit if deployment else "",
        "lifecycle": str(entity.spec.get("lifecycle", "")) if entity else "",
        "cost_center": _annotation(chain, COST_CENTER),
        "data_class": _annotation(chain, DATA_CLASS),
        "known": entity is not None,
    }


def _annotation(chain: Collection[Entity | None], name: str) -> str:
    """An annotation of the first in the chain that has it: what a team says holds for what it owns."""
    for one in chain:
        found = (one.metadata.get("annotations") or {}).get(name) if one else None
        if found:
            return str(found)
    return ""


def _subject(change: Change, around: Mapping[str, Any], known: Around) -> Subject:
    is_workload = change.type == "workload" and known.workload is not None
    end = known.deployment.ends.get(change.address.resource) if known.deployment else None
    return Subject(
        change.address,
        {
            **around,
            "change": {
                "address": str(change.address),
                "name": change.address.resource or change.address.component or change.address.environment,
                "action": change.action.value,
                "type": change.type,
                "module": change.module,
                "module_version": change.module_version,
                "stateful": change.stateful,
                "drifted": change.drifted,
                "hours_left": (instant(end) - known.now) / timedelta(hours=1) if end else FOREVER,
            },
            "inputs": dict(change.inputs),
            "module": module_facts(known.modules.get(change.module), change, known.now),
            "workload": _workload(known.workload) if is_workload and known.workload else {"containers": [], "ports": 0},
        },
    )


def module_facts(module: Module | None, change: Change, now: datetime) -> dict[str, Any]:
    """What a module says of what it makes with these inputs; `unknown` where it says nothing."""
    said = module.properties if module else {}
    ends = date.fromisoformat(module.supported_until) if module and module.supported_until else None
    left = datetime.combine(ends, time(), UTC) - now if ends else None
    return {
        "name": change.module,
        "version": change.module_version,
        "provider": change.module.partition("/")[0],
        "region": str(said.get("region", "unknown")),
        **{
            name: _said(said.get(name, "unknown"), change.inputs)
            for name in ("encrypted", "tls", "public", "protected", "privileged")
        },
        "supported_days": left / timedelta(days=1) if left is not None else FOREVER,
    }


def _said(value: object, inputs: Mapping[str, Any]) -> str:
    """`yes`, `no` or `unknown`: what is written, or a condition over the inputs."""
    found: object = value
    if isinstance(value, str) and value.startswith("="):
        import cel  # noqa: PLC0415 — see verdict.guardrail

        if unbounded(value):
            return "unknown"
        try:
            found = _compiled(value[1:].strip()).execute(cel.Context(variables={"inputs": dict(inputs)}))
        except Exception:  # noqa: BLE001 — whatever is wrong with it, it is not known
            return "unknown"
    return {True: "yes", False: "no"}.get(found, "unknown") if isinstance(found, bool) else "unknown"


@lru_cache(maxsize=256)
def _compiled(expression: str) -> Any:
    import cel  # noqa: PLC0415 — see verdict.guardrail

    return cel.compile(expression)


def _workload(workload: Workload) -> dict[str, Any]:
    return {"containers": [_container(one) for one in workload.containers], "ports": len(workload.ports)}


def _container(one: Container) -> dict[str, Any]:
    image = one.image
    host, slash, _ = image.partition("/")
    named = bool(slash) and (":" in host or "." in host or host == "localhost")
    return {
        "name": one.name,
        "image": image,
        "built_here": image == SOURCE_IMAGE,
        "pinned": image == SOURCE_IMAGE or "@sha256:" in image,
        "registry": "" if image == SOURCE_IMAGE else host if named else "docker.io",
        "limits": sorted(one.limits),
        "requests": sorted(one.requests),
        "readiness": one.readiness is not None,
        "liveness": one.liveness is not None,
        "plain_secrets": sorted(plain_secrets(one)),
    }


def plain_secrets(container: Container) -> Iterator[str]:
    """The names of variables that hold a secret as it is, and no reference to one."""
    for name, value in container.variables.items():
        written = "${" not in value and len(value) >= _SHORTEST_SECRET
        if (written and _SECRET_NAME.search(name)) or _IN_URL.search(value):
            yield name
