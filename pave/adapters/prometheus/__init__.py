"""Prometheus: the port Metrics over its HTTP API, and what Pave says of itself in its text format."""
