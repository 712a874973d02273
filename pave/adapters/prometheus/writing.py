"""Remote write 1.0: samples as a compressed protobuf message.

Source of the format: prometheus.io/docs/specs/prw/remote_write_spec and prompb/remote.proto, of which only what is
written here is described.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from pave.observe.series import Sample

HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
}
_FIELD = descriptor_pb2.FieldDescriptorProto
_FIELDS: dict[str, tuple[tuple[str, int, int, str], ...]] = {
    "Label": (("name", 1, _FIELD.TYPE_STRING, ""), ("value", 2, _FIELD.TYPE_STRING, "")),
    "Sample": (("value", 1, _FIELD.TYPE_DOUBLE, ""), ("timestamp", 2, _FIELD.TYPE_INT64, "")),
    "TimeSeries": (("labels", 1, _FIELD.TYPE_MESSAGE, "Label"), ("samples", 2, _FIELD.TYPE_MESSAGE, "Sample")),
    "WriteRequest": (("timeseries", 1, _FIELD.TYPE_MESSAGE, "TimeSeries"),),
}


def _described() -> type[Any]:
    file = descriptor_pb2.FileDescriptorProto(name="pave/remote_write.proto", package="pave.remote", syntax="proto3")
    for name, fields in _FIELDS.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            label = _FIELD.LABEL_REPEATED if of else _FIELD.LABEL_OPTIONAL
            type_name = f".pave.remote.{of}" if of else None
            message.field.add(name=field, number=number, type=kind, label=label, type_name=type_name)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    made: type[Any] = message_factory.GetMessageClass(pool.FindMessageTypeByName("pave.remote.WriteRequest"))
    return made


_WriteRequest = _described()


def written(milliseconds: int, samples: Iterable[Sample]) -> bytes:
    """The body of a remote write."""
    import cramjam  # noqa: PLC0415 — only where there is a Prometheus

    request = _WriteRequest()
    for one in samples:
        series = request.timeseries.add()
        for name, value in sorted({"__name__": one.name, **one.labels}.items()):
            if value:  # an empty label is none, for Prometheus
                series.labels.add(name=name, value=value)
        series.samples.add(value=one.value, timestamp=milliseconds)
    return bytes(cramjam.snappy.compress_raw(request.SerializeToString()))
