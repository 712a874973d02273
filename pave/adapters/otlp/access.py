"""Credentials for sending telemetry: one per stack, made by a key and stored nowhere, good for nothing else."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from urllib.parse import quote

from pave.model.diagnostics import Refused
from pave.model.names import Address

_PREFIX = "pave_otlp_"


class TelemetryAccess:
    """Gives workloads the variables that OpenTelemetry's SDKs read, and lets the door check what they send."""

    def __init__(self, key: bytes, path: str) -> None:
        """`path` is where the router leads to the door."""
        self._key, self._path = key, path

    def variables(self, stack: Address, port: Callable[[], int]) -> Mapping[str, str]:
        """What a workload of the stack is told; the names are OpenTelemetry's (specs/otel/protocol/exporter)."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port()}{self._path}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={quote(f'Bearer {self.token(stack)}')}",
            "OTEL_SERVICE_NAME": stack.component,
            "OTEL_RESOURCE_ATTRIBUTES": f"deployment.environment.name={stack.environment}",
        }

    def token(self, stack: Address) -> str:
        """The credential of a stack."""
        named = urlsafe_b64encode(str(stack.stack).encode()).decode().rstrip("=")
        return f"{_PREFIX}{named}.{self._proof(stack)}"

    def whose(self, token: str) -> Address | None:
        """The stack that a credential is of, or None."""
        named, _, proof = token.removeprefix(_PREFIX).partition(".")
        try:
            text = urlsafe_b64decode(named + "=" * (-len(named) % 4)).decode()
            stack = Address.parse(text).stack
        except (ValueError, Refused):
            return None
        genuine = token.startswith(_PREFIX) and hmac.compare_digest(proof.encode(), self._proof(stack).encode())
        return stack if genuine else None

    def _proof(self, stack: Address) -> str:
        return hmac.new(self._key, f"otlp/{stack.stack}".encode(), hashlib.sha256).hexdigest()[:40]
