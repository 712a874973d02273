"""Is my commit live? One answer per environment, with the reason where it is not and what to do about it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from pave.apply.run import TERMINAL
from pave.engine.delivery.places import Place, Whereabouts, in_order
from pave.engine.delivery.platform_commits import places_of
from pave.engine.delivery.promoting import outcome, source_of
from pave.engine.delivery.signatures import signature_of
from pave.engine.world import World
from pave.model.deployment import Deployment
from pave.model.diagnostics import Unknown, error
from pave.model.environment import Environment
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.plan.promotion import NotYet
from pave.ports import PLATFORM_REPOSITORY, Commit, Delivery
from pave.request.intent import CheckChange, Deploy
from pave.verdict.evidence import SIGNATURE, CheckOutcome, SignatureState

_SHORTEST = 7
_SIGN = {
    **dict.fromkeys(
        SignatureState, "git commit --allow-empty -S -m 'Sign what is here', with gpg.format=ssh; then push"
    ),
    SignatureState.UNKNOWN_KEY: "Have the key added to its User in the catalog, as annotation pave.dev/signing-keys",
}


def find(world: World, text: str, repository: str = "") -> tuple[str, str]:
    """The repository and the whole id of a commit. Raises `Unknown` where none, or more than one, has it."""
    if len(text) < _SHORTEST:
        raise Unknown(error(f"{text!r} is too short for a commit", remedy=f"Give at least {_SHORTEST} digits."))
    found = []
    if repository in ("", PLATFORM_REPOSITORY):
        with suppress(Unknown):
            found.append((PLATFORM_REPOSITORY, world.platform.find(text).id))
    services = [repository] if repository else world.repositories.names()
    for name in services if repository != PLATFORM_REPOSITORY else ():
        try:
            found.append((name, world.repositories.resolve(name, text).id))
        except Unknown:
            continue
    if len(found) != 1:
        where = ", ".join(name for name, _ in found)
        summary = f"{text} is in {where}" if found else f"No repository here has the commit {text!r}"
        remedy = "Say which with --repository." if found else "Push it first: git push."
        raise Unknown(error(summary, remedy=remedy))
    return found[0]


def where(world: World, text: str, repository: str = "") -> Whereabouts:
    """Where a commit is. Raises `Unknown`."""
    name, commit = find(world, text, repository)
    if name == PLATFORM_REPOSITORY:
        changed = world.platform.find(commit)
        return Whereabouts(name, commit, _title(changed), changed.author, changed.at, places_of(world, changed))
    said = world.repositories.resolve(name, commit)
    snapshot = world.snapshots.current()
    stacks = {stack for stack, one in snapshot.deployments.items() if one.repository == name}
    names = in_order(snapshot, {stack.environment for stack in stacks})
    components = {stack.component for stack in stacks} or {name}
    places = tuple(
        _place(world, snapshot, Address(environment, component), name, commit)
        for environment in names
        for component in sorted(components)
    )
    return Whereabouts(name, commit, _title(said), said.author, said.at, places)


def _title(commit: Commit) -> str:
    return (commit.message.strip().splitlines() or [""])[0]


def _place(world: World, snapshot: Snapshot, stack: Address, repository: str, commit: str) -> Place:
    environment = snapshot.environments[stack.environment]
    there, record = snapshot.deployments.get(stack), world.stacks.get(stack)
    live = record.commit if record else ""
    here = Place(
        stack.environment,
        "absent" if there is None else "waiting",
        live_commit=live,
        since=record.applied_at if record else None,
        url=next(iter(record.urls.values()), "") if record else "",
        run=record.run if record else "",
    )
    contained = bool(live) and world.repositories.contains(repository, commit, live)
    if there is not None and there.rollout is not None and there.commit == commit:
        return replace(here, state="arriving", reason=f"it gets {there.rollout.weight} % of the requests")
    if contained and record is not None and record.phase == "live":
        reason = "" if live == commit else f"{live[:7]}, which runs there, contains it"
        return replace(here, state="included" if reason else "live", reason=reason)
    delivered = world.deliveries.find(stack=stack, commit=commit, limit=1)
    run = _under_way(world, stack, commit)
    if run:
        return replace(here, state="arriving", reason=f"run {run} is on it", remedy=f"pave run {run}", run=run)
    failed = _failed(delivered[0]) if delivered else None
    if failed is not None:
        return replace(here, state="failed", reason=failed[0], remedy=failed[1], run=delivered[0].run)
    reason, remedy = _why_not(world, snapshot, stack, environment, (there, repository, commit))
    return replace(here, reason=reason, remedy=remedy)


def _failed(one: Delivery) -> tuple[str, str] | None:
    if one.outcome not in ("failed", "rolled-back"):
        return None
    how = "it was rolled back" if one.outcome == "rolled-back" else "its deployment failed"
    return f"{how}: {one.reason}" if one.reason else how, f"pave run {one.run}"


def _under_way(world: World, stack: Address, commit: str) -> str:
    for run in world.runs.find(subject=str(stack), limit=20):
        intent = run.request.intent
        if run.state not in TERMINAL and isinstance(intent, Deploy) and intent.revision == commit:
            return run.id
    return ""


def _why_not(
    world: World,
    snapshot: Snapshot,
    stack: Address,
    environment: Environment,
    about: tuple[Deployment | None, str, str],
) -> tuple[str, str]:
    there, repository, commit = about
    checks = world.evidence.checks(repository, commit)
    failed = [one for one in checks if one.outcome is CheckOutcome.FAILED and one.name != SIGNATURE]
    if failed:
        summary = "; ".join(f"{one.name}: {one.summary}" for one in failed)
        return f"its checks failed: {summary}", f"pave checks {repository} {commit[:12]}"
    if environment.deploy.signature == "required":
        signature = signature_of(world, repository, commit)
        if not signature.ok:
            return f"{environment.name} requires signed commits, and it is {signature.reason}", _SIGN[signature.state]
    source = source_of(snapshot, stack)
    if source is not None:
        return _not_promoted(world, snapshot, stack, source, commit)
    if there is not None and there.pin is not None:
        return f"pinned: {there.pin}", f"pave release {stack}"
    default = world.repositories.default_branch(repository)
    head = world.repositories.branches(repository).get(default, "")
    if not world.repositories.contains(repository, commit, head):
        return _only_on_a_branch(world, repository, commit, default)
    if there is None:
        return f"{stack.component} is not deployed there", f"pave deploy {stack}"
    return f"{environment.name} runs {there.commit[:7]}", f"pave deploy {stack} --revision {commit[:12]}"


def _not_promoted(world: World, snapshot: Snapshot, stack: Address, source: Address, commit: str) -> tuple[str, str]:
    before = world.stacks.get(source)
    if before is None or before.commit != commit:
        return f"it has to be live in {source.environment} first", ""
    found = outcome(world, snapshot, stack)
    if isinstance(found, NotYet):
        return found.reason, found.remedy
    if stack not in snapshot.deployments:
        return "nobody has promoted it yet; later versions follow by themselves", f"pave promote {stack}"
    return "its promotion is about to begin", f"pave promote {stack}"


def _only_on_a_branch(world: World, repository: str, commit: str, default: str) -> tuple[str, str]:
    for change in world.changes.find(repository=repository, state="open"):
        if world.repositories.contains(repository, commit, change.head):
            return f"it is only in the change request {change.id}", f"pave change merge {change.id}"
    for run in world.runs.find(limit=50):
        intent = run.request.intent
        if isinstance(intent, CheckChange) and intent.commit == commit and run.state not in TERMINAL:
            return "it is being checked", f"pave run {run.id}"
    return f"it is not on {default}", f"Merge its branch into {default}."
