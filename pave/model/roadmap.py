"""The roadmap of the platform: what its owners mean to do, as files that everybody may read and propose."""

from __future__ import annotations

from dataclasses import dataclass

from pave.model import own_format
from pave.model.names import Ref

STATES = ("considered", "planned", "doing", "done", "declined")


@dataclass(frozen=True)
class RoadmapItem:
    """One thing. `answers` are the ids of feedback that it answers, `when` is a word such as `2027-Q1`."""

    name: str
    title: str
    owner: Ref
    state: str
    says: str = ""
    when: str = ""
    answers: tuple[str, ...] = ()


def read_roadmap_item(data: bytes, file: str) -> RoadmapItem:
    """One file of `roadmap/`. Raises `Refused` with all that is wrong."""
    document = own_format.read(data, file, "RoadmapItem")
    metadata, spec = document.data["metadata"], document.data["spec"]
    return RoadmapItem(
        name=metadata["name"],
        title=metadata["title"],
        owner=own_format.reference(document, ("metadata", "owner"), "group"),
        state=spec["state"],
        says=spec.get("says", ""),
        when=str(spec.get("when", "")),
        answers=tuple(spec.get("answers", ())),
    )
