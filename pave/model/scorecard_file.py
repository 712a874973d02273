"""Reads `scorecards/*.yaml`. Whether a condition is right is for `pave.observe.scorecard` to say; here is its shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from pave.model import own_format
from pave.model.diagnostics import Diagnostic, Findings
from pave.model.document import Document
from pave.model.schema import nearest
from pave.model.scorecard import LEVELS, Campaign, Check, Scorecard


def read_scorecard(data: bytes, file: str) -> Scorecard:
    """One scorecard. Raises `Refused` with all that is wrong."""
    document = own_format.read(data, file, "Scorecard")
    metadata, spec = document.data["metadata"], document.data["spec"]
    levels = tuple(spec.get("levels", LEVELS))
    findings = Findings()
    findings.extend(_unknown_levels(document, levels))
    findings.extend(_twice(document))
    campaigns = tuple(_campaigns(document, findings))
    findings.refuse_if_any()
    return Scorecard(
        name=metadata["name"],
        title=metadata["title"],
        owner=own_format.reference(document, ("metadata", "owner"), "group"),
        description=metadata.get("description", ""),
        category=spec["category"],
        levels=levels,
        applies=spec.get("applies", {}),
        checks=tuple(Check(**one) for one in spec["checks"]),
        campaigns=campaigns,
    )


def _unknown_levels(document: Document, levels: Sequence[str]) -> Iterator[Diagnostic]:
    spec = document.data["spec"]
    for part in ("checks", "campaigns"):
        for number, one in enumerate(spec.get(part, ())):
            if one["level"] not in levels:
                remedy = nearest(one["level"], levels) or f"There are: {', '.join(levels)}."
                yield document.error(("spec", part, number, "level"), f"{one['level']} is no level", remedy=remedy)


def _twice(document: Document) -> Iterator[Diagnostic]:
    seen = set()
    for number, one in enumerate(document.data["spec"]["checks"]):
        if one["name"] in seen:
            summary = f"there is a check {one['name']} already"
            yield document.error(("spec", "checks", number, "name"), summary, remedy="Give it another name.")
        seen.add(one["name"])


def _campaigns(document: Document, findings: Findings) -> Iterator[Campaign]:
    for number, one in enumerate(document.data["spec"].get("campaigns", ())):
        days = []
        for part in ("from", "until"):
            try:
                days.append(date.fromisoformat(str(one[part])))
            except ValueError:
                path = ("spec", "campaigns", number, part)
                findings.add(document.error(path, f"{one[part]} is no day", remedy="Write it like 2027-02-01."))
        if len(days) == 2 and days[0] > days[1]:
            remedy = "Let it begin before it ends."
            findings.add(document.error(("spec", "campaigns", number), "it ends before it begins", remedy=remedy))
        elif len(days) == 2:
            yield Campaign(one["name"], one.get("title", one["name"]), one["level"], *days)
