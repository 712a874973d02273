"""Scorecards: what good components have, how each one does, what its next step is, and how campaigns go."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from pave.engine.context import Context
from pave.engine.operations import Nothing, Operation
from pave.engine.product.scoring import Known
from pave.model.diagnostics import Unknown, error
from pave.model.schema import nearest
from pave.model.scorecard import Scorecard
from pave.observe.badge import badge
from pave.observe.scorecard import Score, spread, standing
from pave.ports import Scored
from pave.request.roles import Verb

_TREND = timedelta(days=90)


class CampaignView(BaseModel):
    """A time in which a level is to be reached."""

    scorecard: str
    name: str
    title: str
    level: str
    since: date
    until: date
    days_left: int = Field(description="Negative when it is over.")
    share: float = Field(description="Of the components that it is about, how many are there: 0 to 1.")
    missing: list[str] = Field(default_factory=list, description="Who is not there yet.")


class CheckView(BaseModel):
    """One check of a scorecard, and, of one component, whether it is passed."""

    name: str
    title: str
    level: str
    require: str = ""
    remedy: str = ""
    passed: bool | None = None
    problem: str = Field("", description="Why it could not be asked; then it is not passed.")


class ScorecardView(BaseModel):
    """A scorecard, and how many components are on each level."""

    name: str
    title: str
    description: str = ""
    category: str
    owner: str
    levels: list[str] = Field(description="The lowest first.")
    spread: dict[str, int] = Field(description="Components on each level; the empty name counts those on none.")
    campaigns: list[CampaignView] = Field(default_factory=list)


class ScorecardList(BaseModel):
    """All scorecards."""

    scorecards: list[ScorecardView]


class ScoreView(BaseModel):
    """How one component does on one scorecard."""

    scorecard: str
    title: str
    component: str
    level: str = Field(description="The level that it reaches; empty where it does not reach the lowest.")
    passed: int
    of: int
    next: str = Field("", description="Its next step.")
    checks: list[CheckView] = Field(default_factory=list)
    trend: list[tuple[date, str, int]] = Field(
        default_factory=list, description="Day, level and checks passed, where one of them changed in 90 days."
    )


class ScorecardDetail(BaseModel):
    """One scorecard with its checks and every component that it is about."""

    scorecard: ScorecardView
    checks: list[CheckView]
    scores: list[ScoreView]


class ComponentScores(BaseModel):
    """How a component does on all scorecards that are about it."""

    component: str
    scores: list[ScoreView]
    campaigns: list[CampaignView] = Field(default_factory=list, description="Those that it is still to reach.")


class Badge(BaseModel):
    """A badge: the fields of a shields.io endpoint, and the picture itself."""

    schemaVersion: int = 1  # noqa: N815 — shields.io's own name
    label: str
    message: str
    color: str
    svg: str


class OneScorecard(BaseModel):
    """Names a scorecard."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Its name.")


class OneComponent(BaseModel):
    """Names a component."""

    model_config = ConfigDict(extra="forbid")

    component: str = Field(description="The component.")


class BadgeOf(OneComponent):
    """Names a component and a scorecard."""

    scorecard: str = Field("production-readiness", description="The scorecard.")


def _known(context: Context) -> Known:
    world = context.world
    return Known(world, world.snapshots.current(), world.clock.now())


def _list(context: Context, _: Nothing) -> ScorecardList:
    known = _known(context)
    scores = [one for name in known.components() for one in known.scores(name)]
    cards = known.snapshot.scorecards
    return ScorecardList(scorecards=[_card(known, cards[name], scores) for name in sorted(cards)])


def _show(context: Context, given: OneScorecard) -> ScorecardDetail:
    known = _known(context)
    card = _named(known, given.name)
    scores = [one for name in known.components() for one in known.scores(name) if one.scorecard == card.name]
    return ScorecardDetail(
        scorecard=_card(known, card, scores),
        checks=[
            CheckView(name=one.name, title=one.title, level=one.level, require=one.require, remedy=one.remedy)
            for one in card.checks
        ],
        scores=[_score(card, one) for one in scores],
    )


def _of(context: Context, given: OneComponent) -> ComponentScores:
    known = _known(context)
    cards = known.snapshot.scorecards
    kept = context.world.scores.since((known.now - _TREND).date(), component=_component(known, given.component))
    scores = known.scores(given.component)
    campaigns = [
        view
        for one in scores
        for view in _card(known, cards[one.scorecard], [one]).campaigns
        if view.missing and view.days_left >= 0
    ]
    return ComponentScores(
        component=given.component,
        scores=[_score(cards[one.scorecard], one, kept, whole=True) for one in scores],
        campaigns=campaigns,
    )


