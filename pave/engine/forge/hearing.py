"""What an outside forge tells, and what follows: a webhook only makes Pave fetch, and look at what it has fetched.

The heads decide what is deployed and checked, as with a push; of a pull request the forge's word is taken only for
that it is there and what it is called. Its branch is the one that was fetched, and that it was merged is true when its
commit is on the target.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pave.apply.retry import ApplyError, Transient, delay
from pave.engine.forge import reviews, telling
from pave.engine.forge.pushes import process
from pave.engine.world import World
from pave.model.diagnostics import Refused, Unknown, error
from pave.model.names import Ref, suggest_name
from pave.model.repository_url import same_repository
from pave.ports import Cancel, ChangeRequest, CommitStatus, ForgeEvent, Letter
from pave.request.access import SYSTEM

_GIVEN_UP = timedelta(days=3)
_PATIENT = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Heard:
    """What becomes of a webhook, in words; `new` says whether anything does."""

    text: str
    new: bool = False


def hear(world: World, forge: str, headers: Mapping[str, str], body: bytes) -> Heard:
    """Take a webhook in. Raises `Unsigned`, `Forbidden`, `Refused` as `Forge.receive`; `Unknown` for a stranger's."""
    event = world.forges[forge].receive(headers, body)
    if event is None:
        return Heard("Nothing to do: only pushes to branches and pull requests matter here.")
    repository = mirror_of(world, event.urls)
    # The name of a delivery is not signed. What is said of a pull request is never said twice in the same words.
    twin = "" if event.kind == "push" else hashlib.sha256(forge.encode() + b"\0" + body).hexdigest()
    if not world.post.take(repository, event, twin):
        return Heard("It was seen already; nothing to do.")
    if event.fork and event.kind in ("opened", "updated"):
        return Heard(f"{_NOT_OURS} Only the branches of {repository} are fetched.", new=True)
    return Heard(f"Pave fetches {repository} and does what follows from it.", new=True)


_NOT_OURS = "Not checked: it comes from a fork, and a stranger's code is not run."


def mirror_of(world: World, urls: Sequence[str]) -> str:
    """The repository that mirrors one of these addresses. Raises `Unknown`."""
    for name in world.repositories.names():
        origin = world.repositories.origin(name)
        if origin and any(same_repository(origin, one) for one in urls):
            return name
    raise Unknown(error("Pave does not mirror this repository", remedy="Bring it in with `pave import URL` first."))


def act(world: World, letters: Sequence[Letter], cancel: Cancel) -> None:
    """Fetch one repository once, and act on everything that was told of it. Never raises what can be told."""
    repository = letters[0].repository
    try:
        origin = world.repositories.origin(repository)
        if origin:
            world.repositories.mirror(repository, origin, cancel)
    except (Refused, ApplyError) as problem:
        if not cancel():
            for letter in letters:
                _not_now(world, letter, problem)
        return
    for letter in letters:
        try:
            _follow(world, letter)
        except (Refused, ApplyError) as problem:
            _not_now(world, letter, problem)
            continue
        world.post.handled(letter.id)
    try:
        process(world, repository)
    except Refused as refused:
        _log.warning("What was fetched of %s: %s", repository, refused)


def put_off(world: World, letters: Sequence[Letter], problem: Exception) -> None:
    """Try letters again later that met an error nobody expected; meanwhile others have their turn."""
    again = Transient(error(f"{type(problem).__name__}: the server's log has the whole story"))
    for letter in letters:
        _not_now(world, letter, again)


def _not_now(world: World, letter: Letter, problem: Refused | ApplyError) -> None:
    """Try it again later where that may help, else say why it is given up."""
    now = world.clock.now()
    if isinstance(problem, Transient) and now - (letter.received_at or now) < _GIVEN_UP:
        world.post.again(letter.id, now + timedelta(seconds=delay(letter.attempts + 1)), str(problem))
        return
    _log.warning("What %s told of %s: %s", letter.event.forge, letter.repository, problem)
    world.events.emit("forge.failed", f"repository/{letter.repository}", forge=letter.event.forge, problem=str(problem))
    world.post.handled(letter.id, str(problem))


def _follow(world: World, letter: Letter) -> None:
    match letter.event.kind:
        case "opened" | "updated":
            _opened(world, letter.repository, letter.event)
        case "merged":
            _merged(world, letter)
        case "closed":
            twin = _twin(world, letter.repository, letter.event)
            if twin is not None:
                reviews.close(world, twin)


def _opened(world: World, repository: str, event: ForgeEvent) -> None:
    """Open or refresh the change request of a pull request, and have it checked."""
    if event.fork:
        world.events.emit("forge.ignored", f"repository/{repository}", link=event.link, reason=_NOT_OURS)
        telling.want(world, repository, CommitStatus(event.commit, "error", _NOT_OURS, event.link, "pave/check"))
        return
    twin = _twin(world, repository, event)
    if twin is not None and (twin.state == "merged" or (twin.state == "closed" and event.kind == "updated")):
        return  # told late: it has ended since
    branches = world.repositories.branches(repository)
    head, target = branches.get(event.branch, ""), branches.get(event.target, "")
    there = world.changes.of_branch(repository, event.branch)
    if not head or not target or event.branch == world.repositories.default_branch(repository):
        return  # closed meanwhile; what remains to be told of it is on its way
    if there is not None and there.forge not in ("", event.link):
        raise Refused(error(f"{event.branch} has a pull request already", remedy=f"Close {there.forge} first."))
    if world.repositories.contains(repository, head, target):
        return
    wanted = ChangeRequest(
        repository, 0, event.branch, event.target, head, event.title[:200], _author(event), forge=event.link
    )
    change, new = world.changes.open(wanted)
    if not new:
        facts = {"forge": event.link, "target": event.target}
        change = world.changes.update(repository, change.number, **facts)
    if new or there is None or there.head != head:
        kind = "change.opened" if new else "change.updated"
        world.events.emit(kind, f"change/{change.id}", actor=str(change.author), head=head, forge=event.link)
    reviews.check(world, change, SYSTEM)
    world.changes.see(repository, event.branch, head)


def _merged(world: World, letter: Letter) -> None:
    """The forge has merged it: the change request is merged, and its preview goes. `process` deploys the target."""
    repository, event = letter.repository, letter.event
    change = _twin(world, repository, event)
    if change is None or change.state == "merged":
        return
    tip = world.repositories.branches(repository).get(change.target, "")
    if not world.repositories.contains(repository, event.commit, tip):
        if letter.attempts < _PATIENT:
            raise Transient(error(f"{event.link} was merged, and {change.target} does not have it yet"))
        world.changes.comment(
            repository,
            change.number,
            SYSTEM,
            f"{event.forge} says that it was merged; {change.target} does not have it.",
        )
        reviews.close(world, change)
        return
    reviews.merged(world, change, event.commit, _author(event))


def _twin(world: World, repository: str, event: ForgeEvent) -> ChangeRequest | None:
    """The newest change request of a pull request."""
    found = world.changes.find(repository=repository, limit=500)
    return next((one for one in found if one.forge == event.link), None)


def _author(event: ForgeEvent) -> Ref:
    """Who did it, at the forge: nobody of the catalog, whatever they are called there."""
    return Ref("user", event.forge, suggest_name(event.author) if event.author else "somebody")
