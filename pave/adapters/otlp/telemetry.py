"""What applications sent lately: numbers and spans, counted up here and told to whoever collects, within bounds.

Counters are kept as what they went up by, per sender, so that a process that ended and began anew loses nothing, and
how many senders there are shows nowhere. Of spans the rate, the errors and the latency are counted by kind and name;
of traces the failed and the slowest are kept. Attributes of spans are not: whatever they hold, nobody asked for it.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pave.adapters.otlp.reading import Measured, Span, metrics, spans
from pave.model.names import Address
from pave.observe.series import Kind, Sample
from pave.ports import Trace, Traces

BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_MOST_SERIES = 4_000
_MOST_NAMES = 100
_MOST_TRACES = 500
_MOST_SPANS = 200
_SILENT_SECONDS = 300.0
_QUIET_SECONDS = 5.0
_SLOWEST, _FAILED = 10, 20

Key = tuple[str, tuple[tuple[str, str], ...]]
Labels = tuple[tuple[str, str], ...]


@dataclass
class _Number:
    """One series: its value, when it was told last, and of a counter what each sender showed last."""

    value: float
    kind: Kind
    at: float
    shown: dict[str, float] = field(default_factory=dict)


@dataclass
class _Open:
    """A trace whose spans are still coming."""

    at: float
    spans: dict[str, Span] = field(default_factory=dict)


@dataclass
class _Stack:
    """All of one stack."""

    numbers: dict[Key, _Number] = field(default_factory=dict)
    names: set[tuple[str, str]] = field(default_factory=set)
    traces: dict[str, _Open] = field(default_factory=dict)
    left_out: int = 0


class Telemetry:
    """Takes what applications send, and implements `pave.ports.Meter`."""

    name = "telemetry"

    def __init__(self, traces: Traces, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept, self._clock = traces, clock
        self._stacks: defaultdict[Address, _Stack] = defaultdict(_Stack)
        self._lock = threading.Lock()

    def take_metrics(self, stack: Address, body: bytes, *, json: bool) -> None:
        """Count an ExportMetricsServiceRequest. Raises `Unreadable`."""
        read = list(metrics(body, json=json))
        with self._lock:
            for instance, one in read:
                self._count(self._stacks[stack], instance, one)

    def take_traces(self, stack: Address, body: bytes, *, json: bool) -> None:
        """Count an ExportTraceServiceRequest. Raises `Unreadable`."""
        read = list(spans(body, json=json))
        with self._lock:
            for one in read:
                self._count_span(self._stacks[stack], one)

    def measure(self, now: datetime) -> Iterable[tuple[str, Sample]]:
        """Everything that was told in the last five minutes; traces that are complete are kept."""
        with self._lock:
            told = [(stack, *one) for stack, own in self._stacks.items() for one in self._told(stack, own)]
            traces = [one for stack, own in self._stacks.items() for one in self._complete(stack, own, now)]
            for stack in [one for one, own in self._stacks.items() if not own.numbers and not own.traces]:
                del self._stacks[stack]
        if traces:
            self._kept.put(traces)
        return [(f"{stack}:otlp", sample) for stack, sample in told]

    def _count(self, own: _Stack, instance: str, one: Measured) -> None:
        key, at = (one.name, one.labels), self._clock()
        number = own.numbers.get(key)
        if number is None:
            if len(own.numbers) >= _MOST_SERIES:
                own.left_out += 1
                return
            number = own.numbers[key] = _Number(0.0, Kind.COUNTER if one.counter else Kind.GAUGE, at)
        number.at = at
        if not one.counter:
            number.value = one.value
        elif one.delta:
            number.value += max(one.value, 0.0)
        else:
            before = number.shown.get(instance, 0.0)
            number.value += one.value - before if one.value >= before else one.value
            if instance in number.shown or len(number.shown) < _MOST_NAMES:
                number.shown[instance] = one.value

    def _count_span(self, own: _Stack, span: Span) -> None:
        named = (span.kind, span.name)
        if named not in own.names and len(own.names) >= _MOST_NAMES:
            named = (span.kind, "other")
        own.names.add(named)
        labels = (("kind", named[0]), ("name", named[1]))
        status = (*labels, ("status", "error" if span.problem else "ok"))
        self._count(own, "", Measured("spans_total", status, 1.0, counter=True, delta=True))
        for bound in (*BOUNDS, float("inf")):
            shown = "+Inf" if bound == float("inf") else str(bound)
            went = float(span.seconds <= bound)
            bucket = (("kind", named[0]), ("le", shown), ("name", named[1]))
            self._count(own, "", Measured("span_duration_seconds_bucket", bucket, went, counter=True, delta=True))
        if not span.trace:
            return
        trace = own.traces.get(span.trace)
        if trace is None:
            if len(own.traces) >= _MOST_TRACES:
                return
            trace = own.traces[span.trace] = _Open(self._clock())
        trace.at = self._clock()
        if len(trace.spans) < _MOST_SPANS:
            trace.spans[span.id] = span

    def _told(self, stack: Address, own: _Stack) -> Iterator[tuple[Sample]]:
        limit = self._clock() - _SILENT_SECONDS
        own.numbers = {key: one for key, one in own.numbers.items() if one.at >= limit}
        place = {"environment": stack.environment, "component": stack.component}
        for (name, labels), one in own.numbers.items():
            given = {f"exported_{key}" if key in place else key: value for key, value in labels}
            yield (Sample(name, {**given, **place}, one.value, one.kind),)
        if own.left_out:
            yield (Sample("telemetry_left_out_total", place, float(own.left_out), Kind.COUNTER),)

    def _complete(self, stack: Address, own: _Stack, now: datetime) -> list[Trace]:
        """The traces that nothing was added to for a while: those that failed, and the slowest of the others."""
        limit = self._clock() - _QUIET_SECONDS
        done = {key: one for key, one in own.traces.items() if one.at <= limit}
        for key in done:
            del own.traces[key]
        found = [_trace(key, stack, one, now) for key, one in done.items()]
        failed = sorted((one for one in found if one.problem), key=lambda one: one.at)
        slowest = sorted((one for one in found if not one.problem), key=lambda one: -one.seconds)
        return [*failed[-_FAILED:], *slowest[:_SLOWEST]]


def _trace(key: str, stack: Address, one: _Open, now: datetime) -> Trace:
    ordered = sorted(one.spans.values(), key=lambda span: (span.begin, span.id))
    begin, known = ordered[0].begin, set(one.spans)
    root = next((span for span in ordered if span.parent not in known), ordered[0])
    last = max(span.end for span in ordered)
    problem = root.problem or next((span.problem for span in ordered if span.problem), "")
    # The sender's clock may be wrong: how long it took is believed, when it was is not.
    at = now - timedelta(seconds=min(max(last - begin, 0) / 1e9, 3600))
    return Trace(
        id=key,
        stack=stack,
        at=at.astimezone(UTC),
        name=root.name,
        seconds=root.seconds,
        problem=problem,
        spans=tuple(
            {
                "id": span.id,
                "parent": span.parent if span.parent in known else "",
                "name": span.name,
                "kind": span.kind,
                "offset": (span.begin - begin) / 1e9,
                "seconds": span.seconds,
                "problem": span.problem,
            }
            for span in ordered
        ),
    )