def _badge(context: Context, given: BadgeOf) -> Badge:
    known = _known(context)
    card = _named(known, given.scorecard)
    found = {one.scorecard: one for one in known.scores(_component(known, given.component))}.get(card.name)
    message = "not applicable" if found is None else found.level or "not yet"
    share = card.levels.index(found.level) / max(len(card.levels) - 1, 1) if found and found.level else None
    color = "#6b7280" if share is None else "#b45309" if share == 0 else "#15803d" if share == 1 else "#1d4ed8"
    return Badge(label=card.title.lower(), message=message, color=color, svg=badge(card.title.lower(), message, color))


def _named(known: Known, name: str) -> Scorecard:
    cards = known.snapshot.scorecards
    if name not in cards:
        remedy = nearest(name, list(cards)) or "`pave scorecard list` names them."
        raise Unknown(error(f"There is no scorecard {name[:80]!r}", remedy=remedy))
    return cards[name]


def _component(known: Known, name: str) -> str:
    names = known.components()
    if name not in names:
        remedy = nearest(name, names) or "`pave catalog --kind component` lists them."
        raise Unknown(error(f"There is no component {name[:80]!r}", remedy=remedy))
    return name


def _card(known: Known, card: Scorecard, scores: Iterable[Score]) -> ScorecardView:
    about = [one for one in scores if one.scorecard == card.name]
    goes = [standing(card, one, about, known.now.date()) for one in card.campaigns]
    return ScorecardView(
        name=card.name,
        title=card.title,
        description=card.description,
        category=card.category,
        owner=str(card.owner),
        levels=list(card.levels),
        spread=dict(spread(card, about)),
        campaigns=[
            CampaignView(
                scorecard=card.name,
                name=one.campaign.name,
                title=one.campaign.title,
                level=one.campaign.level,
                since=one.campaign.since,
                until=one.campaign.until,
                days_left=one.days_left,
                share=one.share,
                missing=list(one.missing),
            )
            for one in goes
        ],
    )


def _score(card: Scorecard, one: Score, kept: Iterable[Scored] = (), *, whole: bool = False) -> ScoreView:
    checks = [
        CheckView(
            name=each.check.name,
            title=each.check.title,
            level=each.check.level,
            remedy="" if each.passed else each.check.remedy,
            passed=each.passed,
            problem=each.problem,
        )
        for each in one.checks
    ]
    return ScoreView(
        scorecard=card.name,
        title=card.title,
        component=one.component,
        level=one.level,
        passed=one.passed,
        of=len(one.checks),
        next=one.next.remedy if one.next else "",
        checks=checks if whole else [],
        trend=_trend(each for each in kept if each.scorecard == card.name),
    )


def _trend(kept: Iterable[Scored]) -> list[tuple[date, str, int]]:
    """The days on which something changed."""
    found: list[tuple[date, str, int]] = []
    for one in kept:
        if not found or found[-1][1:] != (one.level, one.passed):
            found.append((one.day, one.level, one.passed))
    return found


_READ: dict[str, Any] = {"scopes": ("catalog:read",), "read_only": True, "verb": Verb.READ}

OPERATIONS: tuple[Operation[Any, Any], ...] = (
    Operation(
        name="scorecard.list",
        summary="Scorecards: how many components are on each level, and how campaigns go",
        rest="GET /scorecards",
        cli="scorecard list",
        input=Nothing,
        output=ScorecardList,
        handler=_list,
        **_READ,
    ),
    Operation(
        name="scorecard.show",
        summary="One scorecard: its checks, and how every component does",
        rest="GET /scorecards/{name}",
        cli="scorecard show {name}",
        input=OneScorecard,
        output=ScorecardDetail,
        handler=_show,
        **_READ,
    ),
    Operation(
        name="score.show",
        summary="How a component does on its scorecards, and what its next step is",
        rest="GET /scores/{component}",
        cli="score {component}",
        input=OneComponent,
        output=ComponentScores,
        handler=_of,
        examples=("pave score orders",),
        **_READ,
    ),
    Operation(
        name="score.badge",
        summary="A badge with the level that a component reaches",
        rest="GET /scores/{component}/badge",
        cli="badge {component}",
        input=BadgeOf,
        output=Badge,
        handler=_badge,
        examples=("pave badge orders > badge.svg",),
        **_READ,
    ),
)
