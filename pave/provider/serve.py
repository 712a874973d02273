"""The Terraform provider `pave`, served by the running platform on a Unix socket.

Terraform attaches to it (TF_REATTACH_PROVIDERS), so no plan or apply pays for a provider's start. Who may
open the socket may do everything that the provider can: it is for Pave's own user alone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from tf.gen import grpc_controller_pb2, grpc_controller_pb2_grpc, grpc_stdio_pb2_grpc, tfplugin_pb2_grpc
from tf.provider import ProviderServicer
from tf.schema import Schema

from pave.provider.resources.resource import Resource

SOURCE = "pave.dev/pave/pave"
_THREADS = 16


class PaveProvider:
    """The provider as the framework wants it: resource types, each with the plain class that does the work."""

    def __init__(self, services: Mapping[type[Resource], Any]) -> None:
        self._services = dict(services)

    def full_name(self) -> str:
        """Its source address."""
        return SOURCE

    def get_model_prefix(self) -> str:
        """What every resource type begins with."""
        return "pave_"

    def get_provider_schema(self, _diags: Any) -> Any:
        """There is nothing to configure: the platform that serves it knows everything."""
        return Schema(attributes=[])

    def validate_config(self, _diags: Any, _config: Any) -> None:
        """Nothing to validate."""

    def configure_provider(self, _diags: Any, _config: Any) -> None:
        """Nothing to configure."""

    def get_data_sources(self) -> list[Any]:
        """None: outputs are wired by the root module."""
        return []

    def get_resources(self) -> list[type[Resource]]:
        """The resource types."""
        return list(self._services)

    def get_functions(self) -> list[Any]:
        """None."""
        return []

    def new_resource(self, kind: type[Resource]) -> Resource:
        """A resource with its service."""
        return kind(self._services[kind])


class ProviderServer:
    """The provider on its socket, from `start` to `stop`."""

    def __init__(self, provider: PaveProvider, socket: Path) -> None:
        """`socket` is a path of less than 100 bytes in a folder that only Pave's user can enter."""
        self._provider = provider
        self._socket = socket
        self._server: Any = None

    def start(self) -> None:
        """Listen; a socket that a killed server left behind is replaced."""
        self._socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._socket.parent.chmod(0o700)
        self._socket.unlink(missing_ok=True)
        server = grpc.server(ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="provider"))
        tfplugin_pb2_grpc.add_ProviderServicer_to_server(ProviderServicer(self._provider), server)
        grpc_controller_pb2_grpc.add_GRPCControllerServicer_to_server(_Controller(), server)
        grpc_stdio_pb2_grpc.add_GRPCStdioServicer_to_server(_Stdio(), server)
        server.add_insecure_port(f"unix:{self._socket}")
        self._socket.chmod(0o600)
        server.start()
        self._server = server

    def stop(self, grace: float = 5.0) -> None:
        """Take no more calls, let those in progress end within `grace` seconds, remove the socket."""
        if self._server is not None:
            self._server.stop(grace).wait()
            self._server = None
        self._socket.unlink(missing_ok=True)

    def reattach(self) -> dict[str, Any]:
        """The value for TF_REATTACH_PROVIDERS, before it is made JSON."""
        return {
            SOURCE: {
                "Protocol": "grpc",
                "ProtocolVersion": 6,
                "Pid": os.getpid(),
                "Test": True,
                "Addr": {"Network": "unix", "String": str(self._socket)},
            }
        }

    def environment(self) -> dict[str, str]:
        """The variables with which Terraform finds the provider."""
        return {"TF_REATTACH_PROVIDERS": json.dumps(self.reattach()), "CHECKPOINT_DISABLE": "1"}


class _Controller(grpc_controller_pb2_grpc.GRPCControllerServicer):  # type: ignore[misc]
    def Shutdown(self, _request: Any, _context: Any) -> Any:  # noqa: N802 — the protocol's name
        """Terraform leaving does not end the platform's provider."""
        return grpc_controller_pb2.Empty()


class _Stdio(grpc_stdio_pb2_grpc.GRPCStdioServicer):  # type: ignore[misc]
    def StreamStdio(self, _request: Any, _context: Any) -> Iterator[Any]:  # noqa: N802 — the protocol's name
        """The provider logs where the platform logs, so there is nothing to stream."""
        return iter(())


def serve_as_plugin(provider: PaveProvider) -> None:
    """Serve the provider as Terraform starts plugins: a process per call, with a handshake on stdout.

    The platform never does this; it is for Terraform alone, such as a mirror on the disk in its CLI configuration.
    """
    from tf.runner import run_provider  # noqa: PLC0415 — only plugins need it

    run_provider(provider, ["terraform-provider-pave"])
