"""Metrics of a platform that measures nothing: every question is answered with no lines, so no alert fires."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from pave.observe.series import Line, Question, Sample


class Unmeasured:
    """Implements `pave.ports.Metrics`."""

    def write(self, at: datetime, source: str, samples: Iterable[Sample]) -> int:  # noqa: ARG002 — nothing is kept
        """Keep nothing."""
        return 0

    def ask(self, question: Question) -> Sequence[Line]:  # noqa: ARG002 — as above
        """No lines."""
        return ()

    def names(self, where: Mapping[str, str | tuple[str, ...]], since: datetime) -> Sequence[str]:  # noqa: ARG002
        """No metrics."""
        return ()

    def tidy(self, now: datetime) -> None:
        """Nothing is there to be folded."""
