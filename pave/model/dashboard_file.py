"""Reads `dashboards/*.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pave.model import own_format
from pave.model.dashboard import Chart, Dashboard
from pave.model.diagnostics import Refused

_QUANTILES = frozenset({"p50", "p95", "p99"})


def read_dashboard(data: bytes, file: str) -> Dashboard:
    """One dashboard. Raises `Refused` with all that is wrong."""
    document = own_format.read(data, file, "Dashboard")
    metadata, spec = document.data["metadata"], document.data["spec"]
    wrong = [
        document.error(
            ("spec", "charts", at, "metric"),
            f"{one['metric']} has no buckets that a quantile could be told from",
            remedy=f"Name a histogram's buckets, such as {one['metric']}_bucket.",
        )
        for at, one in enumerate(spec["charts"])
        if _QUANTILES & set(_several(one["aggregation"])) and not one["metric"].endswith("_bucket")
    ]
    if wrong:
        raise Refused(*wrong)
    return Dashboard(
        name=metadata["name"],
        title=metadata["title"],
        charts=tuple(map(_chart, spec["charts"])),
        owner=own_format.reference(document, ("metadata", "owner"), "group") if "owner" in metadata else None,
        component=spec.get("component", ""),
        environment=spec.get("environment", ""),
    )


def _chart(one: Mapping[str, Any]) -> Chart:
    where = {
        name: tuple(value) if isinstance(value, list) else str(value) for name, value in one.get("where", {}).items()
    }
    return Chart(
        title=one["title"],
        metric=one["metric"],
        aggregations=_several(one["aggregation"]),
        where=where,
        by=_several(one.get("by", ())),
        unit=one.get("unit", ""),
    )


def _several(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)
