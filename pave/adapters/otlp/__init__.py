"""OpenTelemetry: what applications send over OTLP/HTTP, as protobuf or JSON."""
