"""The local cloud put together: data services, workloads, routes, the router, and the provider that offers them.

Nothing is started here but the provider's socket; each server starts when a resource first needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pave.model.names import Address
from pave.ports import Meter
from pave.ports.machine import Confiner
from pave.provider.cloud import LocalCloud
from pave.provider.containers import Artifacts
from pave.provider.log_files import LogFiles
from pave.provider.meters.probes import ProbeMeter
from pave.provider.meters.processes import WorkloadMeter
from pave.provider.meters.resources import BucketMeter, CacheMeter, DatabaseMeter, QueueMeter, VolumeMeter
from pave.provider.meters.router import RouterMeter
from pave.provider.meters.scraping import Hints, ScrapeMeter
from pave.provider.routes import Routes
from pave.provider.serve import ProviderServer
from pave.provider.servers.caddy import Router
from pave.provider.servers.server import Ground
from pave.provider.services import Programs, Services
from pave.provider.trash import Trash
from pave.provider.volumes import Volumes
from pave.provider.workload import Site, Workloads


class Sandbox(Confiner, Protocol):
    """What confines workloads, and hands folders to the user that they run as."""

    def give(self, path: Path) -> None:
        """Hand a folder over."""


@dataclass(frozen=True)
class Options:
    """What can be chosen. `caddy` is a program; `router_port` 0 takes a free one.

    `last_words` is told each log file of a workload that is about to be deleted.
    `told` makes the variables that a stack's processes are told, given where the router's port can be had.
    """

    programs: Programs
    caddy: Path
    router_port: int
    trash_days: int
    start_seconds: float
    last_words: Callable[[Path], None] = lambda _: None
    told: Callable[[Address, Callable[[], int]], Mapping[str, str]] = lambda _stack, _port: {}


class Local:
    """All of this machine's local cloud."""

    def __init__(self, ground: Ground, sandbox: Sandbox, artifacts: Artifacts, options: Options) -> None:
        self.services = Services(ground, options.programs, options.trash_days)
        self.routes = Routes(ground.inventory)
        self.router = Router(ground, options.caddy, options.router_port, self.routes.all)
        self.routes.router = self.router
        self.volumes = Volumes(ground.directory / "volumes", sandbox.give)
        site = Site(
            inventory=ground.inventory,
            machine=ground.machine,
            sandbox=sandbox,
            artifacts=artifacts,
            volumes=self.volumes,
            directory=ground.directory / "workloads",
            logs=ground.logs,
            start_seconds=options.start_seconds,
            last_words=options.last_words,
            told=lambda stack: options.told(stack, lambda: self.router.port),
        )
        self.workloads = Workloads(site, self.routes)
        self.log_files = LogFiles(self.workloads, self.router.logs)
        self.trash = Trash((*self.services.stores, self.volumes), options.trash_days)
        kinds = {**self.services.live(), "volume": self.volumes.all}
        self.cloud = LocalCloud(
            self.workloads,
            self.routes,
            self.trash,
            self.services.backups(sandbox),
            kinds,
            self.router.logs,
        )

    def meters(self, hints: Hints) -> tuple[Meter, ...]:
        """What measures all of it; `hints` tells how a workload wants to be scraped."""
        services, site = self.services, self.workloads.site
        return (
            WorkloadMeter(site.machine, site.inventory),
            RouterMeter(self.router.logs, self.routes.all),
            ProbeMeter(self.routes),
            DatabaseMeter(services.databases),
            QueueMeter(services.queues),
            BucketMeter(services.buckets),
            CacheMeter(services.caches),
            VolumeMeter(self.volumes),
            ScrapeMeter(site.inventory, hints),
        )

    def serve(self, socket: Path) -> ProviderServer:
        """Serve the Terraform provider on `socket` until its `stop` is called."""
        from pave.provider.resources.route import RouteResource  # noqa: PLC0415 — gRPC is heavy: only where served
        from pave.provider.resources.volume import VolumeResource  # noqa: PLC0415
        from pave.provider.resources.workload import WorkloadResource  # noqa: PLC0415

        own: Mapping[type[Any], Any] = {
            WorkloadResource: self.workloads,
            RouteResource: self.routes,
            VolumeResource: self.volumes,
        }
        server = ProviderServer(self.services.provider(own), socket)
        server.start()
        return server
