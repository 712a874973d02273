"""Times and durations as they are written in Pave's files: `30s`, `10m`, `8h`, `3d`, `2w`; ISO 8601 in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from pave.model.diagnostics import Refused, error

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DURATION = re.compile(r"^([1-9]\d{0,6})([smhdw])$")
_IDLE = re.compile(r"^after ([1-9]\d*[smhdw]) idle$")


def duration(text: str) -> timedelta:
    """What `10m` means. Raises `Refused` for what is no duration."""
    found = _DURATION.match(text.strip())
    if not found:
        raise Refused(error(f"{text!r} is no duration", remedy="Write a number with its unit, such as 10m, 8h or 3d."))
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def later(at: datetime, text: str) -> datetime:
    """The time that is `text` (`3d`) after `at`. Raises `Refused`, also for one that no calendar has."""
    try:
        return at + duration(text)
    except OverflowError:
        raise Refused(error(f"{text!r} is longer than time goes on", remedy="Write it like 12h, 3d or 2w.")) from None


def idle_time(text: str) -> timedelta:
    """What `after 30m idle` means. Raises `Refused`."""
    found = _IDLE.match(text.strip())
    if not found:
        raise Refused(error(f"{text!r} does not say when to sleep", remedy="Write: after 30m idle."))
    return duration(found[1])


def instant(text: str) -> datetime:
    """The time that an ISO 8601 text names, in UTC. Raises `Refused`."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(error(f"{text!r} is no time", remedy="Write it like 2026-12-20T08:00:00Z.")) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def in_words(at: datetime) -> str:
    """A time as Pave writes it: `2026-12-20T08:00:00Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
