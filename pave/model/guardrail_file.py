"""Reads `guardrails/*.yaml`. Whether a condition is right is for `pave.verdict` to say; here is only its shape."""

from __future__ import annotations

from pave.model import own_format
from pave.model.guardrail import Example, Guardrail


def read_guardrail(data: bytes, file: str) -> Guardrail:
    """One guardrail. Raises `Refused` with all that is wrong."""
    document = own_format.read(data, file, "Guardrail")
    metadata, spec = document.data["metadata"], document.data["spec"]
    remedy = spec.get("remedy", {})
    return Guardrail(
        name=metadata["name"],
        title=metadata["title"],
        owner=own_format.reference(document, ("metadata", "owner"), "group"),
        category=spec["category"],
        level=spec["level"],
        require=spec["require"],
        message=spec["message"],
        stages=tuple(spec.get("stages", ("plan",))),
        applies=spec.get("applies", {}),
        remedy=remedy.get("say", ""),
        patch=remedy.get("patch", {}),
        examples=tuple(Example(one["given"], one["expect"]) for one in spec.get("examples", ())),
        source=document.source(("metadata", "owner")),
    )
