"""Questions and dashboards in the words of Prometheus and Grafana.

Source of the formats: prometheus.io/docs (querying, recording rules), Grafana's dashboard JSON model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pave.model.alert import SLO
from pave.model.dashboard import Chart, Dashboard
from pave.model.diagnostics import Refused, error
from pave.observe import burn
from pave.observe.alert_rules import PLACE
from pave.observe.answering import QUANTILES
from pave.observe.dashboards import questions
from pave.observe.series import Aggregation, Question

_ACROSS = {Aggregation.AVERAGE: "avg", Aggregation.MINIMUM: "min", Aggregation.MAXIMUM: "max"}
_OVER = {Aggregation.MINIMUM: "min", Aggregation.MAXIMUM: "max", Aggregation.LAST: "last"}
_UNITS = {"seconds": "s", "bytes": "bytes", "share": "percentunit", "requests/s": "reqps"}
_LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ANY = datetime(2000, 1, 1, tzinfo=UTC)

Where = Mapping[str, str | tuple[str, ...]]


def selector(metric: str, where: Where) -> str:
    """`{__name__="requests_total",code=~"4xx|5xx"}`. Raises `Refused` for a label that has no such name."""
    parts = [f"__name__={json.dumps(metric)}"] if metric else []
    for name, wanted in where.items():
        if not _LABEL.fullmatch(name):
            raise Refused(error(f"{name!r} is not a label's name", remedy="It has letters, digits and _ only."))
        if isinstance(wanted, str):
            parts.append(f"{name}={json.dumps(wanted, ensure_ascii=False)}")
        else:
            either = "|".join(map(re.escape, wanted))
            parts.append(f"{name}=~{json.dumps(either, ensure_ascii=False)}")
    joined = ",".join(parts or ['__name__!=""'])
    return f"{{{joined}}}"


def promql(question: Question, window: str, seconds: float) -> str:
    """The question over a range such as `5m`; `seconds` are those of an increase."""
    selected, aggregation, by = selector(question.metric, question.where), question.aggregation, ", ".join(question.by)
    if aggregation in QUANTILES:
        groups = ", ".join((*question.by, "le"))
        return f"histogram_quantile({QUANTILES[aggregation]}, sum by ({groups}) (increase({selected}[{window}])))"
    if aggregation in (Aggregation.RATE, Aggregation.INCREASE):
        rate = f"sum by ({by}) (rate({selected}[{window}]))"
        return rate if aggregation is Aggregation.RATE else f"{rate} * {seconds}"
    over = f"{_OVER.get(aggregation, 'avg')}_over_time({selected}[{window}])"
    return f"{_ACROSS.get(aggregation, 'sum')} by ({by}) ({over})"


def grafana(dashboard: Dashboard) -> dict[str, Any]:
    """The dashboard as Grafana imports it; its data source is chosen there."""
    panels = [
        {
            "id": at + 1,
            "type": "timeseries",
            "title": chart.title,
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
            "gridPos": {"h": 8, "w": 12, "x": 12 * (at % 2), "y": 8 * (at // 2)},
            "fieldConfig": {"defaults": {"unit": _UNITS.get(chart.unit, "short")}, "overrides": []},
            "targets": [
                {"refId": chr(ord("A") + number), "expr": expression, "legendFormat": _legend(chart, word)}
                for number, (word, expression) in enumerate(_expressions(dashboard, chart, "$__rate_interval"))
            ],
        }
        for at, chart in enumerate(dashboard.charts)
    ]
    source = {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Data source"}
    return {
        "uid": re.sub(r"[^a-z0-9-]", "-", f"pave-{dashboard.name}")[:40],
        "title": dashboard.title,
        "tags": ["pave"],
        "schemaVersion": 39,
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [source]},
        "panels": panels,
    }


def rules(dashboards: Iterable[Dashboard]) -> dict[str, Any]:
    """The charts as recording rules: what a page asks for, computed once a minute. Equal ones stand once."""
    groups, seen = [], set()
    for one in dashboards:
        recorded = []
        for chart in one.charts:
            for word, expression in _expressions(one, chart, "5m"):
                rule = {"record": _recorded(chart, word), "expr": expression}
                labels = {"environment": one.environment, "component": one.component, "chart": chart.title}
                rule["labels"] = {name: value for name, value in labels.items() if value}  # type: ignore[assignment]
                if (key := json.dumps(rule, sort_keys=True)) not in seen:
                    seen.add(key)
                    recorded.append(rule)
        groups.append({"name": f"pave-{one.name}", "interval": "1m", "rules": recorded})
    return {"groups": groups}


def alerting_rules(slos: Iterable[SLO]) -> dict[str, Any]:
    """Objectives as alerting rules: one for each pair of windows, for every stack at once.

    What a component says for itself by an annotation is not in them. The pair of a minute and 20 seconds is Pave's own:
    a Prometheus that looks every 15 seconds cannot see it.
    """
    groups = []
    for slo in slos:
        made = [
            {
                "alert": f"{slo.name}-{burn.SUFFIXES[window.severity]}",
                "expr": " and ".join(
                    f"{_bad_share(slo, f'{int(each.total_seconds())}s')} >= {burn.allowed(slo, window):.6g}"
                    for each in (window.long, window.short)
                ),
                "labels": {"severity": window.severity, "slo": slo.name, **slo.labels},
                "annotations": {
                    "summary": f"{slo.title}: the error budget burns",
                    **({"runbook_url": slo.runbook} if slo.runbook else {}),
                },
            }
            for window in burn.WINDOWS
            if window.name != "fast"
        ]
        groups.append({"name": f"pave-slo-{slo.name}", "rules": made})
    return {"groups": groups}


def _bad_share(slo: SLO, window: str) -> str:
    """The share of requests that were not good, by stack."""

    def rate(metric: str, where: Where) -> str:
        return f"sum by ({', '.join(PLACE)}) (rate({selector(metric, where)}[{window}]))"

    if slo.indicator == "availability":
        return f"({rate('http_requests_total', {'code': '5xx'})} / {rate('http_requests_total', {})})"
    metric = "http_request_duration_seconds_bucket"
    good = rate(metric, {"le": f"{slo.threshold:g}"})
    return f"(1 - {good} / {rate(metric, {'le': '+Inf'})})"


def _expressions(dashboard: Dashboard, chart: Chart, window: str) -> list[tuple[str, str]]:
    asked = questions(dashboard, chart, _ANY - timedelta(hours=1), _ANY, timedelta(minutes=5))
    return [(one.aggregation.value, promql(one, window, 300)) for one in asked]


def _legend(chart: Chart, word: str) -> str:
    labels = " ".join(f"{{{{{name}}}}}" for name in chart.by)
    return " ".join(filter(None, (labels, word if len(chart.aggregations) > 1 else ""))) or chart.title


def _recorded(chart: Chart, word: str) -> str:
    """`by:metric:operation`, as Prometheus' naming has it."""
    return f"{'_'.join(chart.by) or 'stack'}:{chart.metric}:{word}5m"
