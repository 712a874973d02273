"""Conditions in CEL, compiled: the one place that knows the language, for every rule that is written in it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pave.verdict.bounds import unbounded


@lru_cache(maxsize=4096)
def condition(text: str) -> tuple[Any, str]:
    """A condition compiled, or None and why it cannot be, as the end of a sentence."""
    import cel  # noqa: PLC0415 — it loads its own command line, 0.1 s that no other command should wait for

    if why := unbounded(text):
        return None, why
    try:
        return cel.compile(text), ""
    except Exception as problem:  # noqa: BLE001 — whatever is wrong with it, it cannot be asked
        return None, first_line(problem)


def first_line(problem: BaseException) -> str:
    """What an error of the language says, in one line."""
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0].rstrip(".")
