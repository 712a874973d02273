"""What a push means: main of a service is deployed, another branch becomes a change request.

Acting is level-triggered: the heads of a repository are compared with those that were acted on. So a push whose
end nobody saw, because the server died, is found by the reconciler, and a forge's webhook need not be trusted.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from pave.engine.delivery.checking import diagnostics
from pave.engine.forge.reviews import Said, branch_moved
from pave.engine.submit import submit
from pave.engine.world import World
from pave.model.diagnostics import Diagnostic, Forbidden, Refused, Unknown, error
from pave.model.names import Ref
from pave.ports import PLATFORM_REPOSITORY, Incoming, Push
from pave.request.access import SYSTEM, Denied, decide
from pave.request.intent import Deploy, Request
from pave.request.places import of_component
from pave.request.roles import Verb
from pave.verdict.evidence import CheckOutcome

MAIN = "main"
_PATIENCE = 60.0
_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_coming: defaultdict[str, list[float]] = defaultdict(list)
"""When the pushes began that are being taken in: whoever pushes is told of it, and nobody else acts on it meanwhile."""


class Pushes:
    """Implements `pave.ports.Receiver`: decides about a push, then acts on it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def before(self, push: Push, incoming: Incoming) -> Iterable[str]:
        """Refuse what must not come in: a push to the platform's main, a secret in a commit."""
        yield from self._looked_at(push, incoming)
        _coming[push.repository].append(time.monotonic())

    def _looked_at(self, push: Push, incoming: Incoming) -> Iterator[str]:
        for update in push.updates:
            if push.repository == PLATFORM_REPOSITORY and update.branch == MAIN:
                raise Forbidden(
                    error(
                        "main of the platform repository is written by Pave alone",
                        detail="Every change is planned and judged first.",
                        remedy="Push a branch: git push origin HEAD:my-change. It becomes a change request, "
                        "and merges itself where the verdict allows.",
                    )
                )
            if push.repository != PLATFORM_REPOSITORY and update.branch == self._default(push.repository):
                refused = _refusal(self._world, push.actor, Verb.CHANGE, push.repository)
                if refused is not None:
                    raise Forbidden(refused)
            if not update.new:
                continue
            result = self._world.checker.secrets_of_push(incoming, update.new, update.old)
            if result.outcome is CheckOutcome.FAILED:
                raise Refused(*diagnostics(result))
            if result.outcome is CheckOutcome.PASSED and push.repository != PLATFORM_REPOSITORY:
                self._world.evidence.put_check(push.repository, update.new, result)
            yield result.summary

    def _default(self, repository: str) -> str:
        return self._world.repositories.default_branch(repository)

    def after(self, push: Push) -> Iterable[str]:
        """Act on it, and tell what happens next."""
        branches = {one.branch for one in push.updates}
        try:
            said = process(self._world, push.repository, push.actor, push.options, branches)
        finally:
            if _coming[push.repository]:
                _coming[push.repository].pop(0)
        return [one.text for one in said]


def refusal_to(world: World, actor: Ref, repository: str, *, write: bool) -> Diagnostic | None:
    """Why `actor` may not read from, or push to, a repository; None where they may. Raises `Unknown`."""
    if repository != PLATFORM_REPOSITORY and repository not in world.repositories.names():
        raise Unknown(error(f"There is no repository {repository[:80]!r}", remedy="`pave new` makes one."))
    origin = world.repositories.origin(repository) if write and repository != PLATFORM_REPOSITORY else ""
    if origin:
        return error(f"{repository} is a mirror of {origin}", remedy="Push there; it is fetched from there.")
    return _refusal(world, actor, Verb.PROPOSE if write else Verb.READ, repository)


def _refusal(world: World, actor: Ref, verb: Verb, repository: str) -> Diagnostic | None:
    snapshot = world.snapshots.current()
    decision = decide(snapshot.people.standing(actor), verb, of_component(snapshot, repository))
    return decision.diagnostic() if isinstance(decision, Denied) else None


def _arriving(repository: str) -> bool:
    """Whether a push to a repository is being taken in; one whose end never came counts for a minute."""
    return any(time.monotonic() - began < _PATIENCE for began in list(_coming[repository]))


def process(
    world: World, repository: str, actor: Ref = SYSTEM, options: Sequence[str] = (), only: Collection[str] = ()
) -> list[Said]:
    """Act on every branch of a repository (or on those of `only`) that moved since it was looked at last.

    Returns what was done, in words.
    """
    with _locks[repository]:
        platform = repository == PLATFORM_REPOSITORY
        branches = world.platform.branches() if platform else world.repositories.branches(repository)
        if actor == SYSTEM and _arriving(repository):
            return []  # its own end acts on it, in the name of whoever pushes, and tells them
        seen = world.changes.seen(repository)
        said: list[Said] = []
        for branch in sorted({*branches, *seen}):
            head = branches.get(branch, "")
            if head == seen.get(branch, "") or (only and branch not in only):
                continue
            said += list(_moved(world, repository, branch, head, (actor, options)))
            world.changes.see(repository, branch, head)
        return said


def _moved(world: World, repository: str, branch: str, head: str, by: tuple[Ref, Sequence[str]]) -> Iterator[Said]:
    actor, options = by
    if repository == PLATFORM_REPOSITORY:
        if branch != MAIN:
            yield from branch_moved(world, repository, branch, head, actor)
    elif branch == world.repositories.default_branch(repository):
        yield from _deploy(world, repository, branch, head, actor)
    elif not world.repositories.origin(repository) or world.changes.of_branch(repository, branch):
        yield from branch_moved(world, repository, branch, head, actor, auto="merge" in options)


def _deploy(world: World, repository: str, branch: str, head: str, actor: Ref) -> Iterator[Said]:
    """A new head of the default branch goes to every environment that is fed from it."""
    snapshot = world.snapshots.current()
    stacks = [
        stack
        for stack, one in sorted(snapshot.deployments.items())
        if one.repository == repository
        and stack.environment in snapshot.environments
        and snapshot.environments[stack.environment].deploy.source == branch
    ]
    if head and not stacks and repository in {one.repository for one in snapshot.deployments.values()}:
        yield Said(f"No environment of {repository} is fed from {branch}.")
    for stack in stacks if head else ():
        deployment = snapshot.deployments[stack]
        if deployment.commit == head:
            continue
        if deployment.pin is not None:
            yield Said(f"{stack} is pinned ({deployment.pin}): `pave release {stack}` lets it go on.")
            continue
        intent = Deploy(stack, head, automatic=True)
        try:
            run = submit(world, Request(actor, "git", intent, world.clock.now(), f"push/{stack}/{head}"))
        except Refused as refused:
            yield Said(f"{stack} is not deployed: {refused}")
            continue
        said = f"Deploying {repository} {head[:7]} to {stack.environment}, follow: {world.link(run.id)}"
        yield Said(said, run.id)
