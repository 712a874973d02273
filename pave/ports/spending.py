"""The records about money: what runs have reserved of budgets, and what was charged or is to be expected."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from pave.apply.run import Run
from pave.observe.charges import Charge, Sample


@dataclass(frozen=True)
class Reserved:
    """What other runs have reserved of a budget, and up to which reservation (`version`) that was looked at."""

    amount: Decimal = Decimal(0)
    version: int = 0


@dataclass(frozen=True)
class Wish:
    """What a run would add to a budget a month with a stack, decided by what was there at `version`."""

    scope: str
    stack: str
    amount: Decimal
    currency: str
    version: int


class Budgets(Protocol):
    """Reservations. They end in a transaction with the run's row and epoch.

    Settled are those of a stack with the step that says it is applied (`Runs.journal`), and all with the run's success;
    released are the others with its end (`Runs.move`, `Runs.ask_cancel`).
    """

    def look(self, scopes: Collection[str], run: str = "") -> Mapping[str, Reserved]:
        """What runs other than `run` have reserved of each."""

    def reserve(self, run: Run, wishes: Sequence[Wish]) -> bool:
        """Reserve all of it in place of what the run had reserved, or nothing; fenced by the run's epoch.

        False where somebody else has reserved something of one of them since it was looked at: look again.
        """

    def forget(self, before: datetime) -> int:
        """Forget what ended earlier; how many there were."""


class Charges(Protocol):
    """What was charged, and what is expected: one row a resource, SKU and charge period."""

    def meter(self, samples: Sequence[Sample], hour: datetime) -> int:
        """Count the hour that begins at `hour` for what is there; how many hours were new.

        What was there when it was counted last too is counted for the hours between as well. Asked twice, or for an
        hour before the last one, it counts nothing twice.
        """

    def put(self, rows: Sequence[Charge]) -> int:
        """Keep rows, each in place of the one of the same key; how many there are."""

    def find(
        self, since: datetime, until: datetime, scenarios: Collection[str] = (), resource: str = ""
    ) -> Sequence[Charge]:
        """Rows whose period begins from `since` on and before `until`, by resource, SKU and period."""
