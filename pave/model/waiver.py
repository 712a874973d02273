"""A waiver: an exception from one guardrail, for one place, by somebody, with a reason and an end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

from pave.model.names import Address, Ref

LONGEST = timedelta(days=366)


@dataclass(frozen=True)
class Waiver:
    """`scope` is an address or the beginning of one, with `*` for any part: `prod/orders/db`, `prod`, `*/orders`.

    `until` is the end, an aware UTC time; a day in the file means the end of that day.
    """

    name: str
    guardrail: str
    scope: str
    reason: str
    by: Ref
    until: datetime

    def covers(self, guardrail: str, address: Address) -> bool:
        """Whether it is about what this guardrail says of this address."""
        wanted, given = self.scope.split("/"), str(address).split("/")
        return (
            guardrail == self.guardrail
            and len(wanted) <= len(given)
            and all(fnmatchcase(part, pattern) for pattern, part in zip(wanted, given, strict=False))
        )
