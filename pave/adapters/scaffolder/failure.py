"""What went wrong while a template was rendered, placed in its files."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace


@dataclass(frozen=True)
class Fault:
    """One reason: `file` and `line` in the template's folder, the `step` it happened in, the `path` in an input."""

    summary: str
    remedy: str = ""
    file: str = ""
    line: int = 0
    step: str = ""
    path: str = ""

    def as_data(self) -> dict[str, object]:
        """JSON form."""
        return asdict(self)


class Failed(Exception):
    """A template that cannot be rendered, with every reason found."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = faults
        super().__init__("; ".join(one.summary for one in faults))

    def at(self, step: str) -> Failed:
        """The same, said to have happened in a step."""
        return Failed(*(one if one.step else replace(one, step=step) for one in self.faults))


def failed(summary: str, remedy: str = "", **place: object) -> Failed:
    """A failure with one reason; `place` are the other parts of its fault."""
    return Failed(Fault(summary, remedy, **place))  # type: ignore[arg-type]
