"""How guardrails do: how often each found something in the last 30 days, and how often a changed one would have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pave.engine.world import World
from pave.model.diagnostics import Refused
from pave.model.guardrail import Guardrail
from pave.model.names import Address
from pave.model.snapshot import Snapshot
from pave.ports import Judgement
from pave.verdict.guardrail import BROKEN, Subject, compile_all

WINDOW = timedelta(days=30)
MOST_PLACES = 10


@dataclass(frozen=True)
class Tried:
    """A rule on what was judged lately: of `judged` changes it would have found something in `fired`."""

    guardrail: str
    judged: int
    fired: int
    places: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """In one sentence."""
        if not self.judged:
            return f"{self.guardrail}: nothing was judged in the last {WINDOW.days} days that it could be tried on."
        times = f"{self.fired} of {self.judged} changes"
        where = f": {', '.join(self.places)}" if self.places else ""
        return f"{self.guardrail} would have fired on {times} of the last {WINDOW.days} days{where}."


def lately(world: World) -> Sequence[Judgement]:
    """What was judged in the last 30 days."""
    return world.judgements.since(world.clock.now() - WINDOW)


def tried(rule: Guardrail, judgements: Iterable[Judgement]) -> Tried:
    """A rule asked about every change that was judged in `judgements`."""
    (compiled,) = compile_all([rule])
    judged, places = 0, list[str]()
    for judgement in judgements:
        for data in judgement.subjects:
            subject = subject_of(data)
            if subject is None:
                continue
            judged += 1
            finding = compiled.ask(subject)
            # What was kept before a field was known cannot be judged by it.
            if finding is not None and (finding.guardrail != BROKEN or compiled.program is None):
                places.append(str(subject.address))
    return Tried(rule.name, judged, len(places), tuple(dict.fromkeys(places))[:MOST_PLACES])


def changed(base: Snapshot, after: Snapshot) -> tuple[Guardrail, ...]:
    """The guardrails that are new or other than before."""
    return tuple(one for name, one in sorted(after.guardrails.items()) if base.guardrails.get(name) != one)


def subject_of(data: object) -> Subject | None:
    """The subject of what was kept; None where that has not its shape."""
    if not isinstance(data, dict):
        return None
    try:
        return Subject(Address.parse(str(data["change"]["address"])), data)
    except (KeyError, TypeError, Refused):
        return None
