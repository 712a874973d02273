"""Traffic: what the router saw of one version of a workload."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Traffic:
    """Requests in some time: how many, how many answered with 5xx or not at all, and latencies in seconds."""

    requests: int = 0
    errors: int = 0
    p50: float = 0.0
    p95: float = 0.0

    @property
    def error_rate(self) -> float:
        """Share of requests that failed, 0 to 1."""
        return self.errors / self.requests if self.requests else 0.0
