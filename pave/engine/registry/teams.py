"""Teams: how much each has, and how much it may have."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.judgement.facts import LOOKED_AT, Asking, Facts
from pave.engine.judgement.spending import Bill
from pave.engine.judging import moment
from pave.engine.operations import Operation
from pave.model.diagnostics import Unknown, error
from pave.model.names import Ref
from pave.model.schema import nearest
from pave.request.access import SYSTEM
from pave.request.roles import Verb


class Quota(BaseModel):
    """What a team has, of what it may have."""

    team: str
    resources: int = Field(description="How many resources its components have.")
    most_resources: int = Field(description="How many they may have: pave.dev/quota-resources of the team.")
    environments: int = Field(description="How many environments it owns, the pattern of previews left out.")
    most_environments: int = Field(description="How many it may own: pave.dev/quota-environments of the team.")
    state: str = Field(description="free, or full where a team may have nothing more of something.")


class QuotaList(BaseModel):
    """The quotas of teams, those with the least left in front."""

    quotas: list[Quota]


class TeamFilter(BaseModel):
    """Which team."""

    model_config = ConfigDict(extra="forbid")

    team: str = Field("", description="Only this one.")


def _quotas(context: Context, given: TeamFilter) -> QuotaList:
    """By the same count that the guardrail `team-quota` sees."""
    world, snapshot = context.world, context.world.snapshots.current()
    facts = Facts(Bill(world, snapshot, snapshot), Asking(SYSTEM, LOOKED_AT, "engine", automatic=True), moment(world))
    teams = sorted(ref for ref in snapshot.entities if ref.kind == "group")
    if given.team:
        wanted = Ref.parse(given.team, kind="group")
        if wanted not in teams:
            remedy = nearest(wanted.name, [one.name for one in teams]) or "`pave catalog --kind group` names them."
            raise Unknown(error(f"There is no team {wanted.short}", remedy=remedy))
        teams = [wanted]
    return QuotaList(quotas=sorted((_quota(facts.team(one), one) for one in teams), key=_left))


def _quota(team: dict[str, Any], ref: Ref) -> Quota:
    most = team["quota"]
    full = team["resources"] >= most["resources"] or team["environments"] >= most["environments"]
    return Quota(
        team=ref.short,
        resources=team["resources"],
        most_resources=most["resources"],
        environments=team["environments"],
        most_environments=most["environments"],
        state="full" if full else "free",
    )


def _left(one: Quota) -> tuple[float, str]:
    """The smaller share that is left."""
    shares = ((one.most_resources, one.resources), (one.most_environments, one.environments))
    return min(1 - had / most if most else 0.0 for most, had in shares), one.team


OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="team.quota",
        summary="How much each team has, and how much it may have",
        rest="GET /quotas",
        cli="quota [team]",
        verb=Verb.READ,
        input=TeamFilter,
        output=QuotaList,
        handler=_quotas,
        scopes=("catalog:read",),
        read_only=True,
        examples=("pave quota", "pave quota payments"),
    ),
)
