"""Samples in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.core import CollectorRegistry, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from pave.observe.measured import BY_NAME
from pave.observe.series import Kind, Sample

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_PARTS = ("_bucket", "_count", "_sum")


class _Samples(Collector):
    def __init__(self, samples: Iterable[Sample]) -> None:
        self._samples = list(samples)

    def collect(self) -> Iterator[Metric]:
        """Samples of one family together, histograms as such."""
        histograms = {one.name.removesuffix("_bucket") for one in self._samples if one.name.endswith("_bucket")}
        families: dict[str, Metric] = {}
        for one in self._samples:
            family = next((one.name.removesuffix(part) for part in _PARTS if one.name.endswith(part)), one.name)
            kind = "histogram" if family in histograms else one.kind.value
            name = family if family in histograms else one.name
            if kind == Kind.COUNTER.value:
                name = name.removesuffix("_total")
            if name not in families:
                known = BY_NAME.get(one.name)
                families[name] = Metric(name, known.says if known else name, kind)
            families[name].add_sample(one.name, dict(one.labels), one.value)
        yield from families.values()


def exposition(samples: Iterable[Sample]) -> bytes:
    """The page that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(_Samples(samples))
    return generate_latest(registry)
