"""Infrastructure as code as the engine sees it: plans that are values, and the state behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from pave.model.names import Address
from pave.plan.terraform import RootModule
from pave.ports.effects import Cancel, Report


@dataclass(frozen=True)
class EngineChange:
    """What the engine would do to one of its own resources. `call` is the module call it belongs to."""

    call: str
    address: str
    actions: tuple[str, ...]
    attributes: tuple[str, ...] = ()
    drifted: bool = False


@dataclass(frozen=True)
class EnginePlan:
    """An engine's saved plan. `file` may hold secrets: it is stored encrypted and never shown.

    `resources` are its changes with their values, as `Plan.resources` has them; they are stored encrypted too.
    """

    file: bytes
    digest: str
    serial: int
    changes: tuple[EngineChange, ...]
    resources: tuple[Mapping[str, Any], ...] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Applied:
    """What an apply left behind: `outputs` per module call (may hold secrets) and the new state serial."""

    outputs: Mapping[str, Mapping[str, Any]]
    serial: int


class Engine(Protocol):
    """Infrastructure as code: plans and applies root modules. State is kept by the engine's own backend."""

    def plan(self, stack: Address, root: RootModule, cancel: Cancel) -> EnginePlan:
        """Refresh, compare, save. Changes nothing."""

    def apply(self, stack: Address, root: RootModule, plan: EnginePlan, report: Report, cancel: Cancel) -> Applied:
        """Carry out exactly `plan`. Raises `apply.retry.Stale` where the state moved since."""

    def serial(self, stack: Address) -> int:
        """The state's serial; 0 where there is none."""

    def outputs(self, stack: Address) -> Mapping[str, Mapping[str, Any]]:
        """The outputs per module call as last applied; they may hold secrets."""

    def forget(self, stack: Address) -> None:
        """Remove the working copy and the empty state of a stack that is gone."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: a run, and its fencing epoch. The same name with a higher epoch takes over at once."""

    name: str
    epoch: int = 0


@dataclass(frozen=True)
class StateLock:
    """A lock on a stack's engine state. `info` is the engine's own JSON about it, with its `ID`."""

    stack: Address
    id: str
    holder: Holder
    until: datetime
    info: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StateVersion:
    """One kept version of a stack's engine state."""

    serial: int
    at: datetime
    size: int


class States(Protocol):
    """Engine state: versioned, sealed, locked with a lease. A lock whose holder died frees itself."""

    def read(self, stack: Address, serial: int | None = None) -> bytes | None:
        """The newest state, or the one with `serial`; None where there is none."""

    def write(self, stack: Address, body: bytes, lock: str, holder: Holder) -> None:
        """Keep a new version. Raises `Stale` unless `holder` has the lock with that id and the serial does not fall."""

    def serial(self, stack: Address) -> int:
        """The newest state's serial; 0 where there is none."""

    def versions(self, stack: Address, limit: int = 50) -> Sequence[StateVersion]:
        """The kept versions, newest first."""

    def delete(self, stack: Address) -> None:
        """Ensure that there is no state. Raises `Refused` where the newest one still has resources."""

    def lock(self, stack: Address, info: Mapping[str, Any], holder: Holder, seconds: float) -> StateLock | None:
        """Take the lock for `seconds`. None once it is ours, else the lock that stands in the way."""

    def renew(self, stack: Address, holder: Holder, seconds: float) -> bool:
        """Hold it longer; False where somebody else has it now. Not being locked at all is fine."""

    def unlock(self, stack: Address, lock: str = "", holder: Holder | None = None) -> None:
        """Ensure that no lock is left with that id, of that holder, or (neither given) at all."""

    def locks(self) -> Sequence[StateLock]:
        """Every lock whose lease runs, sorted by stack."""

    def free(self, holder_prefix: str) -> int:
        """Drop the locks of holders that are known to be dead; how many."""
