"""Drift: whether what Git wants, what was applied and what is live are still the same, and if not, why."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cause:
    """Why a stack is to be converged. `word` is commit, removal or drift; `key` makes asking twice once."""

    word: str
    reason: str
    key: str


REMOVAL = "removal"
"""What stands for the failed inputs of a stack whose removal failed: there are no inputs then."""


def due(wanted: str, applied: str, failed: str) -> Cause | None:
    """Compare change detectors: of what Git wants, of what was applied last, and of what failed last.

    What failed is not tried again by itself: only other inputs are. An empty `wanted` means that Git
    does not have the stack any more.
    """
    if wanted == applied and wanted and failed not in ("", wanted):
        return Cause("commit", "Git went back to what was applied, and what failed may have left something", wanted)
    if wanted:
        return None if wanted in (applied, failed) else Cause("commit", "Git wants something else", wanted)
    if failed == REMOVAL or not (applied or failed):
        return None
    return Cause("removal", "Git does not have it any more", applied or failed)
