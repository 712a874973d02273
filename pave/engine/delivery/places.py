"""Where a commit is, as values: one place per environment, or per stack of it, in the order of delivery."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pave.model.snapshot import Snapshot


@dataclass(frozen=True)
class Place:
    """A commit in one environment. `state` is live, included, arriving, failed, waiting, absent or unaffected.

    `stack` is set for a commit of the platform repository, which may reach several stacks of an environment.
    """

    environment: str
    state: str
    reason: str = ""
    remedy: str = ""
    live_commit: str = ""
    since: datetime | None = None
    url: str = ""
    run: str = ""
    stack: str = ""


@dataclass(frozen=True)
class Whereabouts:
    """Where one commit is."""

    repository: str
    commit: str
    title: str
    author: str
    committed_at: datetime
    places: tuple[Place, ...]


def in_order(snapshot: Snapshot, used: set[str]) -> list[str]:
    """Environments in the order in which a version goes through them; those made of others last, if it is there."""
    fed = {name: one for name, one in snapshot.environments.items() if one.deploy.source}

    def depth(name: str, seen: tuple[str, ...] = ()) -> int:
        one = snapshot.environments.get(name)
        if one is None or one.deploy.source not in snapshot.environments or name in seen:
            return 0
        return 1 + depth(one.deploy.source, (*seen, name))

    chain = sorted(fed, key=lambda name: (depth(name), name))
    return [*chain, *sorted(name for name in used if name not in fed and name in snapshot.environments)]
