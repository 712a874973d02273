"""Amounts as people write them: `512Mi`, `10m`, `7d`.

Units are in the value, so a number alone is refused: nobody should have to guess what it counts.
"""

from __future__ import annotations

import re

from pave.model.diagnostics import Refused, error

_BYTES = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def size(text: str, name: str, least: str, most: str) -> int:
    """Bytes in `512Mi` (Ki, Mi, Gi, k, M, G). Raises `Refused` outside `least`…`most`, naming the input."""
    return _within(text, name, _BYTES, (least, most), "a size such as 64Mi")


def duration(text: str, name: str, least: str, most: str) -> int:
    """Seconds in `10m` (s, m, h, d). Raises `Refused` outside `least`…`most`, naming the input."""
    return _within(text, name, _SECONDS, (least, most), "a time such as 7d")


def size_text(amount: int) -> str:
    """Bytes as text, in the largest unit that is exact."""
    for unit in ("Gi", "Mi", "Ki"):
        if amount and amount % _BYTES[unit] == 0:
            return f"{amount // _BYTES[unit]}{unit}"
    return f"{amount / _BYTES['Ki']:g}Ki"


def duration_text(seconds: int) -> str:
    """Seconds as text, in the largest unit that is exact."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % _SECONDS[unit] == 0:
            return f"{seconds // _SECONDS[unit]}{unit}"
    return f"{seconds}s"


def _within(text: str, name: str, units: dict[str, int], limits: tuple[str, str], what: str) -> int:
    amount = _amount(text, units)
    least, most = limits
    if amount is None or not (_amount(least, units) or 0) <= amount <= (_amount(most, units) or 0):
        raise Refused(
            error(
                f"{name} is {text!r}, but must be {what}",
                detail=f"The least is {least}, the most {most}; units are {', '.join(units)}.",
                remedy=f"Give {name} an amount with its unit.",
                path=name,
            )
        )
    return amount


def _amount(text: str, units: dict[str, int]) -> int | None:
    match = re.fullmatch(r"([0-9]{1,12})([A-Za-z]{1,2})", str(text))
    return int(match[1]) * units[match[2]] if match and match[2] in units else None
