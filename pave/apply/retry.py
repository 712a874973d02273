"""Errors that decide what happens next. An adapter raises one; the worker never guesses.

Modelled on Flux's error taxonomy: a terminal failure waits for a new commit, a waiting one for its
dependency, a transient one backs off.
"""

from __future__ import annotations

from pave.model.diagnostics import Diagnostic


class ApplyError(Exception):
    """Something could not be carried out; the diagnostic says what, where and what to do."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        self.diagnostic = diagnostic
        super().__init__(str(diagnostic))


class Terminal(ApplyError):
    """Trying again the same way is pointless: a new commit or a person is needed."""


class Waiting(ApplyError):
    """Something else must be there first; tried again when it may be."""


class Transient(ApplyError):
    """The world was not ready: tried again with exponential back-off, and not before `seconds` are over."""

    def __init__(self, diagnostic: Diagnostic, seconds: float = 0.0) -> None:
        self.seconds = seconds
        super().__init__(diagnostic)


class Stale(ApplyError):
    """What the plan was bound to has moved: planned and judged again, never applied blind."""


class Moved(Stale):
    """Somebody else changed the same file in Git meanwhile."""


class Later(Exception):
    """Nothing is wrong, it is only not time yet: the run goes on in `seconds`, and holds nobody up until then."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(f"in {seconds:.1f} s")


class Cancelled(ApplyError):
    """Stopped because somebody asked."""


FIRST_DELAY = 0.75
LONGEST_DELAY = 15 * 60.0
MOST_ATTEMPTS = 6


def delay(attempt: int) -> float:
    """Seconds to wait before attempt `attempt` (counted from 1): 0.75 s, doubled each time, at most 15 min."""
    return float(min(FIRST_DELAY * 2 ** max(attempt - 1, 0), LONGEST_DELAY))
