"""Drawing numbers with letters: sparklines of one row, and charts of braille dots, eight to a cell."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

Values = Sequence[float | None]

_BARS = "▁▂▃▄▅▆▇█"
_DOTS = ((0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08))
"""The bits of a braille cell, by column and then from the bottom up. Source: Unicode 16, block U+2800."""
COLOURS = ("cyan", "yellow", "magenta", "green", "blue", "red", "bright_cyan", "bright_yellow")


def resampled(values: Values, width: int) -> list[float | None]:
    """The values on `width` places: the highest of those that fall together, so that no spike is lost."""
    if len(values) <= width:
        return [values[at * len(values) // width] for at in range(width)] if values else [None] * width
    found: list[float | None] = []
    for at in range(width):
        part = [one for one in values[at * len(values) // width : (at + 1) * len(values) // width] if one is not None]
        found.append(max(part) if part else None)
    return found


def sparkline(values: Values, width: int) -> str:
    """One row of bars from nothing up to the highest; a gap where nothing was measured."""
    shown = resampled(values, width)
    high = max((one for one in shown if one is not None), default=0.0)
    return "".join(" " if one is None else _BARS[min(int(one / high * 8), 7) if high > 0 else 0] for one in shown)


def braille(lines: Sequence[Values], width: int, height: int, high: float) -> list[Text]:
    """Lines over each other, from 0 at the bottom to `high` at the top; each in its colour, the later in front."""
    cells = [[0] * width for _ in range(height)]
    colours = [[""] * width for _ in range(height)]
    for number, line in enumerate(lines):
        before: int | None = None
        for column, value in enumerate(resampled(line, width * 2)):
            if value is None:
                before = None
                continue
            level = round(min(max(value / high, 0.0), 1.0) * (height * 4 - 1)) if high > 0 else 0
            begin, end = sorted((level, level if before is None else before))
            for dot in range(begin, end + 1):
                row = height - 1 - dot // 4
                cells[row][column // 2] |= _DOTS[column % 2][dot % 4]
                colours[row][column // 2] = COLOURS[number % len(COLOURS)]
            before = level
    return [
        Text.assemble(*((chr(0x2800 + cell) if cell else " ", colour) for cell, colour in zip(row, tints, strict=True)))
        for row, tints in zip(cells, colours, strict=True)
    ]


def amount(value: float | None, unit: str = "") -> str:
    """A number as people read it: 1.2k, 340 MB, 12 ms, 99.9 %."""
    if value is None:
        return "–"
    if unit == "share":
        return f"{value * 100:.3g} %" if value < 0.9995 else "100 %"
    if unit == "seconds":
        return (
            f"{value * 1000:.3g} ms" if 0 < value < 1 else f"{value:.3g} s" if value < 120 else f"{value / 60:.0f} min"
        )
    factor, names = (
        (1024.0, ("B", "KB", "MB", "GB", "TB")) if unit.startswith("bytes") else (1000.0, ("", "k", "M", "G", "T"))
    )
    size, at = abs(value), 0
    while size >= factor * 0.9995 and at < len(names) - 1:
        size, at = size / factor, at + 1
    text = f"{size:.0f}" if size >= 100 or size == int(size) else f"{size:.3g}"
    return f"{'-' if value < 0 else ''}{text}{' ' if unit.startswith('bytes') else ''}{names[at]}"
