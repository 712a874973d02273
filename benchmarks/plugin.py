"""The provider as Terraform would start it: one process for each command, over a running platform's local cloud."""

from __future__ import annotations

import os
from pathlib import Path

from pave.provider.serve import serve_as_plugin
from pave.provider.services import Programs, Services
from pave.settings import Settings
from pave.wiring import Base

if __name__ == "__main__":
    base = Base(Settings.load({"data": Path(os.environ["PAVE_BENCH_DATA"])}))
    serve_as_plugin(Services(base.ground("cloud"), Programs(str(base.postgres_programs()))).provider())
