"""The composition root: settings → adapters → engine → doors. Nothing else knows all of them.

`serve` is one process on one machine: API, workers, reconciler and the Terraform provider. What must live
on while it restarts (PostgreSQL, the router, every workload) runs below the supervisor.
"""

from __future__ import annotations

from pave.wiring.machine import Base, ControlPostgres, Places
from pave.wiring.platform import Platform, library_files
from pave.wiring.server import AlreadyRunning, serve, stop

__all__ = ["AlreadyRunning", "Base", "ControlPostgres", "Places", "Platform", "library_files", "serve", "stop"]
