"""A dashboard: charts of what is measured, as written in `dashboards/*.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pave.model.names import Ref


@dataclass(frozen=True)
class Chart:
    """One chart: a metric, which of its series, what is made of them, which labels keep them apart.

    `aggregations` are the words of `pave.observe.series.Aggregation`; each is a line of its own.
    """

    title: str
    metric: str
    aggregations: tuple[str, ...]
    where: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    by: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class Dashboard:
    """Charts of one page. `component` and `environment` narrow every chart that does not say otherwise."""

    name: str
    title: str
    charts: tuple[Chart, ...]
    owner: Ref | None = None
    component: str = ""
    environment: str = ""
