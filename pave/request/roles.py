"""Roles and what they may: one table, role × verb → the conditions under which it is allowed. What is not in it is not.

The page docs/access.md is made from here. Roles are not kept anywhere: who is what follows from the catalog, see
`pave.request.access`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum


class Role(str, Enum):
    """What somebody is to a place; the strongest first."""

    ENGINEER = "platform-engineer"
    OWNER = "owner"
    DEVELOPER = "developer"
    AUDITOR = "auditor"
    VIEWER = "viewer"
    AGENT = "agent"


class Verb(str, Enum):
    """What can be done. Every operation, and every way through the Git door, is one of these."""

    ASK = "ask"
    READ = "read"
    AUDIT = "audit"
    COMMENT = "comment"
    PROPOSE = "propose"
    CREATE = "create"
    CHANGE = "change"
    DEPLOY = "deploy"
    DELETE = "delete"
    CONNECT = "connect"
    APPROVE = "approve"
    WAIVE = "waive"
    ADMINISTER = "administer"


class Condition(str, Enum):
    """What must hold beside the role."""

    NOBODYS = "nobodys"
    OWN_TEAM = "own-team"
    SHARED = "shared"
    RULE = "rule"
    PERSON = "person"
    BEHALF = "behalf"
    NOT_PRODUCTION = "not-production"
    OPEN_DATA = "open-data"


ROLES: Mapping[Role, str] = {
    Role.ENGINEER: "whoever is in `group:platform`",
    Role.OWNER: "whoever is in the team that owns the place, or in one below it",
    Role.DEVELOPER: "whoever is in any team",
    Role.AUDITOR: "the annotation `pave.dev/role: auditor` on a User or a Group",
    Role.VIEWER: "the annotation `pave.dev/role: viewer` on a User or a Group",
    Role.AGENT: "an `agent:` of the catalog",
}
"""How one comes to a role."""

VERBS: Mapping[Verb, str] = {
    Verb.ASK: "ask who one is, and what one may; give feedback",
    Verb.READ: "see the catalog, stacks, runs, logs, change requests and findings; clone a repository",
    Verb.AUDIT: "see who used credentials",
    Verb.COMMENT: "say something about a change request; acknowledge, silence and try alerts of one's own",
    Verb.PROPOSE: "push a branch, have a change request checked, close one",
    Verb.CREATE: "make a component or an environment",
    Verb.CHANGE: "add, restore or move what is there; push to and merge into a service's own branch",
    Verb.DEPLOY: "deploy, promote, roll back, converge",
    Verb.DELETE: "take resources, stacks and environments away",
    Verb.CONNECT: "see the credentials of a resource",
    Verb.APPROVE: "answer an approval",
    Verb.WAIVE: "merge an exception from a guardrail",
    Verb.ADMINISTER: "change modules, templates, guardrails, people and teams; give out tokens, import bills",
}
"""What a verb is about."""

CONDITIONS: Mapping[Condition, str] = {
    Condition.NOBODYS: "nobody owns it yet",
    Condition.OWN_TEAM: "it is for a team of one's own",
    Condition.SHARED: "nobody owns it yet, or it is the platform's repository, where the paths of a change decide",
    Condition.RULE: "it is the guardrail that one's own team owns, and somebody else wrote the waiver",
    Condition.PERSON: "a person asks: no agent, no service account",
    Condition.BEHALF: "it acts for a person who may do the same",
    Condition.NOT_PRODUCTION: "the environment is known and no production",
    Condition.OPEN_DATA: "the data class is not confidential, restricted or secret",
}
"""Conditions as sentences."""

SECRETIVE = frozenset({"confidential", "restricted", "secret"})
"""Data classes (annotation `pave.dev/data-class`) whose credentials are not for agents."""

ANYWAY: tuple[Condition, ...] = ()
_C = Condition
_LOOK = {Verb.ASK: ANYWAY, Verb.READ: ANYWAY}

TABLE: Mapping[Role, Mapping[Verb, tuple[Condition, ...]]] = {
    Role.ENGINEER: {
        **dict.fromkeys(Verb, ANYWAY),
        Verb.APPROVE: (_C.PERSON,),
        Verb.WAIVE: (_C.PERSON,),
    },
    Role.OWNER: {
        **_LOOK,
        Verb.AUDIT: ANYWAY,
        Verb.COMMENT: ANYWAY,
        Verb.PROPOSE: ANYWAY,
        Verb.CREATE: ANYWAY,
        Verb.CHANGE: ANYWAY,
        Verb.DEPLOY: ANYWAY,
        Verb.DELETE: ANYWAY,
        Verb.CONNECT: ANYWAY,
        Verb.APPROVE: (_C.PERSON,),
        Verb.WAIVE: (_C.PERSON, _C.RULE),
    },
    Role.DEVELOPER: {
        **_LOOK,
        Verb.COMMENT: ANYWAY,
        Verb.PROPOSE: (_C.SHARED,),
        Verb.CREATE: (_C.OWN_TEAM,),
        Verb.CHANGE: (_C.NOBODYS,),
        Verb.DEPLOY: (_C.NOBODYS,),
    },
    Role.AUDITOR: {**_LOOK, Verb.AUDIT: ANYWAY},
    Role.VIEWER: _LOOK,
    Role.AGENT: {
        **_LOOK,
        Verb.COMMENT: (_C.BEHALF,),
        Verb.PROPOSE: (_C.BEHALF,),
        Verb.CREATE: (_C.BEHALF, _C.NOT_PRODUCTION),
        Verb.CHANGE: (_C.BEHALF, _C.NOT_PRODUCTION),
        Verb.DEPLOY: (_C.BEHALF, _C.NOT_PRODUCTION),
        Verb.DELETE: (_C.BEHALF, _C.NOT_PRODUCTION),
        Verb.CONNECT: (_C.BEHALF, _C.NOT_PRODUCTION, _C.OPEN_DATA),
    },
}
"""Everything that is allowed. An empty tuple is *always*; a verb that is missing is *never*."""
