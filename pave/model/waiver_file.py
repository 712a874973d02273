"""Reads `waivers/*.yaml`."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from pave.model import own_format
from pave.model.diagnostics import Refused
from pave.model.waiver import Waiver


def read_waiver(data: bytes, file: str) -> Waiver:
    """One waiver. Raises `Refused` with all that is wrong."""
    document = own_format.read(data, file, "Waiver")
    metadata, spec = document.data["metadata"], document.data["spec"]
    by = own_format.reference(document, ("spec", "by"), "user")
    if by.kind != "user":
        remedy = "Name the person who answers for it, such as user:dana."
        raise Refused(document.error(("spec", "by"), f"{by.short} is no person", remedy=remedy))
    try:
        until = _end(spec["until"])
    except ValueError as problem:
        remedy = "Write a day such as 2027-02-01, or a time with its zone."
        raise Refused(document.error(("spec", "until"), f"{spec['until']} is no time", remedy=remedy)) from problem
    return Waiver(metadata["name"], spec["guardrail"], spec["for"], spec["reason"], by, until, document.source())


def _end(written: object) -> datetime:
    text = str(written)
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time(), UTC)
    except ValueError:
        found = datetime.fromisoformat(text)
        if found.tzinfo is None:
            raise ValueError("no time zone") from None
        return found.astimezone(UTC)
