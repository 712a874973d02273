"""A thousand deployments that never happened, recorded as real ones are: by the engine, in PostgreSQL and in Git.

Nothing here knows what is computed of them. Times are whole seconds, because Git knows no others.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pygit2
from sqlalchemy import Engine

from pave.adapters.git.objects import MAIN, init_repository, write_tree
from pave.adapters.git.services import GitRepositories
from pave.adapters.postgres.deliveries import PostgresDeliveries
from pave.adapters.postgres.events import PostgresEvents
from pave.apply.run import Run, State, Step, StepState
from pave.engine.delivery import delivering
from pave.engine.work import Work
from pave.model.deployment import Deployment
from pave.model.deployment_file import path_of, write_deployment
from pave.model.entity import Entity
from pave.model.environment import Deploy as Arrives
from pave.model.environment import Environment
from pave.model.names import Address, Ref
from pave.model.snapshot import Snapshot
from pave.request.intent import Deploy, Intent, Promote, Request, Rollback, kind_of

BEGAN = datetime(2026, 6, 1, 8, tzinfo=UTC)
TEAMS = {"orders": "payments", "refunds": "payments", "search": "shop", "basket": "shop", "mail": "platform"}
PRODUCTION = ("edge", "prod")
_PLATFORM = Ref("group", "default", "platform")
_ENVIRONMENTS = {
    "dev": Environment("dev", "development", _PLATFORM, deploy=Arrives(source="main")),
    "prod": Environment("prod", "production", _PLATFORM, deploy=Arrives(source="dev")),
    "edge": Environment("edge", "production", _PLATFORM, deploy=Arrives(source="main")),
}


@dataclass
class Clock:
    """The simulated time."""

    at: datetime = BEGAN

    def now(self) -> datetime:
        """What it shows."""
        return self.at

    def go(self, chance: random.Random, least: int, most: int) -> datetime:
        """Let some seconds pass."""
        self.at += timedelta(seconds=chance.randint(least, most))
        return self.at


@dataclass
class Simulation:
    """What was made: the world that the operation is asked in, and where Git lies."""

    world: Any
    platform: Path
    repositories: Path
    chance: random.Random
    clock: Clock
    runs: dict[str, Any] = field(default_factory=dict)
    deployments: dict[Address, Deployment] = field(default_factory=dict)
    earlier: dict[Address, list[Deployment]] = field(default_factory=dict)
    open: dict[Address, Run] = field(default_factory=dict)
    count: int = 0

    def snapshot(self) -> Snapshot:
        """The platform repository as it is."""
        entities = {
            (ref := Ref("component", "default", name)): Entity(
                ref, "Component", "backstage.io/v1alpha1", {"name": name}, {"owner": f"group:{team}"}
            )
            for name, team in TEAMS.items()
        }
        known = dict(self.deployments)
        return Snapshot("now", environments=_ENVIRONMENTS, deployments=known, entities=entities)


def simulate(folder: Path, records: Engine, count: int, seed: int) -> Simulation:
    """Have `count` deployments, of five components in three environments; the same for the same seed."""
    chance, clock = random.Random(seed), Clock()
    world = SimpleNamespace(
        clock=clock,
        deliveries=PostgresDeliveries(records),
        events=PostgresEvents(records),
        repositories=GitRepositories(folder / "repositories"),
    )
    made = Simulation(world, folder / "platform.git", folder / "repositories", chance, clock)
    world.snapshots = SimpleNamespace(current=made.snapshot)
    world.runs = made.runs
    init_repository(made.platform)
    for name in TEAMS:
        init_repository(made.repositories / f"{name}.git")
        _commits(made, name)
    stacks = [Address(environment, name) for environment in _ENVIRONMENTS for name in TEAMS]
    while made.count < count:
        clock.go(chance, 60, 4 * 3600)
        for intent, version in _wanted(made, chance.choice(stacks)):
            _deliver(made, intent, version)
    clock.go(chance, 3600, 7200)
    return made


def _wanted(made: Simulation, stack: Address) -> Iterator[tuple[Any, Deployment]]:
    """What somebody, or nobody, asks for next."""
    now, before = made.deployments.get(stack), made.earlier.get(stack, [])
    if now is not None and before and made.chance.random() < 0.12:
        yield Rollback(stack, reason="by hand"), before[-1]
        return
    if stack.environment == "prod":
        source = made.deployments.get(Address("dev", stack.component))
        if source is not None and (now is None or source.commit != now.commit):
            yield Promote(stack), replace(source, address=stack)
        return
    commit = _commits(made, stack.component)
    yield Deploy(stack, commit, automatic=True), _version(stack, commit)


def _version(stack: Address, commit: str) -> Deployment:
    component = Ref("component", "default", stack.component)
    return Deployment(stack, component, stack.component, commit, f"sha256:{commit}")


def _deliver(made: Simulation, intent: Any, version: Deployment) -> None:
    """One run, from asking to whatever becomes of it; a failure may be answered by the way back."""
    chance, stack = made.chance, version.address
    old = made.deployments.get(stack)
    if old is not None and old.commit == version.commit:
        return  # nothing would be delivered
    made.count += 1
    run = Run(
        f"run_{made.count:05d}",
        kind_of(intent),
        str(stack),
        State.RUNNING,
        Request(Ref("user", "default", "sam"), "git", intent, made.clock.at),
        created_at=made.clock.at,
    )
    _say(made, "run.created", run, kind=run.kind)
    made.runs[run.id] = replace(run, started_at=made.clock.go(chance, 0, 60))
    work = Work(made.world, made.runs[run.id], steps=_steps(made, intent))
    made.clock.go(chance, 1, 30)
    before = made.snapshot()
    if old is not None and not isinstance(intent, Rollback):
        made.earlier.setdefault(stack, []).append(old)
    made.deployments[stack] = version
    _record(made, run, version)
    delivering.recorded(work, before, made.snapshot())
    if chance.random() < 0.08:
        return  # still on its way when the next one comes
    made.clock.go(chance, 1, 900)
    _end(made, work, stack, intent)


def _end(made: Simulation, work: Work, stack: Address, intent: Intent) -> None:
    luck = made.chance.random()
    if luck < 0.72:
        delivering.lived(work, stack)
        _say(made, "run.finished", work.run, state="succeeded")
    elif luck < 0.94:
        delivering.broke(work, stack, "it does not answer")
        _say(made, "run.finished", work.run, state="failed")
        back = made.earlier.get(stack, [])
        if back and not isinstance(intent, Rollback) and made.chance.random() < 0.6:
            made.clock.go(made.chance, 1, 20)
            _deliver(made, Rollback(stack, reason="it does not answer", automatic=True), back[-1])
    else:
        delivering.cancelled(work, stack)
        _say(made, "run.finished", work.run, state="cancelled")


def _steps(made: Simulation, intent: Intent) -> dict[tuple[str, str], Step]:
    if not isinstance(intent, Deploy):
        return {}
    return {
        (name, ""): Step(name, "", StepState.DONE, finished_at=made.clock.go(made.chance, 1, 120))
        for name in ("check", "build")
    }


def _say(made: Simulation, type_: str, run: Run, **data: str) -> None:
    at = made.clock.at.isoformat()
    made.world.events.emit(type_, run.subject, run=run.id, actor=str(run.request.actor), happened=at, **data)


def _record(made: Simulation, run: Run, version: Deployment) -> None:
    message = f"{run.kind} {run.subject}\n\nPave-Actor: {run.request.actor}\nPave-Change: {run.id}\n"
    _commit(made.platform, {path_of(version.address): write_deployment(version)}, message, made.clock.at)


def _commits(made: Simulation, component: str) -> str:
    """One to three commits whose clocks are their authors': some run behind, some backwards, some ahead."""
    found = ""
    for number in range(made.chance.randint(1, 3)):
        wrong = (
            made.chance.randint(-3 * 86400, 3 * 86400) if made.chance.random() < 0.3 else -made.chance.randint(0, 7200)
        )
        data = f"{made.count} {number} {made.chance.random()}\n".encode()
        at = made.clock.at + timedelta(seconds=wrong)
        found = _commit(made.repositories / f"{component}.git", {"app.txt": data}, "Change it\n", at)
    return found


def _commit(path: Path, edits: dict[str, bytes], message: str, at: datetime) -> str:
    repository = pygit2.Repository(str(path))
    parents = [] if repository.head_is_unborn else [repository.references[MAIN].target]
    base: Any = repository[parents[0]] if parents else None
    tree = write_tree(repository, base.tree if base else None, edits)
    who = pygit2.Signature("Sam", "sam@example.com", int(at.timestamp()), 0)
    return str(repository.create_commit(MAIN, who, who, message, tree, parents))
