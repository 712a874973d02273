"""Rights: what somebody may do where, why, and who used credentials."""

from __future__ import annotations

from collections import deque
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Operation
from pave.engine.rights import require
from pave.model.diagnostics import Refused, error
from pave.model.names import Address, Ref
from pave.model.people import Reason
from pave.model.schema import nearest
from pave.request.access import Allowed, Decision, decide
from pave.request.needs import Need
from pave.request.places import ALL, named
from pave.request.roles import VERBS, Verb

_AT_ONCE = 500


class Question(BaseModel):
    """May they? Without a verb: what may they do there; without anything: what may I do."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field("", max_length=300, description="Who, such as user:dana; you by default.")
    verb: str = Field("", max_length=100, description="What, such as deploy; or the place, to ask about all verbs.")
    address: str = Field("", max_length=300, description="Where: prod/orders, prod/orders/db, orders, guardrail:NAME.")
    behalf: str = Field("", max_length=300, description="For an agent: the person it acts for.")
    explain: bool = Field(default=False, description="With every reason, and the file and line where it is written.")


class ReasonView(BaseModel):
    """A fact that the answer rests on."""

    said: str
    file: str = Field("", description="Where in the platform repository it is written; empty where it is no file.")
    line: int = 0


class VerbView(BaseModel):
    """One verb at one place."""

    verb: str
    allowed: bool
    why: str = Field(description="The role that allows it, or what would.")
    about: str = Field(description="What the verb is about.")


class AccessAnswer(BaseModel):
    """Whether somebody may do something, and why."""

    user: str
    behalf: str = ""
    verb: str = ""
    address: str = Field(description="Where; empty for the platform as a whole.")
    allowed: bool | None = Field(None, description="The answer; none where no verb was asked about.")
    role: str = Field("", description="What they are to this place, where it is allowed.")
    summary: str = Field("", description="The answer in a sentence.")
    reasons: list[ReasonView] = Field(default_factory=list, description="The chain of facts that it rests on.")
    needed: list[str] = Field(default_factory=list, description="Changes of which any one would allow it.")
    verbs: list[VerbView] = Field(default_factory=list, description="All verbs, where none was asked about.")
    explain: bool = False


class UsesOf(BaseModel):
    """Whose credentials."""

    model_config = ConfigDict(extra="forbid")

    address: str = Field(description="A resource, such as dev/orders/db, or a stack or environment for all in it.")
    limit: int = Field(50, ge=1, le=500, description="How many, newest first.")


class UseView(BaseModel):
    """Somebody saw how to reach a resource."""

    at: datetime
    actor: str
    address: str
    door: str = ""


class Uses(BaseModel):
    """Who used credentials, newest first."""

    uses: list[UseView]


def _check(context: Context, given: Question) -> AccessAnswer:
    call, snapshot = context.call, context.world.snapshots.current()
    actor = Ref.parse(given.user, kind="user") if given.user else call.actor
    behalf = Ref.parse(given.behalf, kind="user") if given.behalf else None
    if actor == call.actor and not given.behalf:
        behalf = call.behalf
    if actor != call.actor:  # everybody may ask about themselves, whoever may read about others
        require(snapshot.people.standing(call.actor, call.behalf), Need(Verb.READ, ALL))
    verb, address = _what(given)
    place, who = named(snapshot, address), snapshot.people.standing(actor, behalf)
    answer = AccessAnswer(
        user=str(actor),
        behalf=str(behalf or ""),
        address=address,
        verb=verb.value if verb else "",
        explain=given.explain,
    )
    if verb is None:
        answer.verbs = [_row(one, decide(who, one, place)) for one in Verb]
        return answer
    decision = decide(who, verb, place)
    answer.verb = verb.value
    answer.summary = decision.summary
    answer.reasons = [_reason(one) for one in decision.reasons]
    if isinstance(decision, Allowed):
        answer.allowed, answer.role = True, decision.role.value
    else:
        answer.allowed, answer.needed = False, list(decision.needed)
    return answer


def _what(given: Question) -> tuple[Verb | None, str]:
    """The verb, if there is one, and the place. Raises `Refused`."""
    if not given.verb:
        return None, given.address
    if given.verb in {one.value for one in Verb}:
        return Verb(given.verb), given.address
    if given.address:
        known = [one.value for one in Verb]
        remedy = nearest(given.verb, known)
        raise Refused(error(f"There is no verb {given.verb[:40]!r}", remedy=remedy, path="verb"))
    return None, given.verb


def _row(verb: Verb, decision: Decision) -> VerbView:
    if isinstance(decision, Allowed):
        why = decision.role.value
    else:
        why = f"if {decision.needed[0]}" if decision.needed else "nobody may"
    return VerbView(verb=verb.value, allowed=isinstance(decision, Allowed), why=why, about=VERBS[verb])


def _reason(one: Reason) -> ReasonView:
    return ReasonView(said=one.said, file=one.source.file, line=one.source.line)


def _uses(context: Context, given: UsesOf) -> Uses:
    address = str(Address.parse(given.address)) if "/" in given.address else given.address
    found: deque[UseView] = deque(maxlen=given.limit)
    after = 0
    while events := context.world.events.read(after, subject=address, limit=_AT_ONCE):
        after = events[-1].id
        found += [
            UseView(at=one.at, actor=one.actor, address=one.subject, door=str(one.data.get("door", "")))
            for one in events
            if one.type == "credentials.read"
        ]
    return Uses(uses=list(reversed(found)))


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="access.check",
        summary="What somebody may do where, and why",
        rest="GET /access",
        cli="can [{user}] [{verb}] [{address}]",
        input=Question,
        output=AccessAnswer,
        handler=_check,
        scopes=(),
        read_only=True,
        verb=Verb.ASK,
        examples=("pave can user:dana deploy prod/orders --explain", "pave can user:sam prod/orders"),
    ),
    Operation(
        name="access.uses",
        summary="Who saw how to reach a resource",
        rest="GET /access/uses",
        cli="audit credentials {address}",
        input=UsesOf,
        output=Uses,
        handler=_uses,
        scopes=("stack:read",),
        read_only=True,
        verb=Verb.AUDIT,
        about="{address}",
        examples=("pave audit credentials prod/orders/db",),
    ),
)
