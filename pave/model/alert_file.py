"""Reads `alerts/*.yaml` and `slos/*.yaml`. Whether a condition is right CEL is for `pave.observe` to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from importlib.resources import files
from typing import Any

from pave.model import own_format
from pave.model.alert import BUCKETS, SLO, Alert, Applies, Asked
from pave.model.diagnostics import Refused
from pave.model.document import Document, show
from pave.model.duration import duration
from pave.model.names import Ref

_KEEP = timedelta(minutes=1)
_LONGEST = timedelta(days=30)


def read_alert(data: bytes, file: str) -> Alert:
    """One alert. Raises `Refused` with all that is wrong."""
    document = own_format.read(data, file, "Alert")
    metadata, spec = document.data["metadata"], document.data["spec"]
    hold = _time(document, ("spec", "for")) if "for" in spec else timedelta(0)
    return Alert(
        name=metadata["name"],
        title=metadata["title"],
        owner=_owner(document),
        severity=spec["severity"],
        ask={name: _asked(document, name) for name in spec["ask"]},
        when=spec["when"],
        by=tuple(spec.get("by", ())),
        hold=hold,
        keep=_time(document, ("spec", "keep")) if "keep" in spec else max(hold, _KEEP),
        applies=_applies(spec),
        say=spec.get("say", ""),
        runbook=spec.get("runbook", ""),
        labels=spec.get("labels", {}),
        no_data=spec.get("noData", "keep"),
        off=spec.get("off", False),
        file=file,
    )


def read_slo(data: bytes, file: str) -> SLO:
    """One objective. Raises `Refused` with all that is wrong."""
    document = own_format.read(data, file, "SLO")
    metadata, spec = document.data["metadata"], document.data["spec"]
    threshold = _seconds(spec["threshold"]) if "threshold" in spec else 0.5
    if threshold not in BUCKETS:
        raise Refused(
            document.error(
                ("spec", "threshold"),
                f"{spec['threshold']} is not what the router counts at",
                remedy=f"One of: {', '.join(in_words(one) for one in BUCKETS)}.",
            )
        )
    return SLO(
        name=metadata["name"],
        title=metadata["title"],
        owner=_owner(document),
        indicator=spec["indicator"],
        objective=share(spec["objective"]),
        window=_time(document, ("spec", "window")) if "window" in spec else _LONGEST,
        threshold=threshold,
        applies=_applies(spec),
        runbook=spec.get("runbook", ""),
        labels=spec.get("labels", {}),
        off=spec.get("off", False),
        file=file,
    )


@cache
def built_in_alerts() -> Mapping[str, Alert]:
    """The alerts that Pave comes with, by name; a platform repository may have another of the same name."""
    return {one.name: replace(one, file="") for one in (read_alert(data, file) for file, data in _library("alerts"))}


@cache
def built_in_slos() -> Mapping[str, SLO]:
    """The objectives that Pave comes with, likewise."""
    return {one.name: replace(one, file="") for one in (read_slo(data, file) for file, data in _library("slos"))}


def share(text: str) -> float:
    """What `99.9 %` means: 0.999."""
    return round(float(text.removesuffix("%").strip()) / 100, 8)


def in_words(seconds: float) -> str:
    """A bucket as it is written: `250ms`, `1s`."""
    return f"{seconds * 1000:g}ms" if seconds < 1 else f"{seconds:g}s"


def threshold_of(text: str) -> float | None:
    """The bucket that a text such as `250ms` names, or None."""
    return next((one for one in BUCKETS if in_words(one) == text.replace(" ", "")), None)


def _library(folder: str) -> Sequence[tuple[str, bytes]]:
    here = files("pave") / "library" / folder
    found = [one for one in here.iterdir() if one.name.endswith(".yaml")]
    return [(f"{folder}/{one.name}", one.read_bytes()) for one in sorted(found, key=lambda one: one.name)]


def _owner(document: Document) -> Ref | None:
    named = "owner" in document.data["metadata"]
    return own_format.reference(document, ("metadata", "owner"), "group") if named else None


def _applies(spec: Mapping[str, Any]) -> Applies:
    said = spec.get("applies", {})
    return Applies(**{key: tuple([value] if isinstance(value, str) else value) for key, value in said.items()})


def _asked(document: Document, name: str) -> Asked:
    said = document.data["spec"]["ask"][name]
    otherwise = said.get("otherwise")
    return Asked(
        metric=said["metric"],
        aggregation=said["aggregation"],
        over=_time(document, ("spec", "ask", name, "over")),
        where={key: value if isinstance(value, str) else tuple(value) for key, value in said.get("where", {}).items()},
        otherwise=None if otherwise is None else float(otherwise),
    )


def _time(document: Document, path: Sequence[str]) -> timedelta:
    value: Any = document.data
    for part in path:
        value = value[part]
    try:
        found = timedelta(0) if value == "0s" else duration(value)
    except Refused as refused:
        raise own_format.place(refused, document.source(path), show(path)) from None
    if found > _LONGEST:
        raise Refused(document.error(path, f"{value} is longer than 30d", remedy="Choose a shorter time."))
    return found


def _seconds(text: str) -> float:
    number = text.strip()
    return float(number.removesuffix("ms")) / 1000 if number.endswith("ms") else float(number.removesuffix("s"))
