"""Tokens: how somebody else comes in, given by the platform's own team and shown once."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Operation
from pave.model.diagnostics import Refused, Unknown, error
from pave.model.duration import duration, later
from pave.model.names import Ref
from pave.model.schema import nearest
from pave.request.roles import Verb

LONGEST = timedelta(days=366)


class NewToken(BaseModel):
    """A token that stands for somebody of the catalog. It may do what they may, and of that only its scopes."""

    model_config = ConfigDict(extra="forbid")

    user: str = Field(description="Who it stands for: a User of the catalog.")
    scopes: list[str] = Field(description="What it may be used for, such as catalog:read.", min_length=1)
    lifetime: str = Field("8h", alias="for", description="How long it is good, 366 days at most.")


class TokenView(BaseModel):
    """A token that was made. It is shown here and never again; only its digest is kept."""

    user: str
    scopes: list[str]
    until: datetime
    token: str


def _create(context: Context, given: NewToken) -> TokenView:
    world, call = context.world, context.call
    user = Ref.parse(given.user, kind="user")
    known = world.snapshots.current().entities
    if user.kind != "user" or user not in known:
        people = [one.name for one in known if one.kind == "user"]
        remedy = nearest(user.name, people) or "Whoever is to have one needs an entry in catalog/ first."
        raise Unknown(error(f"There is no {user.short} in the catalog", remedy=remedy))
    beyond = sorted(set(given.scopes) - call.scopes)
    if beyond:
        remedy = f"Yours are: {', '.join(sorted(call.scopes))}."
        raise Refused(error(f"Nobody gives away scopes that they do not have: {', '.join(beyond)}", remedy=remedy))
    lasts = duration(given.lifetime)
    if lasts > LONGEST:
        raise Refused(error(f"{given.lifetime} is too long for a token", remedy=f"At most {LONGEST.days} days."))
    secret = world.credentials.issue("token", user, sorted(set(given.scopes)), lasts.total_seconds())
    until = later(world.clock.now(), given.lifetime)
    scopes = sorted(set(given.scopes))
    world.events.emit("token.created", str(user), actor=str(call.actor), scopes=scopes, until=until.isoformat())
    return TokenView(user=str(user), scopes=scopes, until=until, token=secret)


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="token.create",
        summary="A token for somebody else, shown once",
        rest="POST /tokens",
        cli="token create {user}",
        verb=Verb.ADMINISTER,
        input=NewToken,
        output=TokenView,
        handler=_create,
        scopes=("token:write",),
        idempotent=False,
        examples=("pave token create kim --scopes catalog:read --scopes component:write --for 1d",),
    ),
)
