"""Exceptions on their way in: whose guardrails a change waives, and who wrote it. A second person merges them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from pave.engine.world import World
from pave.model.diagnostics import Refused
from pave.model.names import Ref
from pave.model.snapshot import Snapshot
from pave.model.waiver import Waiver
from pave.model.waiver_file import read_waiver
from pave.ports import ChangeRequest

FOLDER = "waivers/"
_TOLD = ("change.opened", "change.updated")
_AT_ONCE = 500


@dataclass(frozen=True)
class Waived:
    """The waivers of a change: `owners` tells by path whose guardrail it is about, `granted` are those that excuse.

    A waiver that is taken away excuses nothing, so nobody profits. One that would be about a guardrail of another
    team than before, or that cannot be read, has no owner here: it is for the platform's own team.
    """

    owners: Mapping[str, Ref] = field(default_factory=dict)
    granted: frozenset[str] = frozenset()
    signers: Mapping[Ref, str] = field(default_factory=dict)


def waived_by(world: World, snapshot: Snapshot, edits: Mapping[str, bytes | None]) -> Waived:
    """What the edits of a change do to waivers."""
    tree = world.platform.tree(snapshot.commit)
    owners: dict[str, Ref] = {}
    signers: dict[Ref, str] = {}
    paths = [path for path in edits if path.startswith(FOLDER)]
    for path in paths:
        now, before = edits[path], tree.read(path)
        waivers = [_read(data, path) for data in (before, now) if data is not None]
        rules = [snapshot.guardrails.get(one.guardrail) if one else None for one in waivers]
        teams = {rule.owner if rule else None for rule in rules}
        if len(teams) == 1 and (owner := teams.pop()) is not None:
            owners[path] = owner
        if now is not None and waivers[-1] is not None:
            signers[waivers[-1].by] = f"answers for {path}"
    return Waived(owners, frozenset(path for path in paths if edits[path] is not None), signers)


def authors_of(world: World, change: ChangeRequest) -> dict[Ref, str]:
    """Everybody who pushed to the branch of a change request, and not only who opened it."""
    return dict.fromkeys([change.author, *_pushed(world, change)], "wrote it")


def _pushed(world: World, change: ChangeRequest) -> Iterator[Ref]:
    after = 0
    while events := world.events.read(after, subject=f"change/{change.id}", limit=_AT_ONCE):
        after = events[-1].id
        yield from (Ref.parse(one.actor, kind="user") for one in events if one.type in _TOLD and one.actor)


def _read(data: bytes, path: str) -> Waiver | None:
    try:
        return read_waiver(data, path)
    except Refused:
        return None
