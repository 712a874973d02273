"""When a version may arrive: allowed hours and freezes, as an environment says them.

Several `allow` windows together are one; a `freeze` wins over all of them. Days and hours are those of the window's
own time zone (UTC where it names none); a freeze's days are those of UTC, the last one included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pave.model.diagnostics import Refused, error

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_ALLOW = re.compile(r"^(\w{3})(?:-(\w{3}))? (\d\d):(\d\d)-(\d\d):(\d\d)(?: (\S+))?$")
_LOOK_AHEAD = timedelta(days=400)


@dataclass(frozen=True)
class Closed:
    """Why nothing may arrive now, and from when on it may (aware UTC time; None: not within a year)."""

    reason: str
    until: datetime | None


def closed(windows: Sequence[Mapping[str, str]], now: datetime) -> Closed | None:
    """Why nothing may arrive at `now`; None where it may. Raises `Refused` for a zone that is not known."""
    problem = _problem(windows, now)
    if problem is None:
        return None
    return Closed(problem, _opens(windows, now))


def check(window: Mapping[str, str]) -> None:
    """Raise `Refused` for a window that names days, hours or a zone that are not there."""
    if "allow" in window:
        _read(window["allow"])
    if "freeze" in window:
        first, last = _dates(window["freeze"])
        if last < first:
            raise Refused(error(f"{window['freeze']!r} ends before it begins", remedy="Write the first day first."))


def _problem(windows: Sequence[Mapping[str, str]], at: datetime) -> str | None:
    for one in windows:
        if "freeze" in one and _frozen(one["freeze"], at):
            return f"frozen ({one['freeze']})"
    allowed = [one["allow"] for one in windows if "allow" in one]
    if allowed and not any(_allows(one, at) for one in allowed):
        return f"outside its window ({'; '.join(allowed)})"
    return None


def _opens(windows: Sequence[Mapping[str, str]], now: datetime) -> datetime | None:
    """The first moment from which nothing stands in the way: one at which a window opens or a freeze ends."""
    moments: set[datetime] = set()
    for one in windows:
        if "freeze" in one:
            moments.add(datetime.combine(_dates(one["freeze"])[1] + timedelta(days=1), time(), UTC))
        else:
            moments |= _openings(one["allow"], now)
    # A window that opened before a freeze ended counts from the freeze's end on.
    for end in [one for one in moments if one > now]:
        moments |= {moment for one in windows if "allow" in one for moment in _openings(one["allow"], end)}
    later = sorted(one for one in moments if now < one <= now + _LOOK_AHEAD)
    return next((one for one in later if _problem(windows, one) is None), None)


def _openings(allow: str, now: datetime) -> set[datetime]:
    days, start, _, zone = _read(allow)
    today = now.astimezone(zone).date()
    soon = (today + timedelta(days=number) for number in range(9))
    return {datetime.combine(day, start, zone).astimezone(UTC) for day in soon if day.weekday() in days}


def _allows(allow: str, at: datetime) -> bool:
    days, start, end, zone = _read(allow)
    local = at.astimezone(zone)
    clock = local.time()
    if start <= end:
        return local.weekday() in days and start <= clock < end
    # Over midnight: what began yesterday is still on.
    return (local.weekday() in days and clock >= start) or ((local.weekday() - 1) % 7 in days and clock < end)


def _read(allow: str) -> tuple[frozenset[int], time, time, ZoneInfo]:
    found = _ALLOW.match(allow)
    if not found:
        raise Refused(error(f"{allow!r} is no window", remedy='Write it like "Mon-Fri 08:00-16:00 Europe/Berlin".'))
    first = _DAYS.index(found[1])
    last = _DAYS.index(found[2]) if found[2] else first
    days = frozenset((first + number) % 7 for number in range((last - first) % 7 + 1))
    try:
        zone = ZoneInfo(found[7] or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        raise Refused(error(f"There is no time zone {found[7]!r}", remedy="Name one such as Europe/Berlin.")) from None
    return days, time(int(found[3]), int(found[4])), time(int(found[5]), int(found[6])), zone


def _frozen(freeze: str, at: datetime) -> bool:
    first, last = _dates(freeze)
    return first <= at.astimezone(UTC).date() <= last


def _dates(freeze: str) -> tuple[date, date]:
    try:
        first, last = (date.fromisoformat(one.strip()) for one in freeze.split(".."))
    except ValueError:
        raise Refused(error(f"{freeze!r} is no freeze", remedy='Write it like "2026-12-20 .. 2027-01-03".')) from None
    return first, last
