"""Applications' own metrics: read from where their workload listens, in Prometheus' text format or OpenMetrics.

Every workload with a port is tried at `/metrics`; one that has none is tried again when it changes, and seldom. Score's
annotations say otherwise: `prometheus.io/scrape: "false"`, `prometheus.io/path`, `prometheus.io/port`. What is read is
bounded in bytes and time. The times that an application writes are not believed: its clock is not ours.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pave.model.names import Address
from pave.observe.series import Kind, Sample
from pave.provider.inventory import Inventory
from pave.provider.meters.processes import labels_of
from pave.provider.routes import WORKLOAD, serving_ports
from pave.provider.servers.ports import LOOPBACK
from pave.provider.signals import AGENT

MOST_BYTES = 2**20
_SECONDS = 2.0
_PATIENCE = 4.0
_AGAIN_SECONDS = 600.0
_AT_ONCE = 8
_LONGEST = 200
_MOST_LABELS = 30
_OPENMETRICS = "application/openmetrics-text"
_COUNTED = frozenset({"counter", "histogram", "summary"})
_OWN = frozenset({"environment", "component", "instance"})

Hints = Callable[[Address], Mapping[str, str]]
"""Score's annotations of a stack's workload."""


@dataclass(frozen=True)
class Target:
    """One replica of a workload."""

    stack: Address
    revision: str
    instance: int
    port: int
    path: str


@dataclass(frozen=True)
class Page:
    """What one replica answered; an empty text where it has no metrics."""

    text: str = ""
    openmetrics: bool = False
    cut: bool = False


class ScrapeMeter:
    """Implements `pave.ports.Meter`. What an application says of itself is a source of its own, with its own bounds."""

    name = "applications"

    def __init__(self, inventory: Inventory, hints: Hints = lambda _: {}) -> None:
        self._inventory, self._hints = inventory, hints
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pave-scrape")
        self._without: dict[Target, float] = {}

    def measure(self, now: datetime) -> Iterable[tuple[str, Sample]]:
        """Whoever has not answered in time is missing from this round."""
        del now
        targets = set(self._targets())
        self._without = {one: at for one, at in self._without.items() if one in targets}
        due = [one for one in targets if time.monotonic() >= self._without.get(one, 0.0)]
        asked = {self._pool.submit(fetch, one.port, one.path): one for one in due}
        done, late = wait(asked, timeout=_PATIENCE)
        for future in late:
            future.cancel()
        for future in done:
            yield from self._read(asked[future], future.result())

    def _read(self, target: Target, page: Page) -> Iterator[tuple[str, Sample]]:
        source = f"{target.stack}:app"
        labels = {**labels_of(target.stack), "instance": str(target.instance)}
        samples = samples_of(page, labels) if page.text else None
        if samples is None:
            self._without[target] = time.monotonic() + _AGAIN_SECONDS
            return
        yield source, Sample("scrape_truncated", labels, float(page.cut))
        for one in samples:
            yield source, one

    def _targets(self) -> Iterator[Target]:
        for key, record in self._inventory.list(WORKLOAD).items():
            if not record.get("revision") or record.get("asleep") or not record.get("ports"):
                continue
            stack = Address.parse(key).stack
            hints = self._hints(stack)
            if hints.get("prometheus.io/scrape", "").lower() == "false":
                continue
            written = hints.get("prometheus.io/port", "")
            path = hints.get("prometheus.io/path", "/metrics")
            ports = serving_ports(record, int(written) if written.isdecimal() else 0)
            for number, port in enumerate(ports):
                yield Target(stack, record["revision"], number, port, path if path.startswith("/") else f"/{path}")


def fetch(port: int, path: str) -> Page:
    """What is at a port of this machine, if it is metrics."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=_SECONDS)
    try:
        headers = {"User-Agent": AGENT, "Accept": f"text/plain;version=0.0.4,{_OPENMETRICS};q=0.5"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        kind = answer.headers.get("Content-Type", "")
        if answer.status != http.client.OK or not kind.startswith(("text/plain", _OPENMETRICS)):
            return Page()
        content = _whole(answer, time.monotonic() + _SECONDS)
    except (OSError, http.client.HTTPException, ValueError):
        return Page()
    finally:
        connection.close()
    cut = len(content) > MOST_BYTES
    if cut:
        content = content[: content.rindex(b"\n", 0, MOST_BYTES) + 1] if b"\n" in content[:MOST_BYTES] else b""
    return Page(content.decode(errors="replace"), kind.startswith(_OPENMETRICS), cut)


def _whole(answer: http.client.HTTPResponse, end: float) -> bytes:
    """The body, up to a little more than is read of it; one that trickles in is given up."""
    content = b""
    while len(content) <= MOST_BYTES and (more := answer.read1(65536)):
        content += more
        if time.monotonic() > end:
            raise TimeoutError
    return content


def samples_of(page: Page, own: Mapping[str, str]) -> list[Sample] | None:
    """The samples of a page, labels of ours in front; None where it cannot be read."""
    from prometheus_client import parser  # noqa: PLC0415 — only where something is scraped
    from prometheus_client.openmetrics import parser as open_parser  # noqa: PLC0415

    read: Callable[[str], Iterable[Any]] = parser.text_string_to_metric_families
    if page.openmetrics and not page.cut:
        read = open_parser.text_string_to_metric_families
    try:
        families = list(read(page.text))
    except (ValueError, KeyError, IndexError):
        return None
    return [_sample(one, family.type, own) for family in families for one in family.samples if _bounded(one)] or None


def _bounded(one: Any) -> bool:
    return len(one.labels) <= _MOST_LABELS and all(len(value) <= _LONGEST for value in one.labels.values())


def _sample(one: Any, kind: str, own: Mapping[str, str]) -> Sample:
    given = {f"exported_{name}" if name in _OWN else name: value for name, value in one.labels.items()}
    counted = kind in _COUNTED and "quantile" not in one.labels and not one.name.endswith("_created")
    counted = counted or (kind in ("unknown", "untyped") and one.name.endswith("_total"))
    return Sample(one.name[:_LONGEST], {**given, **own}, float(one.value), Kind.COUNTER if counted else Kind.GAUGE)
