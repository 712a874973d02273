"""The port Metrics over a Prometheus that the organisation has, or anything else that speaks its HTTP API.

Samples are remote-written (`--web.enable-remote-write-receiver`), questions become PromQL. How long what is kept is
that server's. A counter that appears with a number counts from there on, as Prometheus has it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from pave.adapters.prometheus.writing import HEADERS, written
from pave.apply.retry import Transient
from pave.model.diagnostics import Refused, error
from pave.observe.answering import COUNTED, check, ends
from pave.observe.promql import promql, selector
from pave.observe.series import Line, Question, Sample

MOST_SERIES = 2_000
_LEFT_OUT = "metrics_left_out"
_SECONDS = 10.0
_COUNTING_SECONDS = 40.0
"""A rate needs two samples: a shorter step looks back this far."""

Where = Mapping[str, str | tuple[str, ...]]


class PrometheusMetrics:
    """Implements `pave.ports.Metrics`."""

    def __init__(self, url: str, token: str = "", most_series: int = MOST_SERIES) -> None:
        """`url` is where its API is, without `/api/v1`. Raises `Refused` for one that is none."""
        if urlsplit(url).scheme not in ("http", "https"):
            remedy = "Give the whole address, as in http://prometheus.example.com:9090"
            raise Refused(error(f"prometheus_url cannot be {url[:200]!r}", remedy=remedy))
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx.Client(base_url=url.rstrip("/"), headers=headers, timeout=_SECONDS)
        self._most = most_series
        self._known: defaultdict[str, set[tuple[Any, ...]]] = defaultdict(set)

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def write(self, at: datetime, source: str, samples: Iterable[Sample]) -> int:
        """Keep what one source measured. Raises `Transient` where Prometheus does not take it."""
        known, kept, left_out = self._known[source], list[Sample](), 0
        for one in samples:
            key = (one.name, *sorted(one.labels.items()))
            if not math.isfinite(one.value):
                continue
            if key in known or len(known) < self._most:
                known.add(key)
                kept.append(one)
            else:
                left_out += 1
        said = [Sample(_LEFT_OUT, {"source": source}, float(left_out))] if left_out else []
        body = written(int(at.timestamp() * 1000), [*kept, *said])
        self._ask("POST", "/api/v1/write", content=body, headers=HEADERS)
        return len(kept)

    def ask(self, question: Question) -> Sequence[Line]:
        """The lines that answer, sorted by their labels."""
        check(question, None)
        steps = ends(question)
        given = {"query": _asked(question), "start": steps[0], "end": steps[-1], "step": question.step.total_seconds()}
        found = self._ask("POST", "/api/v1/query_range", data=given).json()["data"]["result"]
        lines = []
        for one in found:
            values = {round(at, 3): float(value) for at, value in one["values"]}
            points = tuple((datetime.fromtimestamp(at, UTC), _number(values.get(round(at, 3)))) for at in steps)
            if any(value is not None for _, value in points):
                lines.append(Line({name: one["metric"].get(name, "") for name in question.by}, points))
        return tuple(sorted(lines, key=lambda line: [line.labels[name] for name in question.by]))

    def names(self, where: Where, since: datetime) -> Sequence[str]:
        """The metrics that have series with these labels, sorted."""
        given = {"match[]": selector("", where), "start": str(since.timestamp())}
        return sorted(self._ask("GET", "/api/v1/label/__name__/values", params=given).json()["data"])

    def tidy(self, now: datetime) -> None:
        """Prometheus tidies up by itself."""

    def _ask(self, method: str, path: str, **given: Any) -> httpx.Response:
        try:
            answer = self._client.request(method, path, **given)
        except httpx.HTTPError as problem:
            raise Transient(
                error(f"Prometheus does not answer: {problem}", remedy="See that it runs where prometheus_url says.")
            ) from problem
        if answer.status_code >= 300:
            raise Transient(
                error(
                    f"Prometheus answers {path} with {answer.status_code}",
                    detail=answer.text[:500],
                    remedy="It has to take remote writes: --web.enable-remote-write-receiver.",
                )
            )
        return answer


def _asked(question: Question) -> str:
    """In PromQL. The range is a millisecond short of the step: its beginning belongs to the one before."""
    seconds = question.step.total_seconds()
    window = max(seconds, _COUNTING_SECONDS) if question.aggregation in COUNTED else seconds
    return promql(question, f"{int(window * 1000) - 1}ms", seconds)


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
