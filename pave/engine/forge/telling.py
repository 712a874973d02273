"""Telling the forges how checks and deployments of their commits go.

Runs know nothing of it. What was recorded about them is read afterwards, up to a mark that is kept; what is to be
told lies in a table until the forge has taken it. So a forge that is down loses nothing and holds nobody up.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta

from pave.apply.retry import Transient, delay
from pave.apply.run import TERMINAL, Run, State
from pave.engine.world import World
from pave.model.diagnostics import Refused, Unknown
from pave.model.names import Address
from pave.ports import CommitStatus, Forge, Note
from pave.request.intent import CheckChange, Deploy, ImportComponent, Promote

_TOGETHER = 500
_DOUBT = timedelta(minutes=1)
_GIVEN_UP = timedelta(days=3)
_WORDS = {
    State.SUCCEEDED: ("success", "passed", "is live"),
    State.FAILED: ("failure", "failed", "failed"),
    State.DENIED: ("failure", "was denied by a guardrail", "was denied by a guardrail"),
    State.CANCELLED: ("error", "was cancelled", "was cancelled"),
}
_log = logging.getLogger(__name__)


def look(world: World) -> None:
    """Read what happened to runs since the last look, and note which statuses follow."""
    mark = world.post.mark()
    if mark is None:  # what was before the first forge is nobody's news
        world.post.set_mark(world.events.last())
        return
    while events := world.events.read(mark, limit=_TOGETHER):
        for run in dict.fromkeys(one.run for one in events if one.type in ("run.created", "run.finished")):
            try:
                note(world, run)
            except Exception:  # noqa: BLE001 — what is wrong with one run must not silence all others
                _log.exception("What is to be told of run %s is not known", run)
        mark = events[-1].id
        world.post.set_mark(mark)


def settle(world: World) -> None:
    """Look at runs again whose status has said pending for long: nobody may have said how they ended."""
    for one in world.post.pending(world.clock.now() - _DOUBT):
        run = world.runs.get(one.run)
        if run is None or run.state in TERMINAL:
            note(world, one.run)


def note(world: World, id_: str) -> None:
    """Note the statuses that a run comes to, as it is now."""
    run = world.runs.get(id_)
    if run is None:
        return
    for repository, status in statuses(world, run):
        want(world, repository, status, run.id)


def want(world: World, repository: str, status: CommitStatus, run: str = "") -> None:
    """Note one status, if there is a forge that may be told."""
    if _forge_of(world, repository) is not None:
        world.post.want(repository, status, run)


def statuses(world: World, run: Run) -> Iterator[tuple[str, CommitStatus]]:
    """What a run says about commits: one word for a check, one for each environment that it deploys to."""
    intent, link = run.request.intent, world.link(run.id)
    state, check, deployment = _WORDS.get(run.state, ("pending", "is running", "is on its way"))
    why = str((run.error or {}).get("summary", ""))
    because = f": {why}" if why and run.state is State.FAILED else ""
    if isinstance(intent, CheckChange):
        yield intent.repository, CommitStatus(intent.commit, state, f"The check {check}{because}", link, "pave/check")
        return
    if not isinstance(intent, Deploy | Promote | ImportComponent):
        return
    for stack, repository, commit in _commits(world, run):
        said = f"{stack} {deployment}{because}"
        yield repository, CommitStatus(commit, state, said, link, f"pave/{stack.environment}")


def _commits(world: World, run: Run) -> Iterator[tuple[Address, str, str]]:
    """Which commit of which repository a run brings where: from its record, else from what was asked for."""
    intent = run.request.intent
    found = [(one, world.deliveries.get(run.id, one)) for one in map(Address.parse, run.stacks)]
    recorded = [(stack, one.repository, one.commit) for stack, one in found if one is not None and one.commit]
    if not recorded and isinstance(intent, Deploy):
        deployed = world.snapshots.current().deployments.get(intent.stack)
        repository = (deployed.repository if deployed else "") or intent.stack.component
        try:
            commit = world.repositories.resolve(repository, intent.revision).id
        except Refused:
            return
        recorded = [(intent.stack, repository, commit)]
    yield from recorded


def tell(world: World) -> None:
    """Tell what is due. A forge that is down is left alone for the rest of the round."""
    down: set[str] = set()
    for one in world.post.notes(world.clock.now()):
        forge = _forge_of(world, one.repository)
        if forge is None:
            world.post.told(one, "It is at no forge that may be told")
        elif forge.name not in down and not _told(world, forge, one):
            down.add(forge.name)


def _told(world: World, forge: Forge, one: Note) -> bool:
    """Tell one status; whether the forge answers."""
    now = world.clock.now()
    try:
        forge.tell(world.repositories.origin(one.repository), one.status)
    except Transient as problem:
        if now - (one.updated_at or now) > _GIVEN_UP:
            _refused(world, forge, one, problem)
            return True
        wait = max(delay(one.attempts + 1), problem.seconds)
        world.post.retell(one, now + timedelta(seconds=wait), str(problem))
        return False
    except Refused as problem:
        _refused(world, forge, one, problem)
        return True
    except Exception as problem:  # noqa: BLE001 — one status must not hold all others up
        _log.exception("Telling %s of %s failed", forge.name, one.repository)
        world.post.retell(one, now + timedelta(seconds=delay(one.attempts + 1)), type(problem).__name__)
        return True
    world.post.told(one)
    return True


def _refused(world: World, forge: Forge, one: Note, problem: Exception) -> None:
    """A status that the forge does not take is said here, and nowhere else: it is no fault of the run."""
    _log.warning("%s does not take the status of %s of %s: %s", forge.name, one.status.commit, one.repository, problem)
    facts = {"forge": forge.name, "commit": one.status.commit, "problem": str(problem)}
    world.events.emit("forge.refused", f"repository/{one.repository}", run=one.run, **facts)
    world.post.told(one, str(problem))


def _forge_of(world: World, repository: str) -> Forge | None:
    """The forge that a repository is mirrored from, if it may be told."""
    try:
        origin = world.repositories.origin(repository)
    except Unknown:
        return None
    return next((one for one in world.forges.values() if origin and one.hosts(origin)), None)
