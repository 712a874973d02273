"""Numbers drawn with letters."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from pave.cli.charts import amount, braille, resampled, sparkline
from pave.cli.observing import dashboard


def test_a_sparkline_has_gaps_where_nothing_was_measured() -> None:
    assert sparkline([0.0, 4.0, None, 8.0], 4) == "▁▅ █"
    assert sparkline([0.0, 0.0], 2) == "▁▁"
    assert sparkline([], 3) == "   "


def test_no_spike_is_lost_on_little_room() -> None:
    values: list[float | None] = [0.0] * 1000
    values[777] = 5.0
    assert max(one or 0.0 for one in resampled(values, 20)) == 5.0


def test_braille_goes_from_the_bottom_to_the_top() -> None:
    rows = [row.plain for row in braille([[0.0, 0.0, 1.0, 1.0]], 2, 2, 1.0)]
    assert (rows[1][0], rows[0][0]) == ("⣀", " ")
    assert rows[0][1] == "⡏"
    assert all(row.plain == "  " for row in braille([[None, None]], 2, 2, 1.0))


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (None, "", "–"),
        (0.0123, "seconds", "12.3 ms"),
        (3.0, "seconds", "3 s"),
        (600.0, "seconds", "10 min"),
        (0.999, "share", "99.9 %"),
        (1.0, "share", "100 %"),
        (66211840, "bytes", "63.1 MB"),
        (1234567, "", "1.23M"),
        (0.25, "requests/s", "0.25"),
    ],
)
def test_amounts_are_read_at_a_glance(value: float | None, unit: str, shown: str) -> None:
    assert amount(value, unit) == shown


def chart(title: str, **parts: Any) -> dict[str, Any]:
    line = {"labels": {"code": "2xx"}, "aggregation": "rate", "last": 3.0, "values": [1.0, None, 3.0]}
    return {
        "title": title,
        "unit": "requests/s",
        "metric": "m",
        "by": ["code"],
        "lines": [line],
        "problem": "",
        **parts,
    }


@pytest.mark.parametrize("width", [60, 100, 160])
def test_a_dashboard_fits_the_terminal_and_marks_what_happened(width: int) -> None:
    data = {
        "title": "orders in dev",
        "since": "2026-03-02T11:00:00Z",
        "until": "2026-03-02T12:00:00Z",
        "step": 1200.0,
        "charts": [
            chart("Requests"),
            chart("Broken", lines=[], problem="m is no counter"),
            chart("Silent", lines=[]),
            chart("Last"),
        ],
        "marks": [{"at": "2026-03-02T11:30:00Z", "kind": "deployment", "text": "abc live", "run": "run_1"}],
    }
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(dashboard(data, width))
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert text.count("▲") == 3
    assert "abc live" in text
    assert "m is no counter" in text
    assert "Nothing was measured for: Silent." in text
    assert ("Requests" in lines[2] and "Broken" in lines[2]) == (width >= 120)
