"""Exceptions and approvals: who may merge a waiver, and who may answer. Whoever asks is never the only one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from organisation_for_tests import FILES, organisation
from site_for_tests import NOW, FakeEvents
from trees_for_tests import MemoryTree

from pave.apply.run import Run, State
from pave.engine.forge.reviews import merge
from pave.engine.judgement.approving import refusal_to_answer
from pave.engine.judgement.waiving import authors_of, waived_by
from pave.engine.snapshots import Overlay
from pave.engine.submit import check
from pave.model.diagnostics import Forbidden
from pave.model.names import Address, Ref
from pave.model.people import SYSTEM
from pave.model.reading import read_snapshot
from pave.ports import PLATFORM_REPOSITORY, Approval, ChangeRequest
from pave.request.access import Allowed, decide
from pave.request.intent import Deploy, MergeChange, Request
from pave.request.places import named
from pave.request.roles import Verb

WAIVER = """\
apiVersion: pave/v1
kind: Waiver
metadata: {{name: mine}}
spec: {{guardrail: {rule}, for: prod/orders, reason: It is rebuilt every night., by: '{by}', until: 2027-02-01}}
"""
OLGA, OLAF, PETRA, DEV, VERA, HELPER = (
    Ref.parse(one) for one in ("user:olga", "user:olaf", "user:petra", "user:dev", "user:vera", "agent:helper")
)
PATH = "waivers/mine.yaml"


def waiver(rule: str = "keep-backups", by: str = "user:olga") -> bytes:
    return WAIVER.format(rule=rule, by=by).encode()


def world_with(
    edits: Mapping[str, bytes | None], *, author: Ref = OLGA, before: Mapping[str, str] | None = None
) -> Any:
    """A world in which one change request of the platform repository makes these edits."""
    tree = MemoryTree({**FILES, **(before or {})})
    snapshot = read_snapshot(tree, "0" * 40)
    change = ChangeRequest(PLATFORM_REPOSITORY, 1, "branch", "main", "1" * 40, "A waiver", author)
    events = FakeEvents()
    events.emit("change.opened", "change/platform/1", actor=str(author))
    return SimpleNamespace(
        snapshots=SimpleNamespace(
            current=lambda: snapshot, with_edits=lambda base, laid: read_snapshot(Overlay(tree, laid), base.commit)
        ),
        platform=SimpleNamespace(merge_edits=lambda _: edits, tree=lambda _: tree),
        changes=SimpleNamespace(get=lambda repository, number: change if number == 1 else None),
        events=events,
        clock=SimpleNamespace(now=lambda: NOW),
        runs=SimpleNamespace(get=lambda _: None),
    )


def why_not(world: Any, actor: Ref) -> str:
    """Why somebody may not merge the change; empty where they may."""
    request = Request(actor, "rest", MergeChange(PLATFORM_REPOSITORY, 1, "1" * 40), NOW)
    try:
        check(world, request)
    except Forbidden as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize(
    ("author", "merger", "rule", "said"),
    [
        (OLGA, OLAF, "keep-backups", ""),
        (OLGA, PETRA, "keep-backups", ""),
        (PETRA, OLAF, "keep-backups", ""),
        (DEV, OLAF, "keep-backups", ""),
        (OLGA, OLGA, "keep-backups", "takes a second person"),
        (PETRA, PETRA, "keep-backups", "takes a second person"),
        (OLGA, DEV, "keep-backups", "may not change waivers/mine.yaml"),
        (OLGA, VERA, "keep-backups", "may not propose"),
        (OLGA, HELPER, "keep-backups", "may not propose"),
        (OLGA, Ref.parse("serviceaccount:ci"), "keep-backups", "only a person may merge"),
        (OLGA, SYSTEM, "keep-backups", "only a person may merge"),
        (OLGA, OLAF, "owner-must-exist", "may not change waivers/mine.yaml"),
        (OLGA, PETRA, "owner-must-exist", ""),
        (OLGA, OLAF, "not-there", "may not change waivers/mine.yaml"),
        (OLGA, PETRA, "not-there", ""),
    ],
)
def test_a_waiver_is_merged_by_the_team_of_its_guardrail_and_never_by_its_author(
    author: Ref, merger: Ref, rule: str, said: str
) -> None:
    why = why_not(world_with({PATH: waiver(rule, by=str(author))}, author=author), merger)
    assert said in why
    assert bool(said) is bool(why)


def test_whoever_the_waiver_names_does_not_merge_it() -> None:
    world = world_with({PATH: waiver(by="user:olaf")}, author=DEV)
    assert "user:olaf answers for waivers/mine.yaml" in why_not(world, OLAF)
    assert why_not(world, OLGA) == ""


def test_whoever_pushed_to_the_branch_later_does_not_merge_it() -> None:
    world = world_with({PATH: waiver(by="user:dev")}, author=DEV)
    assert why_not(world, OLAF) == ""
    world.events.emit("change.updated", "change/platform/1", actor=str(OLAF))
    assert "user:olaf wrote it" in why_not(world, OLAF)
    assert why_not(world, OLGA) == ""
    assert set(authors_of(world, world.changes.get(PLATFORM_REPOSITORY, 1))) == {DEV, OLAF}


def test_a_waiver_that_changes_whose_rule_it_is_about_is_for_the_platform_team() -> None:
    there = {PATH: waiver("owner-must-exist").decode()}
    world = world_with({PATH: waiver("keep-backups")}, before=there)
    assert "may not change waivers/mine.yaml" in why_not(world, OLAF)
    assert why_not(world, PETRA) == ""


def test_a_waiver_that_cannot_be_read_is_for_the_platform_team() -> None:
    world = world_with({PATH: b"kind: Waiver"})
    assert "may not change waivers/mine.yaml" in why_not(world, OLAF)


def test_a_waiver_that_goes_needs_no_second_person() -> None:
    world = world_with({PATH: None}, before={PATH: waiver().decode()})
    assert why_not(world, OLGA) == ""
    assert "may not change" in why_not(world, DEV)


def test_a_waiver_among_other_files_is_still_a_waiver() -> None:
    world = world_with({PATH: waiver(), "catalog/components/orders.yaml": None})
    assert "takes a second person" in why_not(world, OLGA)
    world = world_with({PATH: waiver(), "modules/x/main.tf": b""}, author=DEV)
    assert "may not change modules/x/main.tf" in why_not(world, OLAF)


def test_a_change_without_waivers_asks_nobody_else() -> None:
    world = world_with({"deployments/dev/orders.yaml": None})
    assert why_not(world, OLGA) == ""
    assert waived_by(world, world.snapshots.current(), {}).granted == frozenset()


APPROVAL = Approval(
    id="apr_1",
    run="run_1",
    subject="prod/orders",
    digest="0",
    requester=OLGA,
    approvers=(Ref.parse("group:payments"), Ref.parse("group:platform")),
    findings=(),
    asked_at=NOW,
    expires_at=NOW + timedelta(hours=1),
)


def answering(run: Run | None = None, **changed: str) -> Any:
    world = world_with({})
    world.snapshots.current = lambda: organisation(**changed)
    world.runs = SimpleNamespace(get=lambda _: run)
    return world


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (OLAF, ""),
        (PETRA, ""),
        (OLGA, "user:olga asked for this, so somebody else has to approve it"),
        (DEV, "in none of the teams"),
        (HELPER, "no person"),
        (Ref.parse("serviceaccount:ci"), "no person"),
        (VERA, "user:vera may not approve"),
        (Ref.parse("user:nobody"), "in none of the teams"),
    ],
)
def test_an_approver_who_is_the_requester_and_others_who_may_not(by: Ref, said: str) -> None:
    refusal = refusal_to_answer(answering(), APPROVAL, by)
    assert (refusal is None) is (said == "")
    assert refusal is None or said in refusal.summary


def test_an_approver_who_is_the_requester_by_another_spelling() -> None:
    assert refusal_to_answer(answering(), APPROVAL, Ref.parse("User:Default/OLGA")) is not None


def test_an_engineer_of_the_platform_does_not_approve_their_own_request_either() -> None:
    refusal = refusal_to_answer(answering(), replace(APPROVAL, requester=PETRA), PETRA)
    assert refusal is not None
    assert "asked for this" in refusal.summary


def test_whoever_wrote_a_change_does_not_approve_its_merge_by_somebody_else() -> None:
    merging = Request(OLAF, "rest", MergeChange(PLATFORM_REPOSITORY, 1, "1" * 40), NOW)
    run = Run("run_1", "change.merge", "change/platform/1", State.WAITING, merging)
    asked = replace(APPROVAL, requester=OLAF)
    assert refusal_to_answer(answering(run), asked, OLGA) is not None, "olga wrote the change"
    assert refusal_to_answer(answering(run), asked, PETRA) is None
    other = replace(run, request=replace(merging, intent=Deploy(Address("prod", "orders"))))
    assert refusal_to_answer(answering(other), asked, OLGA) is None


def merged_by_itself(world: Any) -> tuple[list[str], list[str]]:
    """The runs of a change that merges itself, and what was said on it."""
    said: list[str] = []
    asked: list[Request] = []

    def add(request: Request, *_: object, **__: object) -> tuple[Run, bool]:
        asked.append(request)
        return Run("run_9", "change.merge", "change/platform/1", State.SUCCEEDED, request), True

    world.changes.comment = lambda repository, number, author, text: said.append(text)
    world.runs = SimpleNamespace(asked=lambda *_: None, waiting=lambda _: 0, add=add, get=lambda _: None)
    return merge(world, world.changes.get(PLATFORM_REPOSITORY, 1), OLGA), said


OWN = {"deployments/dev/orders.yaml": None}


def test_a_change_merges_itself_by_the_rights_of_its_author() -> None:
    assert merged_by_itself(world_with(OWN)) == (["run_9"], [])


def test_a_commit_that_somebody_else_laid_on_the_branch_is_not_carried_in_by_the_authors_rights() -> None:
    world = world_with(OWN)
    world.events.emit("change.updated", "change/platform/1", actor=str(DEV))
    runs, [said] = merged_by_itself(world)
    assert runs == []
    assert "user:dev may not change deployments/dev/orders.yaml" in said


def test_a_change_whose_pusher_was_forgotten_in_a_crash_waits_for_somebody() -> None:
    world = world_with(OWN)
    world.events.emit("change.updated", "change/platform/1", actor=str(SYSTEM))
    runs, [said] = merged_by_itself(world)
    assert runs == []
    assert "not known who pushed" in said
    assert "pave change merge platform/1" in said


@pytest.mark.parametrize("rule", ["keep-backups", "owner-must-exist"])
@pytest.mark.parametrize("actor", [OLGA, OLAF, PETRA, DEV, VERA, HELPER, Ref.parse("serviceaccount:ci")], ids=str)
def test_what_can_says_of_a_waiver_is_what_a_merge_meets(actor: Ref, rule: str) -> None:
    stranger = Ref.parse("user:stranger")
    world = world_with({PATH: waiver(rule, by=str(stranger))}, author=stranger)
    snapshot = world.snapshots.current()
    decision = decide(snapshot.people.standing(actor), Verb.WAIVE, named(snapshot, f"guardrail:{rule}"))
    assert isinstance(decision, Allowed) is (why_not(world, actor) == "")
